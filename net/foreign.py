"""Calls code that is not ours, so that nothing it raises, and no wait of its own, reaches the one who calls it."""

from __future__ import annotations

import asyncio
import inspect
import math
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any  # what foreign code takes and gives is not known

from net.failures import failure
from net.threads import DaemonThreads
from vocabulary import InfrastructureError, clean_text

LONGEST_TEXT = 4_000
"""How many characters of an error's text are kept."""

BLOCKED_SECONDS = 0.5
"""A coroutine that keeps the event loop for so long is reported: all others stand still meanwhile."""

_CANCEL_SECONDS = 2.0
"""How long a coroutine may take to end once it is cancelled."""


@dataclass(frozen=True, slots=True)
class Border:
    """What a call is held to.

    `check` is given what it returns, and its result is the call's; what it raises is the call's error. After `seconds`
    the call is given up. `mark` names the call in the `Ledger`.
    """

    check: Callable[[Any], Any] | None = None
    seconds: float | None = None
    mark: tuple[str, ...] = ()

    def passed(self, value: Any) -> Any:
        """`value`, checked."""
        return self.check(value) if self.check else value


class Clock:
    """Times the last attempt of a call, counts them all, and sees for how long a coroutine kept the event loop."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.service_ms = 0.0
        self.attempts = 0
        self.longest_step = 0.0
        self._begun = 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *_exception: object) -> None:
        self.service_ms = (time.perf_counter() - self._begun) * 1000.0


class GivenUp(Exception):  # noqa: N818  says what happened; it becomes the service's own kind of error
    """A call did not return in time."""


Ended = tuple[Any, BaseException | None]


async def call_foreign(
    method: Callable[..., Any], arguments: tuple[object, ...], clock: Clock, threads: Executor, border: Border
) -> Ended:
    """What `method` gives, or what it raises (`GivenUp` where it takes too long); only cancelling is raised here.

    A method without ``async`` runs in one of `threads`.
    """
    if inspect.iscoroutinefunction(method):
        return await _on_the_loop(lambda: method(*arguments), clock, border)

    def in_thread() -> Ended:
        # An error is handed over as a value: a future cannot hold StopIteration.
        try:
            with clock:
                value = method(*arguments)
            return (value if isinstance(value, Awaitable) else border.passed(value)), None
        except BaseException as error:  # noqa: BLE001  SystemExit too
            return None, error

    work = threads.submit(in_thread)
    future = asyncio.wrap_future(work)
    try:
        await asyncio.wait({future}, timeout=border.seconds)
        if not future.done():
            if isinstance(threads, DaemonThreads):
                threads.abandon(work)
            return _given_up(clock, border)
        value, error = future.result()
    finally:
        future.cancel()
    if error is None and isinstance(value, Awaitable):
        return await _on_the_loop(lambda: value, clock, border)
    return value, error


async def _on_the_loop(begin: Callable[[], Awaitable[Any]], clock: Clock, border: Border) -> Ended:
    """Await in a task of its own, which can be left behind if it does not end."""
    task = asyncio.create_task(_caught(begin, clock, border))
    try:
        await asyncio.wait({task}, timeout=border.seconds)
        if not task.done():
            return _given_up(clock, border)
        return (None, asyncio.CancelledError()) if task.cancelled() else task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=_CANCEL_SECONDS)


async def _caught(begin: Callable[[], Awaitable[Any]], clock: Clock, border: Border) -> Ended:
    # a task that ends in SystemExit or KeyboardInterrupt ends the event loop as well
    try:
        with clock:
            awaitable = begin()
            value = await (_Stepped(awaitable, clock) if inspect.iscoroutine(awaitable) else awaitable)
        return border.passed(value), None
    except BaseException as error:  # noqa: BLE001  see above
        return None, error


class _Stepped:
    """Awaits a coroutine and sees how long each of its steps keeps the event loop."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], clock: Clock) -> None:
        self._coroutine = coroutine
        self._clock = clock

    def __await__(self) -> Generator[Any, Any, Any]:
        resume: Callable[[Any], Any] = self._coroutine.send
        given: Any = None
        while True:
            begun = time.perf_counter()
            try:
                awaited = resume(given)
            except StopIteration as end:
                return end.value
            finally:
                step = time.perf_counter() - begun
                if step > self._clock.longest_step:
                    self._clock.longest_step = step
            try:
                given, resume = (yield awaited), self._coroutine.send
            except BaseException as error:  # noqa: BLE001  goes on to the coroutine
                given, resume = error, self._coroutine.throw


def _given_up(clock: Clock, border: Border) -> Ended:
    assert border.seconds is not None
    clock.service_ms = border.seconds * 1000.0
    return None, GivenUp(f"it did not return within {border.seconds:g} s; --call-timeout allows more or less")


def typed(error: BaseException, kind: type[InfrastructureError]) -> InfrastructureError:
    """`error` as one of ours: itself if it is, and is made as it should be; else one of `kind` that names it.

    That of a request that failed is transient where another attempt may succeed, whichever client made the request.
    """
    if isinstance(error, InfrastructureError) and _is_sound(error):
        return error
    if (failed := _request_that_failed(error, kind)) is not None:
        failed.__cause__ = error
        return failed
    name, text = type(error).__name__, text_of(error)
    made = kind(text if isinstance(error, GivenUp) else f"{name}: {text}" if text else name)
    made.__cause__ = error
    return made


def _request_that_failed(error: BaseException, kind: type[InfrastructureError]) -> InfrastructureError | None:
    reason = getattr(error, "reason", None)  # of urllib's URLError
    if any(isinstance(one, ConnectionError | TimeoutError | socket.gaierror) for one in (error, reason)):
        return kind(f"{type(error).__name__}: {text_of(error)}".rstrip(": "), transient=True)
    if not isinstance(error, Exception):
        return None
    try:
        failed = failure(error, "a request of its own", kind)
    except Exception:  # noqa: BLE001  the error is foreign code too, and is described without it
        return None
    return failed if failed is not None and _is_sound(failed) else None


def text_of(error: BaseException) -> str:
    """The text of an error in one line, whatever its ``__str__`` does."""
    try:
        text = "".join([str(error)])
    except BaseException as second:  # noqa: BLE001  it is foreign code too
        return f"(its text cannot be shown: __str__ raises {type(second).__name__})"
    line = " ".join(clean_text(text[: LONGEST_TEXT * 2]).split())
    return line if len(line) <= LONGEST_TEXT else line[:LONGEST_TEXT] + "…"


def _is_sound(error: InfrastructureError) -> bool:
    """Whether it has all that is read of it later."""
    try:
        whole = str(error)
        waits: object = error.retry_after
        plain = error.transient in (True, False)
    except BaseException:  # noqa: BLE001  a class of somebody else's
        return False
    number = waits is None or (isinstance(waits, int | float) and math.isfinite(waits))
    return plain and number and len(whole) <= LONGEST_TEXT and clean_text(whole) == whole
