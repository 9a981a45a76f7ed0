"""A memory system, an answering model and a judge that return and raise whatever there is, until ``mended`` exists.

``misbehaviour.json`` in the folder that ``WATCHED`` names has, by question, who misbehaves and how.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any, NoReturn

from tests.known import unchecked
from tests.subjects.watched import Contains, First, Watched
from vocabulary import Answer, Gold, ProviderError, Question, SearchResult, Verdict

GOOD = SearchResult(text="The answer is here.")


class UnshowableError(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise SystemExit(5)


class OddError(ProviderError):
    """An error of the suite's own kind that was never made properly."""

    def __init__(self) -> None:
        """Nothing is set."""


def failing_iterator() -> Iterator[SearchResult]:
    yield GOOD
    raise KeyError("lost")


def stop_the_loop() -> None:
    asyncio.get_event_loop().stop()
    raise SystemExit(3)


def exit_later() -> None:
    asyncio.get_event_loop().call_soon(_exit)


def _exit() -> NoReturn:
    raise SystemExit(3)


def deep() -> None:
    deep()


def exiting_thread() -> None:
    threading.Thread(target=_exit, daemon=True).start()


ANYTHING: dict[str, Callable[[], object]] = {
    "None": lambda: None, "number": lambda: 5, "text": lambda: "abc", "bytes": lambda: b"abc",
    "dict": lambda: {"text": "x"}, "dicts": lambda: [{"text": "x"}], "object": object, "class": lambda: SearchResult,
    "a hole": lambda: [None, GOOD], "a bad iterator": failing_iterator, "a lambda": lambda: print,
    "not a number": lambda: [unchecked(SearchResult, **{**vars(GOOD), "score": float("nan")})],
    "no label": lambda: unchecked(Verdict, label="maybe", explanation="who knows", usage=None, votes=()),
    "no hypothesis": lambda: unchecked(Answer, hypothesis=None),
    "bad usage": lambda: unchecked(Answer, hypothesis="x", usage="much"),
    "no exit": deep, "a thread that exits": exiting_thread,
}  # fmt: skip
"""What is returned that is neither results nor an answer nor a verdict, in any role."""

RAISED: dict[str, Callable[[], BaseException]] = {
    "SystemExit": lambda: SystemExit(3), "KeyboardInterrupt": KeyboardInterrupt, "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError, "StopIteration": StopIteration, "StopAsyncIteration": StopAsyncIteration,
    "unshowable": UnshowableError, "odd": OddError, "group": lambda: BaseExceptionGroup("two", [SystemExit(1)]),
    "surrogate": lambda: ValueError("\ud83d\0"), "long": lambda: ValueError("x" * 3_000_000), "no memory": MemoryError,
    "timeout": TimeoutError, "base": BaseException,
}  # fmt: skip

BY_THE_LOOP: dict[str, Callable[[], object]] = {"stops the loop": stop_the_loop, "exits by the loop": exit_later}
"""What only a coroutine can do."""

HANGING = "does not return"
KINDS = ("plain", "async")
ROLES = ("search", "answer", "judge")

ALLOWED: dict[str, dict[str, Callable[[], object]]] = {
    "search": {
        "many": lambda: [GOOD] * 100_000, "without end": lambda: repeat(GOOD), "a tuple": lambda: (GOOD,),
        "surrogates": lambda: [SearchResult(text="\ud83d\0", session_ids=("\ud83d",), raw={"\ud83d": "\0"})],
        "nothing": list,
    },
    "answer": {"surrogates": lambda: Answer(hypothesis="\ud83d\0")},
    "judge": {"surrogates": lambda: Verdict(label="correct", explanation="\ud83d\0")},
}  # fmt: skip
"""What passes."""


def cases() -> list[tuple[str, str, str]]:
    """All misbehaviours: who, what, and whether in a thread or on the event loop."""
    plain = [*ANYTHING, *RAISED, HANGING]
    found = [(role, what, kind) for role in ROLES for kind in KINDS for what in plain]
    found += [(role, what, "async") for role in ROLES for what in BY_THE_LOOP]
    return found + [(role, what, kind) for role in ROLES for kind in KINDS for what in ALLOWED[role]]


@cache
def _misbehaviours() -> dict[str, tuple[str, str, str]]:
    text = (Path(os.environ["WATCHED"]) / "misbehaviour.json").read_text()
    return {question: (role, what, kind) for question, (role, what, kind) in json.loads(text).items()}


def misbehave(role: str, question: Question, good: Callable[[], Any]) -> Any:
    """What the question's misbehaviour gives, if it has one in this role; what `good` gives otherwise."""
    who, what, kind = _misbehaviours().get(question.id, ("", "", ""))
    if who != role or (Path(os.environ["WATCHED"]) / "mended").exists():
        return good()

    async def awaited() -> object:
        await asyncio.sleep(0)
        return await asyncio.Event().wait() if what == HANGING else _given(role, what)

    if kind == "async":
        return awaited()
    return threading.Event().wait() if what == HANGING else _given(role, what)


def _given(role: str, what: str) -> object:
    if what in RAISED:
        error = RAISED[what]()
        raise error
    known = {**ANYTHING, **BY_THE_LOOP, **ALLOWED[role]}
    return known[what]()


class Memory(Watched):
    """Misbehaves in searches."""

    name = "misbehaving-memory"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        found: Sequence[SearchResult] = misbehave(
            "search", question, lambda: super(Memory, self).search(container, question, top_k)
        )
        return found


class Reader(First):
    """Misbehaves in answers."""

    name = "misbehaving-reader"

    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        answer: Answer = misbehave("answer", question, lambda: super(Reader, self).answer(question, results))
        return answer


class Grader(Contains):
    """Misbehaves in verdicts."""

    name = "misbehaving-grader"

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        verdict: Verdict = misbehave("judge", question, lambda: super(Grader, self).evaluate(question, gold, answer))
        return verdict
