"""Questions about a user's conversations that a language model proposes, without those it can answer unread."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple  # Any: what a service is asked

from pydantic import BaseModel, Field

from judges import Judge
from llms.clients import ChatMessage, ChatModel, Completion
from net import Caller, CallLimits, CallRecord, Services
from vocabulary import (
    Answer,
    Gold,
    Haystack,
    InfrastructureError,
    ModelError,
    Question,
    Usage,
    Verdict,
    estimate_tokens,
)

MAX_TOKENS = 4_096
_UNCHECKED = "not checked, because a call failed"

_TASK = """\
You prepare an exam for a memory assistant. Below are messages from past conversations; each line starts with the \
message's id in square brackets. Write exam questions that can only be answered by somebody who knows these messages.

Rules for each question:
- It makes sense to a person who has not just read the messages: name people and things instead of "he", "it", "above".
- Common knowledge must not be enough, and the question must not give its answer away.
- `ground_truth` is the shortest complete answer.
- `evidence` lists the ids of exactly those messages that the answer follows from.
- `type` is one of: "fact" (one message answers it), "combination" (several messages are needed), "change" (something \
was said and later replaced; ask for the present state, and list the message that states it), "time" (when, how long, \
in which order), "not-said" (sounds likely, but the messages leave it open: empty `evidence`, empty `ground_truth`).
- Mix the types as far as the messages allow."""

_UNREAD = """\
Answer the question with one short phrase. You have no notes and no documents: rely on general knowledge and common \
sense, and guess the likeliest answer rather than declining."""


class _Proposal(BaseModel):
    question: str = Field(min_length=1)
    ground_truth: str
    type: Literal["fact", "combination", "change", "time", "not-said"]
    evidence: list[str]


class _Proposals(BaseModel):
    questions: list[_Proposal]


class Draft(NamedTuple):
    """A proposed question; `said` is the text of its evidence, for the person who decides about it."""

    haystack: str
    question: str
    ground_truth: str
    type: str
    evidence: tuple[str, ...]
    said: str

    @property
    def answerable(self) -> bool:
        """Whether the conversations answer it."""
        return self.type != "not-said"


class Part(NamedTuple):
    """As much of a haystack as a request shows the model: lines by message id."""

    haystack: str
    lines: dict[str, str]


@dataclass
class Drafting:
    """How drafting went: `dropped` counts proposals by why they were removed, `errors` are those of requests."""

    drafts: list[Draft] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    errors: list[InfrastructureError] = field(default_factory=list)
    usage: Usage = field(default_factory=lambda: Usage(calls=0))


def parts_of(name: str, haystack: Haystack, context_tokens: int, most: int) -> list[Part]:
    """At most `most` parts of a haystack, of at most `context_tokens` each if no message is longer, evenly chosen."""
    parts, tokens = [Part(name, {})], 0
    for session in haystack.sessions():
        day = f"({session.date:%Y-%m-%d %H:%M}) " if session.date else ""
        for message in session.messages:
            line = f"{day}{message.rendered()}"
            size = estimate_tokens(line)
            if tokens and tokens + size > context_tokens:
                parts.append(Part(name, {}))
                tokens = 0
            parts[-1].lines[message.id] = line
            tokens += size
    if len(parts) <= most:
        return parts
    return [parts[number * len(parts) // most] for number in range(most)]


async def draft_questions(
    parts: Sequence[Part], wanted: int, chat: ChatModel, judge: Judge, in_flight: int, tell: Callable[[str], None]
) -> Drafting:
    """About `wanted` questions for each haystack of `parts`, proposed by `chat` and asked of it unread.

    `judge` says whether an answer without the conversations is right. Raises the first error where nothing but errors
    comes.
    """
    drafting = Drafting()
    shares = Counter(part.haystack for part in parts)
    with TemporaryDirectory() as folder:
        services = Services(in_flight=in_flight, workers=1, folder=Path(folder))
        caller = services.caller(chat.name, CallLimits(concurrency=in_flight), ModelError)
        try:
            negotiated = await caller.call(chat.negotiate, _Proposals)
            if negotiated.error is not None:
                raise negotiated.error
            asked = [_propose(part, -(-wanted // shares[part.haystack]), chat, caller, drafting) for part in parts]
            proposed = [draft for drafts in await asyncio.gather(*asked) for draft in drafts]
            if drafting.errors and not proposed:
                raise drafting.errors[0]
            tell(f"{len(proposed)} proposed by {chat.name}")
            checked = [_reason_to_drop(draft, chat, judge, caller, drafting) for draft in proposed]
            reasons = await asyncio.gather(*checked)
        finally:
            services.close()
            await chat.close()
            closing = judge.close()
            if closing is not None:
                await closing
    drafting.drafts = [draft for draft, reason in zip(proposed, reasons, strict=True) if not reason]
    drafting.dropped.update(filter(None, reasons))
    return drafting


async def _propose(part: Part, wanted: int, chat: ChatModel, caller: Caller, drafting: Drafting) -> list[Draft]:
    listed = "\n".join(f"[{name}] {line}" for name, line in part.lines.items())
    messages = (
        ChatMessage(role="system", content=_TASK),
        ChatMessage(role="user", content=f"{listed}\n\nWrite {wanted} question{'s' if wanted > 1 else ''}."),
    )
    completion = await _ask(caller, drafting, lambda: chat.complete(messages, max_tokens=MAX_TOKENS, reply=_Proposals))
    proposals = completion.parsed.questions if completion and completion.parsed else []
    return list(_usable(part, proposals[:wanted], drafting.dropped))


def _usable(part: Part, proposals: Sequence[_Proposal], dropped: Counter[str]) -> Iterator[Draft]:
    seen = set[str]()
    for one in proposals:
        evidence = tuple(name.strip("[] ") for name in one.evidence)
        if one.question.casefold() in seen:
            dropped["the same question again"] += 1
        elif unknown := [name for name in evidence if name not in part.lines]:
            dropped["evidence that is not in the conversation"] += bool(unknown)
        elif one.type != "not-said" and not (evidence and one.ground_truth.strip()):
            dropped["no evidence or no ground truth"] += 1
        else:
            seen.add(one.question.casefold())
            given = evidence if one.type != "not-said" else ()
            said = "\n".join(part.lines[name] for name in given)
            truth = one.ground_truth.strip() if given else ""
            yield Draft(part.haystack, one.question.strip(), truth, one.type, given, said)


async def _reason_to_drop(draft: Draft, chat: ChatModel, judge: Judge, caller: Caller, drafting: Drafting) -> str:
    """Why the question says nothing about a memory system, as the model answers it unread; empty if it does not."""
    if not draft.answerable:
        return ""
    messages = (ChatMessage(role="system", content=_UNREAD), ChatMessage(role="user", content=draft.question))
    completion = await _ask(caller, drafting, lambda: chat.complete(messages, max_tokens=MAX_TOKENS))
    if completion is None:
        return _UNCHECKED
    question, answer = Question(id="draft", text=draft.question), Answer(hypothesis=completion.text)
    gold = Gold(question_type=draft.type, ground_truth=draft.ground_truth)
    judged: CallRecord[Verdict] = await caller.call(judge.evaluate, question, gold, answer)
    if judged.error is not None:
        drafting.errors.append(judged.error)
    if judged.value is None:
        return _UNCHECKED
    return "answered without the conversations" if judged.value.correct else ""


async def _ask(
    caller: Caller, drafting: Drafting, request: Callable[[], Awaitable[Completion[Any]]]
) -> Completion[Any] | None:
    """The model's reply; None after an error, which is kept."""
    record: CallRecord[Completion[Any]] = await caller.call(request)
    if record.error is not None:
        drafting.errors.append(record.error)
    if record.value is not None:
        drafting.usage += record.value.usage
    return record.value
