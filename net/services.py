"""The services that one process calls: one caller each, within its limits and the process's calls in flight."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from net.attempts import Caller
from net.foreign import BLOCKED_SECONDS
from net.in_flight import InFlight
from net.ledger import Ledger
from net.limits import Limiter, OverPlaces
from net.outages import Note
from net.threads import DaemonThreads
from vocabulary import InfrastructureError

UNHURRIED = 1_000_000
"""How many calls may be in flight where calls are not counted."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """Limits on the calls to a service.

    `concurrency` is how many calls may be in flight at once and `per_minute` how many may begin in a minute; None is
    no limit. They hold for the whole run, over all workers, unless `scope` is "process": for an engine that runs inside
    each worker.
    """

    concurrency: int | None = None
    per_minute: float | None = None
    scope: Literal["run", "process"] = "run"


class Services:
    """Creates one rate-limited caller per service, and allows `in_flight` calls in all.

    `threads` makes the pool that plain methods of a service run in. Calls sit out an outage of their service for
    `patience` seconds; `note` hears of each outage. `ledger` notes the calls in flight, and is closed with the rest.
    `over_places` has the limits of a run that several places work on, in place of `in_flight` and of files in `folder`.
    """

    def __init__(
        self,
        *,
        in_flight: int,
        workers: int,
        folder: Path,
        threads: Callable[..., Executor] = DaemonThreads,
        patience: float = 0.0,
        note: Note = lambda _outage: None,
        ledger: Ledger | None = None,
        over_places: OverPlaces | None = None,
    ) -> None:
        self._in_flight = over_places.in_flight if over_places else in_flight
        self._under_way = over_places.under_way if over_places else InFlight(in_flight)
        self._over_places = over_places
        self._workers = workers
        self._folder = folder
        self._threads = threads
        self._patience = patience
        self._note = note
        self._ledger = ledger
        self._callers: dict[str, Caller] = {}
        self._limiters: list[Limiter] = []
        self._pools: list[Executor] = []

    def caller(
        self, name: str, limits: CallLimits, failure: type[InfrastructureError], *, unhurried: bool = False
    ) -> Caller:
        """The caller for the service `name` with `limits`; the same one for the same name.

        Calls to one that is `unhurried` are not counted as in flight: they wait for hours, and keep nothing busy.
        """
        if name in self._callers:
            return self._callers[name]
        in_flight = UNHURRIED if unhurried else self._in_flight
        most = min(in_flight, limits.concurrency or in_flight)
        over_places = self._over_places if limits.scope == "run" else None
        over_all = over_places or (limits.scope == "run" and self._workers > 1)
        limiter = Limiter(
            self._folder,
            name,
            most=most,
            shared=limits.concurrency if over_all else None,
            per_minute=limits.per_minute,
            patience=self._patience,
            note=self._note,
            over_places=over_places,
        )
        pool = self._threads(most, name)
        self._limiters.append(limiter)
        self._pools.append(pool)
        under_way, ledger = (InFlight(UNHURRIED), None) if unhurried else (self._under_way, self._ledger)
        self._callers[name] = Caller(limiter, pool, failure, under_way, ledger)
        return self._callers[name]

    def blocking(self) -> dict[str, float]:
        """The services whose coroutines kept the event loop for `BLOCKED_SECONDS` or more, and for how many."""
        steps = {name: caller.longest_step for name, caller in self._callers.items()}
        return {name: longest for name, longest in steps.items() if longest >= BLOCKED_SECONDS}

    def hold(self) -> None:
        """Let all calls that are in flight go on, and no other begin; may be called by any thread."""
        self._under_way.hold()

    def close(self) -> None:
        """Stop the threads, unless they are stuck, and close the files."""
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)
        for limiter in self._limiters:
            limiter.close()
        if self._over_places:
            self._over_places.close()
        if self._ledger:
            self._ledger.close()
