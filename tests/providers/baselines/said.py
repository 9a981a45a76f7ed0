"""Sessions for tests of providers, in few words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from vocabulary import Message, SearchResult, Session


def session(name: str, *texts: str, date: datetime | None = None, caption: str | None = None) -> Session:
    messages = (
        Message(id=f"{name}-{index}", speaker="Ann", role="user", text=text, caption=caption)
        for index, text in enumerate(texts)
    )
    return Session(id=name, date=date, messages=tuple(messages))


def ids(results: Sequence[SearchResult]) -> list[str]:
    return [result.message_ids[0] for result in results]
