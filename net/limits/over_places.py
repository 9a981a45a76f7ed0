"""Limits of a run that several places work on: each books turns, and has a part of what may be in flight.

What the places have in common is in a database, which only threads wait for. A call looks at memory alone, unless it
needs a turn of a rate.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from typing import NamedTuple, Protocol

from net.in_flight import InFlight
from net.limits.in_folder import CLOCK_SECONDS
from net.threads import LAST_SECONDS, DaemonThreads

ALL = ""
"""The name of what may be in flight of all services."""

LATE_SECONDS = 0.25
"""A turn that could not be used for so long is booked anew: late calls would be too many for a later minute."""

_AHEAD_SECONDS = 1.0
"""A place books the turns of so many seconds at most: those of one that is killed are lost."""


class Booked(NamedTuple):
    """Turns of a rate: in how many seconds the first may be used, and how long the last pause still lasts."""

    wait: float
    pause: float


class Demand(NamedTuple):
    """What a process has of the `total` of all places: `kept` may be in flight here, `wanted` were needed of late."""

    total: int
    kept: int
    wanted: int


class Division(NamedTuple):
    """The parts of a process by name, which hold for so many `seconds`, and the rest of pauses by service.

    `again` is in how many seconds to divide again.
    """

    parts: Mapping[str, int]
    pauses: Mapping[str, float]
    seconds: float
    again: float


class RunLimits(Protocol):
    """What the places of a run have in common. The methods block; threads call them."""

    def book(self, service: str, interval: float, turns: int) -> Booked:
        """Take the next turns of a service, so many seconds apart."""

    def pause(self, service: str, seconds: float) -> None:
        """Let no call to a service begin for so long."""

    def divide(self, demands: Mapping[str, Demand]) -> Division:
        """What this process may have in flight from now on, by name, given what it has and needs."""

    def close(self) -> None:
        """Close what is open."""


class OverPlaces:
    """Keeps the calls of one process within the limits of a run that several places work on."""

    def __init__(self, run: RunLimits, in_flight: int) -> None:
        self.in_flight = in_flight
        self.under_way = Part(in_flight, self._begin)
        self._run = run
        self._parts: dict[str, Part] = {ALL: self.under_way}
        self._schedules: dict[str, BookedSchedule] = {}
        self._booking = DaemonThreads(1, "rates")
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._divide, name="bench-parts", daemon=True)

    def schedule(self, service: str, per_minute: float | None) -> BookedSchedule:
        """When calls to a service may begin."""
        self._schedules[service] = BookedSchedule(service, per_minute, self._run, self._booking)
        return self._schedules[service]

    def slots(self, service: str, count: int) -> PartSlots:
        """The part that this process has of the slots of a service."""
        self._parts[service] = Part(count, self._begin)
        return PartSlots(self._parts[service])

    def close(self) -> None:
        """Divide and book nothing more."""
        self._ended = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(LAST_SECONDS)
        self._booking.shutdown(cancel_futures=True)
        self._run.close()

    def _begin(self) -> None:
        """Divide now: a call waits, and there is no part yet."""
        self._wake.set()
        if self._thread.ident is None:
            self._thread.start()

    def _divide(self) -> None:
        try:
            while not self._ended:
                self._wake.clear()
                parts, asked = dict(self._parts), time.time()
                division = self._run.divide({name: part.demand() for name, part in parts.items()})
                for name, most in division.parts.items():
                    parts[name].resize(most, asked + division.seconds)
                for service, seconds in division.pauses.items():
                    if service in self._schedules:
                        self._schedules[service].paused(seconds)
                self._wake.wait(division.again)
        except Exception as error:  # noqa: BLE001  given to the calls that wait
            for part in self._parts.values():
                part.fail(error)


class Part(InFlight):
    """What this process may have in flight of the `total` of all places: nothing before the first `resize`.

    `wanted` is called where a call waits and there is no part. Methods that are not coroutines may be called by any
    thread.
    """

    def __init__(self, total: int, wanted: Callable[[], None]) -> None:
        super().__init__(0)
        self._total = total
        self._wanted = wanted
        self._until = 0.0
        self._peak = 0
        self._held = False
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def take(self, place: int, *, alone: bool = False) -> None:
        """Wait until a call may be in flight; raises what `fail` was given."""
        if self._error is not None:
            raise self._error
        self._peak = max(self._peak, self._active + len(self._waiting) + 1)
        self._loop = self._loop or asyncio.get_running_loop()
        if not self._most:
            self._wanted()
        await super().take(place, alone=alone)

    def demand(self) -> Demand:
        """What is kept here, and the most that was needed since the last look."""
        most = self._most  # first: from when it was lowered, no call begins above it
        wanted, self._peak = self._peak, self._active + len(self._waiting)
        return Demand(self._total, max(most, self._active), wanted)

    def resize(self, most: int, until: float) -> None:
        """Have `most` in flight at most, and let none begin after the Unix time `until`."""
        self._on_loop(self._resize, most, until)

    def fail(self, error: Exception) -> None:
        """Let no further call begin, and raise `error` in those that wait."""
        self._error = error
        self._on_loop(self._fail, error)

    def hold(self) -> None:
        """Let no further call begin."""
        self._held = True
        super().hold()

    def _may_begin(self, alone: bool) -> bool:
        return super()._may_begin(alone) and time.time() < self._until

    def _resize(self, most: int, until: float) -> None:
        if not self._held:
            self._most, self._until = most, until
            self._hand_on()

    def _fail(self, error: Exception) -> None:
        self._most = 0
        for _together, _place, _arrival, turn in self._waiting:
            if not turn.done():
                turn.set_exception(error)

    def _on_loop(self, work: Callable[..., None], *arguments: object) -> None:
        if self._loop is None:
            work(*arguments)
            return
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(work, *arguments)


class PartSlots:
    """A part of the slots of a service, as `net.limits.SharedSlots` has all of them."""

    def __init__(self, part: Part) -> None:
        self._part = part

    async def take(self) -> int:
        """A slot, once one is free."""
        await self._part.take(0)
        return 0

    def give_back(self, _slot: int) -> None:
        """Free a slot."""
        self._part.give_back()

    def close(self) -> None:
        """Nothing is open."""


class BookedSchedule:
    """When calls to a service may begin, over all places: as `net.limits.Schedule`, by turns that are booked.

    One booking is under way at a time, for all calls that wait then.
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
        self._booking: asyncio.Task[None] | None = None

    async def turn(self) -> None:
        """Wait until a call may begin."""
        if not self.paced:
            while await _sleep_until(self._pause_end):
                pass  # another pause may have begun
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if self._booking is None:
            self._book_more()
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

    def _book_more(self) -> None:
        self._booking = asyncio.get_running_loop().create_task(self._book())
        self._booking.add_done_callback(self._booked)

    def _booked(self, booking: asyncio.Task[None]) -> None:
        self._booking = None
        error = None if booking.cancelled() else booking.exception()
        waiting = [turn for turn in self._waiting if not turn.done()]
        if error is not None:
            for turn in waiting:
                turn.set_exception(error)
        elif waiting:  # code under test may cancel all tasks there are
            self._book_more()

    async def _book(self) -> None:
        book = asyncio.get_running_loop().run_in_executor
        while self._waiting:
            turns = min(len(self._waiting), self._at_once)
            booked = await book(self._threads, self._run.book, self._service, self._interval, turns)
            first = time.monotonic() + max(0.0, booked.wait)
            self.paused(booked.pause)
            for number in range(turns):
                begins = first + number * self._interval
                await _sleep_until(begins)
                late = number > 0 and time.monotonic() > begins + LATE_SECONDS
                if late or self._pause_end > begins + CLOCK_SECONDS:
                    break  # the rest is booked anew
                self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else it was cancelled
                turn.set_result(None)
                return


async def _sleep_until(moment: float) -> bool:
    """Wait for a moment of the monotonic clock; whether it was still to come."""
    if (wait := moment - time.monotonic()) <= 0:
        return False
    await asyncio.sleep(wait)
    return True
