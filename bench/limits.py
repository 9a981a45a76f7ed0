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
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

_BACK_OFF = 0.7
_POLL_SECONDS = 0.02


class Schedule:
    """When calls may begin, in a file that all workers share (generic cell rate algorithm, ITU-T I.371).

    The file holds one number: the theoretical arrival time of the next call, in Unix seconds.
    """

    def __init__(self, path: Path, per_minute: float | None) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def reserve(self) -> float:
        """Take the next place; the seconds to wait for it."""
        return self._update(lambda place, now: (max(place, now) + self._interval, max(0.0, place - now)))

    def pause(self, seconds: float) -> None:
        """Let nobody begin for so long."""
        self._update(lambda place, now: (max(place, now + seconds), 0.0))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _update(self, change: Callable[[float, float], tuple[float, float]]) -> float:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            stored = os.pread(self._file, 8, 0)
            place, wait = change(struct.unpack("d", stored)[0] if len(stored) == 8 else 0.0, time.time())
            os.pwrite(self._file, struct.pack("d", place), 0)
            return wait
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


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
    """How many at once in this process: fewer after each push-back, one more after each full round of successes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = float(most)
        self._active = 0
        self._changed = asyncio.Condition()

    async def take(self) -> None:
        """Wait until another one may be under way."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._active < int(self.limit))
            self._active += 1

    async def give_back(self) -> None:
        """One less is under way."""
        async with self._changed:
            self._active -= 1
            self._changed.notify(2)  # this place, and one that a grown limit may have added

    def pushed_back(self) -> None:
        """The service had too much."""
        self.limit = max(1.0, self.limit * _BACK_OFF)

    def succeeded(self) -> None:
        """The service bore it."""
        self.limit = min(float(self._most), self.limit + 1.0 / self.limit)


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
        self._adaptive = AdaptiveLimit(most)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a place for one call."""
        await self._adaptive.take()
        try:
            taken = await self._shared.take() if self._shared else None
            try:
                if wait := self._schedule.reserve():
                    await asyncio.sleep(wait)
                yield
            finally:
                if self._shared and taken is not None:
                    self._shared.give_back(taken)
        finally:
            await self._adaptive.give_back()

    def pushed_back(self, retry_after: float | None) -> None:
        """The service asked for less: pause everybody for `retry_after` seconds, and do less at once."""
        self._adaptive.pushed_back()
        if retry_after:
            self._schedule.pause(retry_after)

    def succeeded(self) -> None:
        """The service bore a call."""
        self._adaptive.succeeded()

    def close(self) -> None:
        """Let go of the files."""
        self._schedule.close()
        if self._shared:
            self._shared.close()
