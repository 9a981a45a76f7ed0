"""What a service can bear, held over all workers of a run.

`Limiter` bounds calls to one provider or model: how many are under way at once, how many begin in a minute, and a pause
for everybody when the service asks for one. Concurrency adapts: a service that pushes back gets fewer calls, and
gradually more again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from heapq import heappop, heappush
from itertools import count
from pathlib import Path

LONGEST_PAUSE_SECONDS = 120.0
"""Who is asked to wait longer gives up (`bench.attempts`), so nobody else is made to wait for it either."""

_BACK_OFF = 0.7
_POLL_SECONDS = 0.02
_CLOCK_SECONDS = 0.002  # by how much a sleep may end early on another clock
_PLACES = struct.Struct("dd")


class Schedule:
    """When calls may begin, in a file that all workers share (generic cell rate algorithm, ITU-T I.371).

    The file holds two Unix times in seconds: the theoretical arrival time of the next call, and the end of the last
    pause.
    """

    def __init__(self, path: Path, per_minute: float | None) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    async def turn(self) -> None:
        """Wait until a call may begin."""
        while True:
            reserved = time.time()
            if not (wait := self.reserve()):
                return
            await asyncio.sleep(wait)
            with self._locked() as (_place, pause_end):
                # a pause that began meanwhile holds those too who had their place before it
                if pause_end <= max(time.time(), reserved + wait) + _CLOCK_SECONDS:
                    return

    def reserve(self) -> float:
        """Take the next place; the seconds to wait for it."""
        with self._locked() as (place, pause_end):
            now = time.time()
            begins = max(place, now)
            self._store(begins + self._interval, pause_end)
            return begins - now

    def pause(self, seconds: float) -> None:
        """Let nobody begin for so long."""
        with self._locked() as (place, pause_end):
            until = time.time() + seconds
            self._store(max(place, until), max(pause_end, until))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    @contextmanager
    def _locked(self) -> Iterator[tuple[float, float]]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            stored = os.pread(self._file, _PLACES.size, 0)
            yield _PLACES.unpack(stored) if len(stored) == _PLACES.size else (0.0, 0.0)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _store(self, place: float, pause_end: float) -> None:
        os.pwrite(self._file, _PLACES.pack(place, pause_end), 0)


class SharedSlots:
    """A number of slots over all workers: byte-range locks on one file, which a process that dies gives back."""

    def __init__(self, path: Path, count: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._free = list(range(count))

    async def take(self) -> int:
        """A slot, once one is free."""
        while True:
            for slot in random.sample(self._free, len(self._free)):
                try:
                    fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
                except (BlockingIOError, PermissionError):
                    continue
                self._free.remove(slot)
                return slot
            await asyncio.sleep(_POLL_SECONDS * random.random())

    def give_back(self, slot: int) -> None:
        """Free a slot."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot)
        self._free.append(slot)

    def close(self) -> None:
        """Close the file; what is still held is free then."""
        os.close(self._file)


class AdaptiveLimit:
    """How many at once in this process: fewer after each push-back, one more after each full round of successes.

    All calls that are under way when the service has had too much are likely to be pushed back with the first: they
    count as one push-back.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = float(most)
        self._active = 0
        self._before_push_back = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait until another one may be under way; first come, first served."""
        if not self._waiting and self._active < int(self.limit):
            self._active += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given the place in the moment in which it was cancelled
                self.give_back()
            raise

    def give_back(self) -> None:
        """One less is under way."""
        self._active -= 1
        self._before_push_back = max(0, self._before_push_back - 1)
        self._hand_on()

    def pushed_back(self) -> None:
        """The service had too much, says a call that still holds its place."""
        if not self._before_push_back:
            self.limit = max(1.0, self.limit * _BACK_OFF)
            self._before_push_back = self._active

    def succeeded(self) -> None:
        """The service bore it."""
        if not self._before_push_back:
            self.limit = min(float(self._most), self.limit + 1.0 / self.limit)
            self._hand_on()

    def _hand_on(self) -> None:
        while self._waiting and self._active < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():  # else it was cancelled
                self._active += 1
                turn.set_result(None)


class InFlight:
    """What a process may have under way at once: `most` calls, and of those that wait the lowest place goes first.

    So a question that was begun goes on before another one begins.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    async def take(self, place: int) -> None:
        """Wait until a call may be under way."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (place, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """One call less is under way."""
        while self._waiting:
            _place, _arrival, turn = heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Limiter:
    """Bounds the calls to one service; `most` is what this process may have under way."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        most: int,
        shared: int | None = None,
        per_minute: float | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._schedule = Schedule(folder / f"{name}.schedule", per_minute)
        self._shared = SharedSlots(folder / f"{name}.slots", shared) if shared is not None else None
        self.most = most
        self._adaptive = AdaptiveLimit(most)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a place for one call."""
        await self._adaptive.take()
        try:
            taken = await self._shared.take() if self._shared else None
            try:
                await self._schedule.turn()
                yield
            finally:
                if self._shared and taken is not None:
                    self._shared.give_back(taken)
        finally:
            self._adaptive.give_back()

    def pushed_back(self, retry_after: float | None) -> None:
        """The service asked for less: pause everybody for `retry_after` seconds, and do less at once."""
        self._adaptive.pushed_back()
        if retry_after:
            self.hold(retry_after)

    def hold(self, seconds: float) -> None:
        """Pause everybody, unless it is for longer than anybody waits."""
        if seconds <= LONGEST_PAUSE_SECONDS:
            self._schedule.pause(seconds)

    def succeeded(self) -> None:
        """The service bore a call."""
        self._adaptive.succeeded()

    def close(self) -> None:
        """Let go of the files."""
        self._schedule.close()
        if self._shared:
            self._shared.close()
