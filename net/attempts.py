"""One call to a service until it succeeds or is given up: retries, limits, and an honest clock."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar  # Any: a provider's methods take whatever the step hands them

from net.foreign import Border, Clock, call_foreign, typed
from net.in_flight import InFlight
from net.ledger import Ledger, Mark
from net.limits import Limiter
from net.outages import BlockedError, Standing
from vocabulary import InfrastructureError

T = TypeVar("T")

ATTEMPTS = 5

_OPEN = Border()

_BACKOFF_SECONDS = (0.5, 30.0)
"""The longest wait before the second attempt, and before any."""


@dataclass(frozen=True, slots=True)
class CallRecord(Generic[T]):
    """The result of a call (`value`) or why it was given up (`error`), with its times.

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
    in flight of all services; a call holds a place in it while the service works, and not while it waits to try again.
    `ledger` notes the calls in flight that a `Border` names: one that a process has died of is made alone, or given up.
    """

    def __init__(
        self,
        limiter: Limiter,
        threads: Executor,
        failure: type[InfrastructureError],
        in_flight: InFlight | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self._in_flight = in_flight or InFlight(sys.maxsize)
        self._limiter = limiter
        self._threads = threads
        self._failure = failure
        self._ledger = ledger
        self.longest_step = 0.0
        """For how many seconds a coroutine of the service kept the event loop at most."""

    @property
    def most(self) -> int:
        """Calls in flight at once in this process."""
        return self._limiter.most

    def hold(self, seconds: float) -> None:
        """Pause calls for so many seconds, in all workers: the service wants none."""
        self._limiter.hold(seconds)

    async def call(
        self, method: Callable[..., Any], *arguments: object, place: int = 0, border: Border = _OPEN
    ) -> CallRecord[Any]:
        """Call `method` until it succeeds, an error is not transient, or five attempts are used up.

        Attempts that fail while the service fails for everybody are not counted among the five. Of the calls that wait
        for the process to have less in flight, the lowest `place` goes first. Whatever `method` returns or raises,
        beyond what `border` lets pass, is an error of this call.
        """
        begun = time.perf_counter()
        clock, standing = Clock(place), Standing()
        value: Any = None
        error: InfrastructureError | None = None
        while True:
            try:
                value = await self._attempt(clock, standing, method, arguments, border)
            except BlockedError as blocked:
                error = self._failure(str(blocked))
            except InfrastructureError as failed:
                if self._worth_retrying(failed, standing):
                    # a paused call waits for its slot
                    await asyncio.sleep(0.0 if standing.paused else failed.retry_after or _backoff(clock.attempts))
                    continue
                error = failed
                if standing.given_up:
                    error.args = (f"{error} ({standing.given_up})",)
            break
        total_ms = (time.perf_counter() - begun) * 1000.0
        return CallRecord(value, error, clock.service_ms, max(0.0, total_ms - clock.service_ms), clock.attempts)

    async def _attempt(self, clock: Clock, standing: Standing, method: Callable[..., Any],
                       arguments: tuple[object, ...], border: Border) -> Any:  # fmt: skip
        async with self._limiter.slot(standing):
            await self._in_flight.take(clock.place, alone=self._is_suspect(border.mark))
            try:
                await self._limiter.renew(standing)
                clock.attempts += 1
                value, error = await self._made(method, arguments, clock, border)
            finally:
                self._in_flight.give_back()
            if error is not None:
                failed = typed(error, self._failure)
                if failed.transient:
                    self._limiter.failed(standing, failed, attempts=ATTEMPTS)
                elif isinstance(error, InfrastructureError):
                    self._limiter.answered(standing)
                raise failed
            self._limiter.answered(standing)
            self._limiter.succeeded()
            return value

    async def _made(self, method: Callable[..., Any], arguments: tuple[object, ...], clock: Clock,
                    border: Border) -> tuple[Any, BaseException | None]:  # fmt: skip
        entry = self._ledger.begin(border.mark) if self._ledger else None
        try:
            return await call_foreign(method, arguments, clock, self._threads, border)
        finally:
            if self._ledger:
                self._ledger.end(entry, border.mark)
            self.longest_step = max(self.longest_step, clock.longest_step)

    def _is_suspect(self, mark: Mark) -> bool:
        """Whether a process may have died of the call; raises the service's error if two have."""
        crashes = self._ledger.standing(mark) if self._ledger else 0
        if crashes > 1:
            raise self._failure(
                "two processes died during this call, the second when nothing else was in flight. --lf makes it again."
            )
        return crashes > 0

    def _worth_retrying(self, error: InfrastructureError, standing: Standing) -> bool:
        if not error.transient or standing.given_up or standing.counted >= ATTEMPTS:
            return False
        return (error.retry_after or 0.0) <= self._limiter.longest_pause

    async def once(self, method: Callable[..., Any], *arguments: object) -> Any:
        """Call `method` a single time, whatever the limits.

        Its errors are raised as they are, but for those that would end more than the call, such as SystemExit.
        """
        value, error = await call_foreign(method, arguments, Clock(0), self._threads, Border())
        if error is None:
            return value
        if not isinstance(error, Exception) or isinstance(error, StopIteration):  # no coroutine can raise that
            raise typed(error, self._failure)
        raise error


def _backoff(attempts: int) -> float:
    """The seconds to wait after so many attempts: full jitter on an exponential backoff."""
    first, most = _BACKOFF_SECONDS
    return random.uniform(0.0, min(most, first * 2.0 ** min(attempts - 1, 10)))
