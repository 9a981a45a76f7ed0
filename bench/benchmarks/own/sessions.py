"""From a session as it is written to the session that a memory system gets: ids by place, a role for each message."""

from __future__ import annotations

import hashlib
import re

from bench.benchmarks.own.format import OwnMessage, OwnSession
from vocabulary import Message, Role, Session

_BY_PLACE = re.compile(r"s(\d+)(?:m(\d+))?")
_SPEAKERS: dict[Role, str] = {"user": "User", "assistant": "Assistant"}


def session_id(number: int) -> str:
    """The id of session `number` (from 1) that memory systems get."""
    return f"s{number:04d}"


def message_id(session: int, number: int) -> str:
    """The id of a message, both numbers from 1."""
    return f"{session_id(session)}m{number:04d}"


class Talk:
    """The sessions of a haystack in their order, made one after the other; `id` is the hash of all so far."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._count = 0
        self._first: str | None = None

    @property
    def id(self) -> str:
        """A haystack's id after its last session."""
        return f"own-{self._digest.hexdigest()[:16]}"

    def next(self, written: OwnSession) -> Session:
        """The next session."""
        self._count += 1
        messages = tuple(
            self._message(message_id(self._count, number), message)
            for number, message in enumerate(written.messages, start=1)
        )
        session = Session(id=session_id(self._count), date=written.began, messages=messages)
        self._digest.update(session.model_dump_json().encode())
        return session

    def _message(self, name: str, written: OwnMessage) -> Message:
        role = written.role
        if role is None:
            self._first = self._first or written.speaker
            role = "user" if written.speaker == self._first else "assistant"
        return Message(id=name, speaker=written.speaker or _SPEAKERS[role], role=role, text=written.text)


class Ids:
    """What evidence may name in a haystack: ids as they are written, and places such as ``s2`` and ``s2m5``."""

    def __init__(self) -> None:
        self._written: dict[str, str] = {}
        self._messages: list[int] = []

    def add(self, session: OwnSession) -> list[tuple[str, str]]:
        """Learn the ids of the next session; returns those that are there already, each with its field."""
        number = len(self._messages) + 1
        self._messages.append(len(session.messages))
        named = [("id", session.id, session_id(number))]
        for index, message in enumerate(session.messages):
            named.append((f"messages[{index}].id", message.id, message_id(number, index + 1)))
        twice = []
        for field, written, ours in named:
            if written is None:
                continue
            if written in self._written:
                twice.append((field, written))
            self._written.setdefault(written, ours)
        return twice

    def find(self, written: str) -> str | None:
        """Our id of the message or session that `written` names; None for nothing."""
        if written in self._written:
            return self._written[written]
        if not (place := _BY_PLACE.fullmatch(written)):
            return None
        session = int(place[1])
        if not 1 <= session <= len(self._messages):
            return None
        if place[2] is None:
            return session_id(session)
        message = int(place[2])
        return message_id(session, message) if 1 <= message <= self._messages[session - 1] else None
