"""Limits of a run that several places work on: each books turns, and has a part of what may be in flight.

What the places have in common is in a database, which only threads wait for. A call looks at memory alone, unless it
has to wait for a turn.
"""

from __future__ import annotations

import threading
import time

from net.limits.booked import BookedSchedule
from net.limits.parts import Part, PartSlots
from net.limits.run_limits import ALL, RunLimits
from net.threads import LAST_SECONDS, DaemonThreads


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
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._divide, name="bench-parts", daemon=True)

    def schedule(self, service: str, per_minute: float | None) -> BookedSchedule:
        """When calls to a service may begin."""
        self._schedules[service] = BookedSchedule(service, per_minute, self._run, self._booking)
        return self._schedules[service]

    def slots(self, service: str, count: int) -> PartSlots:
        """The part that this process has of the slots of a service."""
        part = self._parts[service] = Part(count, self._begin)
        if self._failure is not None:
            part.fail(self._failure)
        return PartSlots(part)

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
            self._failure = error
            for part in list(self._parts.values()):
                part.fail(error)
