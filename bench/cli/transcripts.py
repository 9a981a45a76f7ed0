"""Transcripts as people have them: chat messages in the form of OpenAI's API, ChatGPT's export, Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal  # Any: parsed JSON

from bench.benchmarks.own import Fault, read_records
from vocabulary import ConfigurationError, DataError, Role

Form = Literal["chatgpt", "markdown", "openai"]
Said = dict[str, Any]
"""A session or message of the format of own data."""

ROLES: dict[str, Role] = {
    **dict.fromkeys(("user", "human", "me", "you"), "user"),
    **dict.fromkeys(("assistant", "ai", "bot", "chatgpt", "claude", "gemini", "model"), "assistant"),
}
"""What speakers are called who are one of the two."""

_JSON = (".json", ".jsonl")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?")
_BOLD = re.compile(r"\*\*([^*\n]{1,40}?)(?::\*\*|\*\*:)\s*(.*)")
_HEADING = re.compile(r"#{2,6}\s+([^#\n]{1,40}?):?\s*$")
_PLAIN = re.compile(r"([A-Z][\w.' -]{0,30}):\s+(\S.*)")
_BREAK = re.compile(r"#\s+(.*)|(-{3,}|\*{3,}|_{3,})\s*$")


def find_form(path: Path) -> Form:
    """The form of the transcript at `path`, by its name and its first record."""
    if path.suffix.lower() not in _JSON:
        return "markdown"
    first = next(iter(_values(path)), {})
    return "chatgpt" if isinstance(first.get("mapping"), dict) else "openai"


def read_transcript(path: Path, form: Form, left_out: Counter[str]) -> Iterator[Said]:
    """The sessions in the file; what is no talk is counted in `left_out`. Raises `DataError`, `OSError`."""
    if form == "markdown":
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 ({error.reason} at byte {error.start + 1}).") from error
        sessions: Iterable[Said] = map(_stripped, _markdown(text))
    elif path.suffix.lower() not in _JSON:
        raise ConfigurationError(f"{path}: {form} is read from files that end in {' or '.join(_JSON)}.")
    else:
        read = _chatgpt if form == "chatgpt" else _openai
        sessions = read(_values(path), left_out)
    for session in sessions:
        if session["messages"]:
            yield session
        else:
            left_out["sessions without a message"] += 1


def _values(path: Path) -> Iterator[dict[str, Any]]:
    for record in read_records(path):
        if isinstance(record, Fault):
            raise DataError(str(record))
        yield record.value


def _openai(values: Iterable[dict[str, Any]], left_out: Counter[str]) -> Iterator[Said]:
    """A list of messages is one session; objects that hold ``messages`` are a session each."""
    loose: list[Said] = []
    for value in values:
        if "messages" in value:
            listed = value["messages"] if isinstance(value["messages"], list) else []
            yield {
                "haystack": value.get("user") or value.get("user_id"),
                "id": value.get("id"),
                "date": _time(value.get("created_at") or value.get("created")),
                "messages": list(_chat(listed, left_out)),
            }
        else:
            loose += _chat([value], left_out)
    if loose:
        yield {"messages": loose}


def _chat(values: Iterable[Any], left_out: Counter[str]) -> Iterator[Said]:
    for value in values:
        role = value.get("role") if isinstance(value, dict) else None
        text = _parts(value.get("content"), left_out) if isinstance(value, dict) else ""
        if role not in ("user", "assistant"):
            left_out[f"messages of {role or 'nobody'}"] += 1
        elif not text:
            left_out["messages without text"] += 1
        else:
            time = _time(value.get("created_at") or value.get("timestamp"))
            yield {"role": role, "speaker": value.get("name"), "text": text, "time": time}


def _parts(content: Any, left_out: Counter[str]) -> str:
    """The text of a message's content, which may be a list of parts of several kinds."""
    if not isinstance(content, list):
        return content.strip() if isinstance(content, str) else ""
    texts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            texts.append(text)
        else:
            left_out["images and other attachments"] += 1
    return "\n".join(texts).strip()


