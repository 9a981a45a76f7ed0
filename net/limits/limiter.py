"""Limits on the calls to one service, shared by all workers of a run.

`Limiter` bounds calls to one provider or model: how many are under way at once, how many begin in a minute, and a pause
for everybody when the service asks for one or fails for everybody (`net.outages`). Concurrency adapts: a service that
pushes back gets fewer calls, and gradually more again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from net.boot import BOOT
from net.limits.booked import LATE_SECONDS, BookedSchedule
from net.limits.in_folder import Schedule, SharedSlots
from net.limits.over_places import OverPlaces
from net.limits.parts import PartSlots
from net.outages import Note, Outages, Standing
from vocabulary import InfrastructureError, file_name_of

LONGEST_PAUSE_SECONDS = 120.0
"""Without patience, a call that is to wait longer is given up, so no other call is paused for it either."""

_BACK_OFF = 0.7


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
    With `over_places` the rate and the slots are those of all places, else of the workers that share `folder`.
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
        over_places: OverPlaces | None = None,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file_name = file_name_of(name)
        self._schedule: Schedule | BookedSchedule
        self._shared: SharedSlots | PartSlots | None = None
        if over_places is not None:
            self._schedule = over_places.schedule(name, per_minute)
            self._shared = over_places.slots(name, shared) if shared is not None else None
        else:
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
        begins = False
        while not begins:
            if self._outages:
                await self._outages.turn(standing)
            await self._schedule.turn()
            # the rate may have made it wait into an outage
            begins = self._outages is None or self._outages.may_begin(standing)
        standing.turn = time.monotonic()

    async def renew(self, standing: Standing) -> None:
        """Take another turn where the call could not use its own at once: many late ones would exceed the rate."""
        tries = 2  # a loop that is always late must get on
        while self._schedule.paced and tries and time.monotonic() > standing.turn + LATE_SECONDS:
            tries -= 1
            await self._turn(standing)

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
