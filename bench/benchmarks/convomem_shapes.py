"""The two shapes of ConvoMem's files, and what an index keeps of them.

Keys may be in camelCase or in snake_case. What only a path tells (category, number of evidences) is not known here:
the same bytes may lie under several paths. `bench.benchmarks.convomem` adds it to the cases.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar  # Any: parsed JSON

from pydantic import AliasChoices, BaseModel, Field, StrictInt, StrictStr, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from bench.benchmarks.quotes import Line, Quotes, Spot
from bench.data import Found, FoundHaystack, Item, Place, index_folder
from vocabulary import Case, DataError, EvidenceSource, Gold, Message, Question, Role, Session, clean_json, clean_text

SHAPES_VERSION = 2
"""To be raised whenever the same file gives other cases or haystacks: what an index knows is then found anew."""

T = TypeVar("T", bound=BaseModel)
Text = Annotated[str, StringConstraints(strict=True, min_length=1)]
Talk = tuple[Line, ...]
"""A conversation."""

_ROLES: dict[str, Role] = {"User": "user", "Assistant": "assistant"}


class _Said(BaseModel):
    speaker: Literal["User", "Assistant"]
    text: StrictStr


class _Quote(BaseModel):
    speaker: StrictStr
    text: StrictStr


class _Conversation(BaseModel):
    messages: list[_Said]
    id: StrictStr | None = None


class _Item(BaseModel):
    question: Text
    answer: Text
    quotes: list[_Quote] = Field(validation_alias=AliasChoices("message_evidences", "messageEvidences"))
    conversations: list[_Conversation]
    person: StrictStr | None = Field(None, validation_alias=AliasChoices("personId", "person_id"))


class _Items(BaseModel):
    """A file of raw evidence items."""

    items: list[_Item] = Field(validation_alias=AliasChoices("evidence_items", "evidenceItems"))


class _TestCase(BaseModel):
    """Questions over one haystack, which the evidence conversations were mixed into."""

    items: list[_Item] = Field(validation_alias=AliasChoices("evidenceItems", "evidence_items"))
    conversations: list[_Conversation] = Field(min_length=1)
    context_size: StrictInt = Field(validation_alias=AliasChoices("contextSize", "context_size"))


class _Haystack(BaseModel):
    """What of a test case is read again when its haystack is needed."""

    conversations: list[_Conversation]


class _ItemHaystacks(BaseModel):
    """What of a file of raw evidence items is read again when one of its haystacks is needed."""

    items: list[_Haystack] = Field(validation_alias=AliasChoices("evidence_items", "evidenceItems"))


def find_in_test_case(item: Item) -> Found:
    """What the index keeps of a pre-mixed test case: many questions, one haystack."""
    case = _parse(_TestCase, item)
    talks = _talks(case.conversations)
    haystack = haystack_id(talks)
    facts = Counter({"context size is wrong": case.context_size != len(talks), "empty messages": _empty(talks)})
    quotes, known = Quotes(talks), _known(case.conversations, talks)
    cases = []
    for number, asked in enumerate(case.items):
        own = [known.get(talk, known.get(one.id)) for one, talk in _paired(asked.conversations)]
        facts["conversations that are not in the haystack"] += own.count(None)
        gold = _gold(asked, quotes, own, len(talks), facts)
        name = f"c{item.number:03d}-q{number:03d}"
        cases.append(_case(asked, name, f"[{item.number}]/evidenceItems[{number}]", gold, haystack))
    return Found(cases, [FoundHaystack(haystack, len(talks))], +facts)


def find_in_items(item: Item) -> Found:
    """What the index keeps of a file of raw evidence items: each a question over its own conversations."""
    facts, cases, haystacks = Counter[str](), [], []
    for number, asked in enumerate(_parse(_Items, item).items):
        talks = _talks(asked.conversations)
        if not talks:
            raise DataError(f"item {item.number}: evidence_items[{number}].conversations is empty")
        found = FoundHaystack(haystack_id(talks), len(talks), part=number)
        facts["empty messages"] += _empty(talks)
        gold = _gold(asked, Quotes(talks), range(len(talks)), len(talks), facts)
        name = f"q{number:03d}" if item.number == 0 else f"c{item.number:03d}-q{number:03d}"
        cases.append(_case(asked, name, f"[{item.number}]/evidence_items[{number}]", gold, found.id))
        haystacks.append(found)
    return Found(cases, haystacks, +facts)


def read_test_case(identity: str, place: Place) -> Iterator[Session]:
    """The haystack of a test case: parsed at once, its sessions made as they are asked for."""
    return _sessions(identity, place, _reparse(_Haystack, place).conversations)


def read_item(identity: str, place: Place) -> Iterator[Session]:
    """The conversations of one evidence item of a file, in the same way."""
    items = _reparse(_ItemHaystacks, place).items
    return _sessions(identity, place, items[place.part].conversations if place.part < len(items) else [])


def haystack_id(talks: Sequence[Talk]) -> str:
    """A hash of who said what in which conversation; ids, models and scenarios are no part of it."""
    digest = sha256()
    for talk in talks:
        digest.update(sha256(json.dumps(talk).encode()).digest())
    return digest.hexdigest()[:16]


# --- reading -----------------------------------------------------------------------------------------------------


def _sessions(identity: str, place: Place, conversations: Sequence[_Conversation]) -> Iterator[Session]:
    talks = _talks(conversations)
    if haystack_id(talks) != identity:
        raise _changed(place)
    return (_session(number, talk) for number, talk in enumerate(talks))


def _session(number: int, talk: Talk) -> Session:
    messages = tuple(
        Message(id=_message_id(Spot(number, at)), speaker=line.speaker, role=_ROLES[line.speaker], text=line.text)
        for at, line in enumerate(talk)
        if line.text.strip()
    )
    return Session(id=_session_id(number), date=None, messages=messages)


def _session_id(session: int) -> str:
    return f"c{session + 1:03d}"


def _message_id(spot: Spot) -> str:
    return f"{_session_id(spot.session)}m{spot.message + 1:02d}"


def _reparse(shape: type[T], place: Place) -> T:
    try:
        return shape.model_validate_json(clean_json(place.read()))
    except ValidationError as error:
        raise _changed(place) from error


def _changed(place: Place) -> DataError:
    return DataError(
        f"{place.file} is no longer the file that was indexed, though it has its size and time. "
        f"Delete {index_folder()}, and run again."
    )


# --- finding -----------------------------------------------------------------------------------------------------


def _talks(conversations: Sequence[_Conversation]) -> list[Talk]:
    return [talk for _one, talk in _paired(conversations)]


def _paired(conversations: Sequence[_Conversation]) -> Iterator[tuple[_Conversation, Talk]]:
    return ((one, tuple(Line(said.speaker, clean_text(said.text)) for said in one.messages)) for one in conversations)


def _known(conversations: Sequence[_Conversation], talks: Sequence[Talk]) -> Mapping[Talk | str | None, int]:
    """The places of conversations in a haystack, by what was said in them and by their ids."""
    known: dict[Talk | str | None, int] = {}
    for number, (one, talk) in enumerate(zip(conversations, talks, strict=True)):
        known.setdefault(talk, number)
        if one.id:
            known.setdefault(one.id, number)
    return known


def _empty(talks: Sequence[Talk]) -> int:
    return sum(not line.text.strip() for talk in talks for line in talk)


def _gold(item: _Item, quotes: Quotes, own: Sequence[int | None], context_size: int, facts: Counter[str]) -> Gold:
    """The truth as far as the file says it; `own` are the places of the item's conversations in the haystack."""
    spots: dict[Spot, None] = {}
    sources = []
    for number, quote in enumerate(item.quotes):
        likely = own[number : number + 1]
        order = dict.fromkeys(place for place in (*likely, *own) if place is not None)
        found = quotes.find(Line(quote.speaker, clean_text(quote.text)), list(order))
        facts[f"quotes {found[0] if found else 'lost'}"] += 1
        if found:
            spots[found[1]] = None
        sources.append(EvidenceSource(source=quote.text, ids=(_message_id(found[1]),) if found else ()))
    facts["questions without evidence"] += not spots
    return Gold(
        question_type="",
        ground_truth=item.answer,
        evidence_messages=tuple(map(_message_id, spots)),
        evidence_sessions=tuple(dict.fromkeys(_session_id(spot.session) for spot in spots)),
        evidence_sources=tuple(sources),
        category=len(item.quotes),
        groups=(f"context-{context_size}",),
    )


def _case(item: _Item, name: str, source: str, gold: Gold, haystack: str) -> Case:
    return Case(
        id=name,
        source_id=source,
        benchmark="",
        question=Question(id="", text=item.question),
        gold=gold,
        haystack=haystack,
        cluster=item.person or "",
    )


# --- what is wrong with a file -----------------------------------------------------------------------------------


def _parse(shape: type[T], item: Item) -> T:
    try:
        return shape.model_validate(item.value)
    except ValidationError as error:
        raise DataError(f"item {item.number}: {_told(error.errors()[0])}") from error


def _told(problem: ErrorDetails) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]).lstrip(".")
    value: Any = problem["input"]
    if problem["type"] != "missing" or not isinstance(value, dict):
        return f"{place or 'the item'}: {problem['msg']} (found {value!r:.60})"
    wanted = place.rpartition(".")[2]
    if near := [key for key in value if _plain(key) == _plain(wanted)]:
        return f"{place} is missing; it has {near[0]!r}, and keys are case-sensitive"
    return f"{place} is missing (its keys: {', '.join(value) or 'none':.100})"


def _plain(key: str) -> str:
    return re.sub(r"[^a-z]", "", key.lower())
