"""What is said to memory engines in their tests, and how a test that is a coroutine is run."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, ParamSpec

from vocabulary import Message, Question, Session

P = ParamSpec("P")


def looped(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @functools.wraps(test)
    def run(*arguments: P.args, **more: P.kwargs) -> None:
        asyncio.run(test(*arguments, **more))

    return run


def session(name: str, *said: str, date: datetime | None = None) -> Session:
    """Lines such as ``Ann: I have a dog.``; Bob is the assistant."""
    messages = []
    for index, line in enumerate(said):
        speaker, _, text = line.partition(": ")
        role = "assistant" if speaker == "Bob" else "user"
        messages.append(Message(id=f"{name}-{index}", speaker=speaker, role=role, text=text))
    return Session(id=name, date=date, messages=tuple(messages))


def asking(text: str) -> Question:
    return Question(id="q", text=text)


MAY = session(
    "may",
    "Ann: I planted tulips along the garden wall.",
    "Bob: My sister sails a wooden boat around islands.",
    date=datetime(2023, 5, 8, 13, 56),
)
JUNE = session("june", "Ann: The violin lessons with Mister Kowalski began.", date=datetime(2023, 6, 1, 9, 30))
