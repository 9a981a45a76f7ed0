"""The values of placeholders: what is said of a session, a message and a question."""

from __future__ import annotations

import uuid
from calendar import timegm
from datetime import datetime

from providers.general.templates import Scope
from vocabulary import Message, Question, Session

_NAMESPACE = uuid.UUID("5a3c2f0e-7a53-4c55-9b2c-b6f0c8e0a7d1")

IDENTITIES = ("session.id", "session.uuid", "message.id", "message.uuid")
SESSION = ("session.id", "session.uuid", "session.date", "session.day", "session.unix", "session.text")
MESSAGE = (
    *("message.id", "message.uuid", "message.speaker", "message.role"),
    *("message.text", "message.caption", "message.line"),
)
QUESTION = ("question.id", "question.text", "question.date", "question.unix")


def stable_uuid(container: str, thing: str) -> str:
    """The same for the same thing of the same container, and for nothing else."""
    return str(uuid.uuid5(_NAMESPACE, f"{container}\0{thing}"))


def said(session: Session) -> list[Message]:
    """The messages that hold something."""
    return [message for message in session.messages if message.text.strip() or message.caption]


def session_scope(container: str, session: Session) -> Scope:
    """Dates as UTC; `session.text` is a line for each message."""
    return {
        "session.id": session.id,
        "session.uuid": stable_uuid(container, session.id),
        "session.date": _iso(session.date),
        "session.day": session.date.date().isoformat() if session.date else None,
        "session.unix": _unix(session.date),
        "session.text": "\n".join(message.rendered() for message in said(session)),
    }


def message_scope(container: str, session: Session, message: Message) -> Scope:
    """`message.line` is speaker, text and caption in one."""
    return {
        "message.id": message.id,
        "message.uuid": stable_uuid(container, f"{session.id}\0{message.id}"),
        "message.speaker": message.speaker,
        "message.role": message.role,
        "message.text": message.text,
        "message.caption": message.caption,
        "message.line": message.rendered(),
    }


def question_scope(question: Question, top_k: int) -> Scope:
    """What a search may know."""
    return {
        "question.id": question.id,
        "question.text": question.text,
        "question.date": _iso(question.date),
        "question.unix": _unix(question.date),
        "top_k": top_k,
    }


def _iso(date: datetime | None) -> str | None:
    return date.replace(tzinfo=None).isoformat(timespec="seconds") + "Z" if date else None


def _unix(date: datetime | None) -> int | None:
    return timegm(date.timetuple()) if date else None
