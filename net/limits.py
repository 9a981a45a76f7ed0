"""Limits on the calls to one service, shared by all workers of a run.

`Limiter` bounds calls to one provider or model: how many are under way at once, how many begin in a minute, and a pause
for everybody when the service asks for one or fails for everybody (`net.outages`). Concurrency adapts: a service that
pushes back gets fewer calls, and gradually more again.
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
from pathlib import Path

from net.boot import BOOT
from net.outages import Note, Outages, Standing
from net.shared_file import SharedFile
from vocabulary import InfrastructureError, file_name_of

LONGEST_PAUSE_SECONDS = 120.0
"""Without patience, a call that is to wait longer is given up, so no other call is paused for it either."""

_BACK_OFF = 0.7
_POLL_SECONDS = 0.02
_CLOCK_SECONDS = 0.002  # by how much a sleep may end early on another clock
_PLACES = struct.Struct("dd")


class Schedule:
    """When calls may begin, in a file that all workers share (generic cell rate algorithm, ITU-T I.371).

    The file holds two readings of the monotonic clock, in seconds: the theoretical arrival time of the next call, and
    the end of the last pause. So a file is good for one boot of the machine, and for any time of day.
    """

    def __init__(self, path: Path, per_minute: float | None) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._shared = SharedFile(path, _PLACES.size)

    async def turn(self) -> None:
        """Wait until a call may begin."""
        while True:
            reserved = time.monotonic()
            if not (wait := self.reserve()):
                return
            await asyncio.sleep(wait)
            with self._locked() as (_place, pause_end):
                # a pause that began meanwhile holds those too who had their place before it
                if pause_end <= max(time.monotonic(), reserved + wait) + _CLOCK_SECONDS:
                    return

    def reserve(self) -> float:
        """Take the next place; the seconds to wait for it."""
        if not self._interval and max(self._places()) <= time.monotonic():
            return 0.0
        with self._locked() as (place, pause_end):
            now = time.monotonic()
            begins = max(place, now)
            self._store(begins + self._interval, pause_end)
            return begins - now

    def pause(self, seconds: float) -> None:
        """Let no call begin for so many seconds."""
        with self._locked() as (place, pause_end):
            until = time.monotonic() + seconds
            self._store(max(place, until), max(pause_end, until))

    def close(self) -> None:
        """Close the file."""
        self._shared.close()

    @contextmanager
    def _locked(self) -> Iterator[tuple[float, float]]:
        with self._shared.locked():
            yield self._places()

    def _places(self) -> tuple[float, float]:
        place, pause_end = _PLACES.unpack(self._shared.memory[:])
        return place, pause_end

    def _store(self, place: float, pause_end: float) -> None:
        self._shared.memory[:] = _PLACES.pack(place, pause_end)


class SharedSlots:
    """A number of slots over all workers: byte-range locks on one file, which a process that dies gives back."""

    def __init__(self, path: Path, count: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
        """Record a push-back of a call that still has its slot (multiplicative decrease)."""
        if not self._before_push_back:
            self.limit = max(1.0, self.limit * _BACK_OFF)
            self._before_push_back = self._active

    def succeeded(self) -> None:
        """Record a success (additive increase)."""
        if not self._before_push_back:
            self.limit = min(float(self._most), self.limit + 1.0 / self.limit)
            self._hand_on()

    def _hand_on(self) -> None:
        while self._waiting and self._active < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():  # else it was cancelled
                self._active += 1
                turn.set_result(None)


class Limiter:
    """Bounds the calls to one service; at most `most` of this process are in flight.

    With `patience`, in seconds, calls pause while the service fails for everybody; `note` hears of each such outage.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        most: int,
        shared: int | None = None,
        per_minute: float | None = None,
        patience: float = 0.0,
        note: Note = lambda _outage: None,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file_name = file_name_of(name)
        self._schedule = Schedule(folder / f"{file_name}.{BOOT}.schedule", per_minute)
        self._shared = SharedSlots(folder / f"{file_name}.slots", shared) if shared is not None else None
        self._outages = Outages(folder, file_name, name, patience, note) if patience else None
        self.longest_pause = patience or LONGEST_PAUSE_SECONDS
        self.most = most
        self._adaptive = AdaptiveLimit(most)

    @asynccontextmanager
    async def slot(self, standing: Standing | None = None) -> AsyncIterator[None]:
        """Hold a place for one call; raises `BlockedError` where the service takes none for too long."""
        standing = standing or Standing()
        await self._adaptive.take()
        try:
            taken = await self._shared.take() if self._shared else None
            try:
                await self._turn(standing)
                yield
            finally:
                if self._outages:
                    self._outages.leave(standing)
                if self._shared and taken is not None:
                    self._shared.give_back(taken)
        finally:
            self._adaptive.give_back()

    async def _turn(self, standing: Standing) -> None:
        if self._outages is None:
            await self._schedule.turn()
            return
        begins = False
        while not begins:
            await self._outages.turn(standing)
            await self._schedule.turn()
            begins = self._outages.may_begin(standing)  # the rate may have made it wait into an outage

    def failed(self, standing: Standing, error: InfrastructureError, *, attempts: int) -> None:
        """Record a transient failure of a call that still has its slot and may fail `attempts` times."""
        if self._outages is None:
            standing.counted += 1
        else:
            self._outages.failed(standing, error, attempts=attempts)
        if not standing.paused:  # nothing is learnt of the concurrency while nobody is answered
            self.pushed_back(None if standing.given_up else error.retry_after)

    def pushed_back(self, retry_after: float | None) -> None:
        """Record a push-back: pause all workers for `retry_after` seconds, and lower the concurrency."""
        self._adaptive.pushed_back()
        if retry_after:
            self.hold(retry_after)

    def hold(self, seconds: float) -> None:
        """Pause all workers; for longer than any call waits, let calls fail at once where there is patience at all."""
        if seconds <= self.longest_pause:
            self._schedule.pause(seconds)
        elif self._outages is not None:
            self._outages.block(seconds)

    def answered(self, standing: Standing) -> None:
        """Record that the service is there, whatever it answered."""
        if self._outages is not None:
            self._outages.answered(standing)

    def succeeded(self) -> None:
        """Record a success."""
        self._adaptive.succeeded()

    def close(self) -> None:
        """Close the files."""
        self._schedule.close()
        if self._outages is not None:
            self._outages.close()
        if self._shared:
            self._shared.close()
