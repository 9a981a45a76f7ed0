"""When calls to a service may begin, by turns that are booked for all places of a run."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import Executor
from contextlib import suppress

from net.limits.in_folder import CLOCK_SECONDS
from net.limits.run_limits import RunLimits

LATE_SECONDS = 0.25
"""A turn that could not be used for so long is booked anew: late calls would be too many for a later minute."""

_SOON_SECONDS = LATE_SECONDS / 2
_AHEAD_SECONDS = 1.0
"""A place books the turns of so many seconds at most: those of one that is killed are lost."""


class BookedSchedule:
    """When calls to a service may begin, over all places: as `net.limits.Schedule`, by turns that are booked.

    One booking is under way at a time, for all calls that wait then, and for as many as came in a moment of late.
    """

    def __init__(self, service: str, per_minute: float | None, run: RunLimits, threads: Executor) -> None:
        self.paced = bool(per_minute)
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._at_once = max(1, int(_AHEAD_SECONDS / self._interval)) if per_minute else 0
        self._service = service
        self._run = run
        self._threads = threads
        self._pause_end = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turns: deque[tuple[float, bool]] = deque()  # from when on, and whether it is the first of a booking
        self._booking = False
        self._timer: asyncio.TimerHandle | None = None
        self._period, self._used, self._soon = 0.0, 0, 0

    async def turn(self) -> None:
        """Wait until a call may begin."""
        if not self.paced:
            while await _sleep_until(self._pause_end):
                pass  # another pause may have begun
            return
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        self._hand_out(loop)
        await turn

    def pause(self, seconds: float) -> None:
        """Let no call begin for so many seconds, at any place."""
        self.paused(seconds)
        self._threads.submit(self._run.pause, self._service, seconds)

    def paused(self, seconds: float) -> None:
        """Let none begin here."""
        self._pause_end = max(self._pause_end, time.monotonic() + seconds)

    def close(self) -> None:
        """Nothing is open."""

    # callbacks and no tasks: they cost less, and code under test may cancel all tasks there are

    def _hand_out(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let calls begin at their turns, and book more before there are none."""
        while self._forget_cancelled() and self._turns:
            (begins, first), now = self._turns[0], time.monotonic()
            if begins > now:
                self._timer = self._timer or loop.call_at(begins, self._due, loop)
                return
            self._turns.popleft()
            if self._pause_end <= begins + CLOCK_SECONDS and (first or now <= begins + LATE_SECONDS):
                self._count(now)
                self._waiting.popleft().set_result(None)
        if not self._booking and (self._waiting or len(self._turns) < self._soon // 2):
            self._begin(loop)

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._hand_out(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._booking = True
        self._threads.submit(self._book, loop, min(max(len(self._waiting), self._soon, 1), self._at_once))

    def _count(self, now: float) -> None:
        """Note that a turn is used: as many as in the last period are wanted soon."""
        if now > self._period + _SOON_SECONDS:
            self._soon = self._used if now < self._period + 2 * _SOON_SECONDS else 0
            self._period, self._used = now, 0
        self._used += 1

    def _book(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        """Called by a thread."""
        with suppress(RuntimeError):  # the loop is closed
            try:
                booked = self._run.book(self._service, self._interval, turns)
            except Exception as error:  # noqa: BLE001  given to the calls that wait
                loop.call_soon_threadsafe(self._fail, error)
            else:
                self.paused(booked.pause)
                first = time.monotonic() + max(0.0, booked.wait)
                loop.call_soon_threadsafe(self._booked, loop, first, turns)

    def _booked(self, loop: asyncio.AbstractEventLoop, first: float, turns: int) -> None:
        self._booking = False
        self._turns.extend((first + number * self._interval, number == 0) for number in range(turns))
        self._hand_out(loop)

    def _fail(self, error: Exception) -> None:
        self._booking = False
        while self._forget_cancelled():
            self._waiting.popleft().set_exception(error)

    def _forget_cancelled(self) -> bool:
        """Whether any call waits still."""
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        return bool(self._waiting)


async def _sleep_until(moment: float) -> bool:
    """Wait for a moment of the monotonic clock; whether it was still to come."""
    if (wait := moment - time.monotonic()) <= 0:
        return False
    await asyncio.sleep(wait)
    return True
