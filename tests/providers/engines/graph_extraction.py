"""What graphiti and langmem ask of a language model, answered by rule, for the extraction server.

To graphiti, each line said is a fact about its speaker and its topic. A prompt is told by the name of the schema
that its reply must have. The words of a fact are those that were said, and it is true since the time that the prompt
gives as its reference. To langmem, each line said is a memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.providers.engines.extraction_server import prompt_of

Reply = dict[str, Any]


def graph(body: dict[str, Any]) -> str | None:
    """A handler for the extraction server: None where graphiti asks for no such thing."""
    form = (body.get("response_format") or {}).get("json_schema") or (body.get("text") or {}).get("format") or {}
    answer = _ANSWERS.get(form.get("name", ""))
    return json.dumps(answer(prompt_of(body))) if answer else None


def memories(body: dict[str, Any]) -> str | None:
    """A handler for langmem: one call of its tool for each line; None where there is no such tool."""
    if "Memory" not in [tool["function"]["name"] for tool in body.get("tools") or []]:
        return None
    (session,) = re.findall(r"<session_[^>]+>\n(.*)\n</session_", prompt_of(body), re.DOTALL)
    calls = [
        {"name": "Memory", "arguments": {"content": f"{speaker}: {text}"}}
        for speaker, text in _lines(session)
        if not speaker.startswith("=")
    ]
    return json.dumps({"tool_calls": calls})


def entities(prompt: str) -> Reply:
    """Who speaks, and what about."""
    names = [name for speaker, text in _lines(_part(prompt, "CURRENT MESSAGE")) for name in (speaker, topic(text))]
    return {"extracted_entities": [{"name": name, "entity_type_id": 0} for name in dict.fromkeys(names)]}


def edges(prompt: str) -> Reply:
    """One fact a line."""
    (reference,) = re.findall(r"(\S+ \S+)  # ISO 8601", _part(prompt, "REFERENCE_TIME"))
    facts = [
        {
            "source_entity_name": speaker,
            "target_entity_name": topic(text),
            "relation_type": "TOLD",
            "fact": f"{speaker}: {text}",
            "valid_at": reference.replace(" ", "T").replace("+00:00", "Z"),
            "invalid_at": None,
        }
        for speaker, text in _lines(_part(prompt, "CURRENT_MESSAGE"))
    ]
    return {"edges": facts}


def same_entities(prompt: str) -> Reply:
    """An entity is one that is known by the very same name."""
    known = {one["name"]: one["candidate_id"] for one in json.loads(_part(prompt, "EXISTING ENTITIES"))}
    new = json.loads(_part(prompt, "ENTITIES"))
    return {
        "entity_resolutions": [
            {"id": one["id"], "name": one["name"], "duplicate_candidate_id": known.get(one["name"], -1)} for one in new
        ]
    }


def same_facts(prompt: str) -> Reply:
    """A fact repeats one that is told in the very same words; none contradicts another."""
    (new,) = re.findall(r"<NEW FACT>\n(.*?)\n</NEW FACT>", prompt, re.DOTALL)
    known = re.findall(r"\{'idx': (\d+), 'fact': (.*?)\}", _part(prompt, "EXISTING FACTS"))
    return {"duplicate_facts": [int(idx) for idx, fact in known if fact[1:-1] == new], "contradicted_facts": []}


def topic(text: str) -> str:
    """The last words of a text, which tell it from others as a topic would."""
    words = re.findall(r"\w+", text) or ["nothing"]
    return "about " + " ".join(words[-4:]).lower()


def _part(prompt: str, tag: str) -> str:
    (part,) = re.findall(rf"<{tag}>\n(.*?)\n</{tag}>", prompt, re.DOTALL)[:1]
    return str(part).strip()


def _lines(said: str) -> list[tuple[str, str]]:
    """Speaker and text of each line; a line without a speaker goes on with the one before."""
    lines: list[tuple[str, str]] = []
    for line in said.splitlines():
        speaker, colon, text = line.partition(": ")
        if colon:
            lines.append((speaker.strip(), text.strip()))
        elif lines and line.strip() and not line.startswith("="):
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {line.strip()}")
    return lines


_ANSWERS: Mapping[str, Callable[[str], Reply]] = {
    "ExtractedEntities": entities,
    "ExtractedEdges": edges,
    "NodeResolutions": same_entities,
    "EdgeDuplicate": same_facts,
    "SummarizedEntities": lambda _prompt: {"summaries": []},
}
