"""One call to a service until it succeeds or is given up: retries, limits, and an honest clock."""

from __future__ import annotations

import asyncio
import inspect
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar  # Any: a provider's methods take whatever the step hands them

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from bench.limits import InFlight, Limiter
from schema import InfrastructureError

T = TypeVar("T")

ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 120.0

_backoff = wait_random_exponential(multiplier=0.5, max=30)


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a call gave (`value`) or why it was given up (`error`).

    `service_ms` is the last attempt alone, timed inside the call; `waited_ms` is all the rest of the time that passed.
    """

    value: T | None
    error: InfrastructureError | None
    service_ms: float
    waited_ms: float
    attempts: int


class Caller:
    """Makes the calls to one service: within its limits, in a thread where it is written without ``async``.

    `failure` is the error that an exception of any other kind is turned into. `in_flight` bounds what the process has
    under way of all services; a call holds a place in it while the service works, and not while it waits to try again.
    """

    def __init__(
        self,
        limiter: Limiter,
        threads: Executor,
        failure: type[InfrastructureError],
        in_flight: InFlight | None = None,
    ) -> None:
        self._in_flight = in_flight or InFlight(sys.maxsize)
        self._limiter = limiter
        self._threads = threads
        self._failure = failure

    @property
    def most(self) -> int:
        """How many calls this process may have under way at once."""
        return self._limiter.most

    def hold(self, seconds: float) -> None:
        """Let nobody begin a call for so long, in any worker: the service wants none."""
        self._limiter.hold(seconds)

    async def call(self, method: Callable[..., Any], *arguments: object, place: int = 0) -> Done[Any]:
        """Call `method` until it succeeds, an error is not transient, or five attempts are used up.

        Of the calls that wait for the process to have less in flight, the lowest `place` goes first.
        """
        begun = time.perf_counter()
        clock = _Clock(place)
        value, error = None, None
        try:
            value = await self._attempt(clock, method, arguments)
        except InfrastructureError as first:
            try:
                value = await self._retry(first, clock, method, arguments)
            except InfrastructureError as given_up:
                error = given_up
        total_ms = (time.perf_counter() - begun) * 1000.0
        return Done(value, error, clock.service_ms, max(0.0, total_ms - clock.service_ms), clock.attempts)

    async def _retry(
        self, first: InfrastructureError, clock: _Clock, method: Callable[..., Any], arguments: tuple[object, ...]
    ) -> Any:
        """Go on after a `first` attempt that failed, for as long as that makes sense."""
        failed = [first]

        async def attempt() -> Any:
            if failed:
                raise failed.pop()
            return await self._attempt(clock, method, arguments)

        retrying = AsyncRetrying(
            retry=retry_if_exception(_transient), stop=stop_after_attempt(ATTEMPTS), wait=_pause, reraise=True
        )
        return await retrying(attempt)

    async def _attempt(self, clock: _Clock, method: Callable[..., Any], arguments: tuple[object, ...]) -> Any:
        async with self._limiter.slot():
            await self._in_flight.take(clock.place)
            clock.attempts += 1
            try:
                value = await self._timed(clock, method, arguments)
            except InfrastructureError as error:
                if error.transient:
                    self._limiter.pushed_back(error.retry_after)
                raise
            except Exception as error:
                text = " ".join(str(error).split())
                raise self._failure(f"{type(error).__name__}: {text}") from error
            finally:
                self._in_flight.give_back()
            self._limiter.succeeded()
            return value

    async def _timed(self, clock: _Clock, method: Callable[..., Any], arguments: tuple[object, ...]) -> Any:
        if inspect.iscoroutinefunction(method):
            with clock:
                return await method(*arguments)

        def in_thread() -> tuple[Any, Exception | None]:
            # An error is handed over as a value: a future cannot hold StopIteration.
            try:
                with clock:
                    return method(*arguments), None
            except Exception as error:  # noqa: BLE001  raised again below, in the coroutine
                return None, error

        value, error = await asyncio.get_running_loop().run_in_executor(self._threads, in_thread)
        if isinstance(error, StopIteration):  # nor can a coroutine raise it
            raise self._failure(f"StopIteration: {error}") from error
        if error is not None:
            raise error
        if isinstance(value, Awaitable):
            with clock:
                return await value
        return value


class _Clock:
    """Times the last attempt of a call and counts them all."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.service_ms = 0.0
        self.attempts = 0
        self._begun = 0.0

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *_exception: object) -> None:
        self.service_ms = (time.perf_counter() - self._begun) * 1000.0


def _transient(error: BaseException) -> bool:
    if not isinstance(error, InfrastructureError) or not error.transient:
        return False
    return (error.retry_after or 0.0) <= LONGEST_WAIT_SECONDS


def _pause(state: RetryCallState) -> float:
    """What the service asked for, if it did; else full jitter on an exponential backoff."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, InfrastructureError) else None
    return asked if asked is not None else _backoff(state)
