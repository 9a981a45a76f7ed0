"""Limits that the workers of a run share in files of its folder: when calls may begin, and how many at once."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from net.shared_file import SharedFile

CLOCK_SECONDS = 0.002
"""By how much a sleep may end early on another clock."""

_POLL_SECONDS = 0.02
_PLACES = struct.Struct("dd")


class Schedule:
    """When calls may begin, in a file that all workers share (generic cell rate algorithm, ITU-T I.371).

    The file holds two readings of the monotonic clock, in seconds: the theoretical arrival time of the next call, and
    the end of the last pause. So a file is good for one boot of the machine, and for any time of day.
    """

    def __init__(self, path: Path, per_minute: float | None) -> None:
        self.paced = bool(per_minute)
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
                if pause_end <= max(time.monotonic(), reserved + wait) + CLOCK_SECONDS:
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
