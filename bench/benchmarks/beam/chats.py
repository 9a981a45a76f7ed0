"""BEAM's chats: batches of turns, each a session; read a batch at a time, whatever the size of the chat."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple  # Any: parsed JSON

from pydantic import BaseModel, StrictInt, StrictStr, ValidationError

from bench.data import Found, FoundHaystack, Item, Place, each_key_once, index_folder
from vocabulary import DataError, Message, Role, Session, clean_json, clean_text

CHATS_VERSION = 1
"""To be raised whenever the same file gives other sessions: what an index knows is then found anew."""

MARKS, OTHER_MARKS = "marks", "marks of another form"
"""Facts that an index counts."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_ANCHOR = re.compile(rf"({'|'.join(_MONTHS)})-(\d{{1,2}})-(\d{{4}})")
_MARK = re.compile(r"\s*->->\s*\d+\s*,\s*(?:\d+(?:\s*,\s*\d+)*|N/A)?\s*\)?\s*\Z")
"""What the generator of the chats left at the end of a message: the batch and the bullet of its plan."""
_SPEAKERS: dict[Role, str] = {"user": "User", "assistant": "Assistant"}


class _Said(BaseModel):
    role: Role
    id: StrictInt
    content: StrictStr
    time_anchor: StrictStr | None = None


class _Batch(BaseModel):
    turns: list[list[_Said]]
    time_anchor: StrictStr | None = None

    @property
    def said(self) -> list[_Said]:
        return [said for turn in self.turns for said in turn]


class Batch(NamedTuple):
    """A batch of a chat as the index knows it: where it lies, the ids of its messages, a hash of its content."""

    place: Place
    first: int
    last: int
    digest: str


@dataclass(frozen=True)
class Chat:
    """A chat as the index knows it."""

    batches: Sequence[Batch]

    @property
    def haystack(self) -> str:
        """A hash of what was said when by whom."""
        return f"beam-{sha256(''.join(batch.digest for batch in self.batches).encode()).hexdigest()[:16]}"

    def session_of(self, message: int) -> str | None:
        """The session that the message of that id is in; None if there is no such message."""
        number = bisect_right([batch.first for batch in self.batches], message)
        return session_id(number) if number and message <= self.batches[number - 1].last else None

    def read(self) -> Iterator[Session]:
        """The sessions; a part of the file is read when its first session is asked for, and then forgotten."""
        offset, parts = -1, list[Any]()
        for number, batch in enumerate(self.batches, start=1):
            if batch.place.offset != offset:
                offset, parts = batch.place.offset, _parts(_parsed(batch.place))
            if batch.place.part >= len(parts):
                raise _changed(batch.place)
            found = _checked(parts[batch.place.part], f"batch {number}")
            if _digest(found) != batch.digest:
                raise _changed(batch.place)
            yield _session(number, found)


def find_batches(item: Item) -> Found:
    """What the index keeps of an item of a chat's file: the batches in it."""
    haystacks, facts = [], Counter[str]()
    for part, value in enumerate(_parts(item.value)):
        where = f"item {item.number}, batch {part}" if part else f"item {item.number}"
        batch = _checked(value, where)
        ids = [said.id for said in batch.said]
        if not ids or ids != list(range(ids[0], ids[0] + len(ids))):
            raise DataError(f"{where}: the ids of its messages do not count up ({ids[:3]} …)")
        haystacks.append(FoundHaystack(f"{ids[0]} {ids[-1]} {_digest(batch)}", 1, part))
        for said in batch.said:
            if _MARK.search(said.content):
                facts[MARKS] += 1
            elif said.role == "user" and "->->" in said.content:
                facts[OTHER_MARKS] += 1
        _date(batch, where)
    return Found(haystacks=haystacks, facts=facts)


def chat_of(haystacks: dict[str, Place]) -> Chat:
    """The chat whose batches the index found; raises `DataError` if there is none, or their ids do not go on."""
    batches = []
    for name, place in haystacks.items():
        first, last, digest = name.split(" ")
        batches.append(Batch(place, int(first), int(last), digest))
    for one, other in pairwise(batches):
        if other.first <= one.last:
            raise DataError(f"message {other.first} of a later batch comes after message {one.last}")
    if not batches:
        raise DataError("holds no batch of a chat")
    return Chat(batches)


def session_id(number: int) -> str:
    """The id of the session of the batch with that number, counted from 1."""
    return f"s{number:03d}"


def message_id(number: int) -> str:
    """The id of the message that has that id in the file."""
    return f"m{number:06d}"


def _parts(value: Any) -> list[Any]:  # any: parsed JSON
    """The batches in an item: itself, or those of its plans (10M has ``{"plan-1": [batch, …]}``).

    A batch may be the list of its messages, as the column `chat` of the hub has it.
    """
    if isinstance(value, list):
        return [{"turns": [value]}]
    if isinstance(value, dict) and "turns" not in value:
        return [part for plan in value.values() if isinstance(plan, list) for batch in plan for part in _parts(batch)]
    return [value]


def _checked(value: Any, where: str) -> _Batch:  # any: parsed JSON
    try:
        return _Batch.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the batch"
        raise DataError(f"{where}: {place}: {first['msg']} (found {first['input']!r:.60})") from error


def _digest(batch: _Batch) -> str:
    digest = sha256()
    for said in batch.said:
        digest.update(f"\x1e{said.id}\x1f{said.role}\x1f{said.time_anchor}\x1f{clean_text(said.content)}".encode())
    return digest.hexdigest()


def _date(batch: _Batch, where: str) -> datetime | None:
    """The day of the batch: its first message has it as ``March-15-2024``; None where nothing has one."""
    text = next((said.time_anchor for said in batch.said if said.time_anchor), batch.time_anchor)
    if text is None:
        return None
    if match := _ANCHOR.fullmatch(text.strip()):
        try:
            return datetime(int(match[3]), _MONTHS.index(match[1]) + 1, int(match[2]))
        except ValueError:
            pass  # such as June-31-2024: said below, with the text as it stands
    raise DataError(f"{where}: time_anchor {text!r} is not like 'March-15-2024'")


def _session(number: int, batch: _Batch) -> Session:
    said = [(one, _MARK.sub("", one.content)) for one in batch.said]
    messages = tuple(
        Message(id=message_id(one.id), speaker=_SPEAKERS[one.role], role=one.role, text=text)
        for one, text in said
        if text.strip()
    )
    return Session(id=session_id(number), date=_date(batch, f"batch {number}"), messages=messages)


def _parsed(place: Place) -> Any:  # any: parsed JSON
    try:
        return json.loads(clean_json(place.read()), object_pairs_hook=each_key_once)
    except ValueError as error:
        raise _changed(place) from error


def _changed(place: Place) -> DataError:
    return DataError(
        f"{place.file} is no longer the file that was indexed, though it has its size and time. "
        f"Delete {index_folder()}, and run again."
    )
