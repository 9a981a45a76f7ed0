"""What one process may have in flight of what all places have together: a number that changes while calls go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from net.in_flight import InFlight
from net.limits.run_limits import Demand


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
