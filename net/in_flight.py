"""At most so many calls in flight in a process, over all services."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count


class InFlight:
    """At most `most` calls in flight in a process; of those that wait, the lowest place is first.

    So a question that was begun goes on before another one begins. A call that is to be `alone` begins when no other is
    in flight, and no other begins before it has ended.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._active = 0
        self._alone = False
        self._waiting: list[tuple[bool, int, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    async def take(self, place: int, *, alone: bool = False) -> None:
        """Wait until a call may be in flight."""
        if not self._waiting and self._may_begin(alone):
            self._begin(alone)
            return
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (not alone, place, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            else:
                self._hand_on()  # others may have waited for this one to be alone
            raise

    def hold(self) -> None:
        """Let no further call begin."""
        self._most = 0

    def give_back(self) -> None:
        """One call less is in flight."""
        self._active -= 1
        self._alone = False
        self._hand_on()

    def _may_begin(self, alone: bool) -> bool:
        return not self._alone and self._active < (min(1, self._most) if alone else self._most)

    def _begin(self, alone: bool) -> None:
        self._active += 1
        self._alone = alone

    def _hand_on(self) -> None:
        while self._waiting:
            together, _place, _arrival, turn = self._waiting[0]
            if not turn.done():
                if not self._may_begin(not together):
                    return
                self._begin(not together)
                turn.set_result(None)
            heappop(self._waiting)