def _chatgpt(values: Iterable[dict[str, Any]], left_out: Counter[str]) -> Iterator[Said]:
    """A conversation is a tree of messages, of which the branch that was shown last is a session."""
    for value in values:
        messages = []
        for message in _branch(value):
            role, content = _object(message, "author").get("role"), _object(message, "content")
            hidden = _object(message, "metadata").get("is_visually_hidden_from_conversation")
            if role not in ("user", "assistant") or hidden:
                left_out[f"messages of {'nobody to be seen' if hidden else role}"] += 1
            elif content.get("content_type") not in ("text", "multimodal_text"):
                left_out["code, thoughts and other content"] += 1
            elif text := _parts(content.get("parts"), left_out):
                messages.append({"role": role, "text": text, "time": _time(message.get("create_time"))})
            else:
                left_out["messages without text"] += 1
        yield {
            "id": value.get("conversation_id") or value.get("id"),
            "date": _time(value.get("create_time")),
            "messages": messages,
        }


def _branch(conversation: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages from the first to the one that was shown last."""
    nodes = {key: node for key, node in _object(conversation, "mapping").items() if isinstance(node, dict)}
    name = conversation.get("current_node")
    if name not in nodes:  # an old export: the newest child of each
        name = next((key for key, node in nodes.items() if node.get("parent") not in nodes), None)
        while name is not None and (children := [child for child in nodes[name].get("children", ()) if child in nodes]):
            name = children[-1]
    found, passed = [], set[str]()
    while name in nodes and name not in passed:
        passed.add(name)
        if message := _object(nodes[name], "message"):
            found.append(message)
        name = nodes[name].get("parent")
    return found[::-1]


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    """The object of that name in `value`; empty where there is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _time(value: object) -> str | None:
    """A time as the format has it, from seconds since 1970 (in UTC) or from a text that is one."""
    if isinstance(value, int | float) and value > 0:
        return datetime.fromtimestamp(value, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    return _date_in(value) if isinstance(value, str) else None


def _markdown(text: str) -> Iterator[Said]:
    """Sessions begin at first-level headings and rules; a speaker is in bold, a heading, or a name with a colon."""
    lines = text.splitlines()
    speaks = _way_of_speaking(lines)
    session: Said = {"date": None, "messages": []}
    for line in lines:
        if title := _BREAK.match(line):
            if session["messages"]:
                yield session
                session = {"date": None, "messages": []}
            session["date"] = _date_in(title[1] or "") or session["date"]
        elif found := speaks(line):
            speaker, said = found
            session["messages"].append({"speaker": speaker, "role": ROLES.get(speaker.casefold()), "text": said})
        elif session["messages"]:
            session["messages"][-1]["text"] += f"\n{line}"
        else:
            session["date"] = _date_in(line) or session["date"]
    yield session


def _stripped(session: Said) -> Said:
    """The session without blank lines around its messages, and without messages that hold nothing else."""
    messages = [{**message, "text": message["text"].strip()} for message in session["messages"]]
    return {**session, "messages": [message for message in messages if message["text"]]}


def _date_in(line: str) -> str | None:
    found = _DATE.search(line)
    return found[0] if found else None


def _way_of_speaking(lines: list[str]) -> Any:  # any: a function from a line to a speaker and what follows, or None
    """How speakers are written in a file: the first of the three ways that it has."""
    if any(_BOLD.match(line) for line in lines):
        return lambda line: (found[1].strip(), found[2]) if (found := _BOLD.match(line)) else None
    if any((found := _HEADING.match(line)) and found[1].casefold() in ROLES for line in lines):
        return lambda line: (found[1].strip(), "") if (found := _HEADING.match(line)) else None
    named = Counter(found[1] for line in lines if (found := _PLAIN.match(line)))
    names = {name for name, count in named.items() if count > 1 or name.casefold() in ROLES}  # "Note:" is no speaker
    return lambda line: (found[1], found[2]) if (found := _PLAIN.match(line)) and found[1] in names else None
