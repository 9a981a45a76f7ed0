"""How long a run takes at 1 to 1,000 places, and where PostgreSQL is the limit: a simulation with measured costs.

A place is simulated as `bench.pipeline.places` works: it claims blocks under the lock of the run, begins four times as
many questions as may be in flight, writes what has gathered through one connection, shows all questions in their order,
reads those of others 50 at a time and looks for them once a second, renews its presence, divides what may be in flight,
and makes the report or waits for the place that does. Not simulated: the copies of the report, errors, places that come
and go, and a database that is larger than its memory.
"""

from __future__ import annotations

import json
from array import array
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple  # Any: what an event gives is never used

import simpy

from bench.pipeline import LOOK_AHEAD
from bench.pipeline.places.following import LOOK_SECONDS
from bench.pipeline.places.plan import USUAL_BLOCK, block_size
from reports.store.leases import HEARTBEAT_SECONDS
from reports.store.sharing.place_limits import _EACH_PLACE_SECONDS, DIVIDE_SECONDS

COSTS = Path(__file__).with_name("fleet_costs.json")
_READ_TOGETHER = 50
_SHOWN_TOGETHER = 2000  # so many reads are simulated as a long one
_FOLLOWED = 2000
_NOBODY = 0xFFFF
_SLICE = 0.05
"""Seconds of CPU that a process gets at once where processes share cores."""

Events = Generator[simpy.Event, Any, None]


class Costs(NamedTuple):
    """Milliseconds: of the server's CPU, if not said otherwise.

    `claim_held`, `divide_held` and `turn_held` are how long a lock is held that all places wait for, `flush` how long
    the disk takes for a commit; `start`, `collect`, `own`, `shown` and `report` are CPU of a place.
    """

    claim: float
    claim_held: float
    over: float
    over_a_question: float
    presence: float
    presence_a_place: float
    divide: float
    divide_a_place: float
    divide_held: float
    divide_held_a_place: float
    read: float
    read_a_question: float
    save: float
    save_a_row: float
    container: float
    turn: float
    turn_held: float
    flush: float
    join_a_question: float
    digest_a_question: float
    report_read_a_question: float
    start: float
    collect: float
    own: float
    shown: float
    report: float

    @classmethod
    def stored(cls, path: Path = COSTS) -> Costs:
        """What was measured before."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{name: found[name]["ms"] for name in cls._fields})


@dataclass(frozen=True)
class Work:
    """A run: its questions, and the seconds of their calls, of which the last `limited` may be made `per_minute`.

    If `sessions`, all questions have one haystack with so many sessions; else each has one of its own, whose ingest is
    the first of its calls.
    """

    questions: int
    calls: tuple[float, ...]
    in_flight: int
    sessions: int = 0
    per_minute: float | None = None
    limited: int = 2


class Outcome(NamedTuple):
    """Seconds from the start of all places; `server` is how many of its cores PostgreSQL has used in the mean."""

    last_verdict: float
    wall: float
    server: float
    lock: float


def simulate(costs: Costs, work: Work, places: int, cores: int, *, shared: bool = False) -> Outcome:
    """A run at so many places, with a server of so many cores; if `shared`, all places are on these cores too."""
    run = _Run(costs, work, places, cores, shared=shared)
    everyone = [_Place(run, number) for number in range(places)]
    run.env.run(run.env.all_of([place.ended for place in everyone]))
    wall = run.env.now
    return Outcome(run.last_verdict, wall, run.server.busy / wall, run.server.locked / wall)


class _Server:
    """PostgreSQL: statements wait for a core, commits for the disk, which takes all at once that wait for it."""

    def __init__(self, env: simpy.Environment, cores: simpy.Resource, costs: Costs) -> None:
        self.busy = self.locked = 0.0
        self.claims, self.parts, self.turns = (simpy.Resource(env) for _lock in range(3))
        self._env, self._cores, self._costs = env, cores, costs
        self._wanted, self._flushed = env.event(), env.event()
        env.process(self._flush())

    def execute(self, milliseconds: float) -> Events:
        """Use a core."""
        with self._cores.request() as core:
            yield core
            yield self._env.timeout(milliseconds / 1000)
        self.busy += milliseconds / 1000

    def committed(self) -> simpy.Event:
        """A commit that is asked for now."""
        if not self._wanted.triggered:
            self._wanted.succeed()
        return self._flushed

    def exclusive(self, lock: simpy.Resource, milliseconds: float, held: float) -> Events:
        """Do something while all others wait for the same lock."""
        with lock.request() as mine:
            yield mine
            begun = self._env.now
            yield from self.execute(milliseconds)
            yield self._env.timeout(max(0.0, held - milliseconds) / 1000)
            yield self.committed()
            self.locked += self._env.now - begun

    def _flush(self) -> Events:
        while True:
            yield self._wanted
            flushed = self._flushed
            self._wanted, self._flushed = self._env.event(), self._env.event()
            yield self._env.timeout(self._costs.flush / 1000)
            flushed.succeed()


class _Run:
    """What all places of a run share."""

    def __init__(self, costs: Costs, work: Work, places: int, cores: int, *, shared: bool) -> None:
        self.env = simpy.Environment()
        self.costs, self.work, self.places = costs, work, places
        machine = simpy.Resource(self.env, cores)
        self.machine = machine if shared else None
        self.server = _Server(self.env, machine, costs)
        self.done = bytearray(work.questions)
        self.owner = array("H", [_NOBODY]) * work.questions
        self.claimed = 0
        self.ready: simpy.Event | None = None
        self.report: simpy.Event | None = None
        self.last_verdict = 0.0
        self._turn = 0.0

    @property
    def free(self) -> int:
        """How many questions nobody has claimed."""
        return self.work.questions - self.claimed

    def block(self) -> int:
        """How many questions a place claims next."""
        return block_size(self.free, self.places)

    def take(self, number: int) -> range:
        """Give a place the next block."""
        taken = range(self.claimed, min(self.claimed + self.block(), self.work.questions))
        for question in taken:
            self.owner[question] = number
        self.claimed = taken.stop
        return taken

    def turn(self) -> Events:
        """Wait until the service may be called."""
        if self.work.per_minute is not None:
            yield from self.server.exclusive(self.server.turns, self.costs.turn, self.costs.turn_held)
            at = max(self._turn, self.env.now)
            self._turn = at + 60 / self.work.per_minute
            yield self.env.timeout(at - self.env.now)


class _Place:
    def __init__(self, run: _Run, number: int) -> None:
        self.run, self.number = run, number
        self.env, self.costs, self.server = run.env, run.costs, run.server
        self.slots = simpy.Resource(self.env, run.work.in_flight)
        self.thread = simpy.Resource(self.env)  # it claims and looks
        self.blocked: deque[int] = deque()
        self.under_way = 0
        self.unwritten: list[simpy.Event] = []
        self.written = self.wake = self.env.event()
        self.waits: dict[int, simpy.Event] = {}
        self.looked = -LOOK_SECONDS
        self.ended = self.env.process(self._life())

    def _life(self) -> Events:
        questions = self.run.work.questions
        yield from self._compute(self.costs.start + self.costs.collect * questions)
        yield from self.server.execute(self.costs.join_a_question * questions)
        for work in (self._write(), self._renew(), self._divide(), self._claim()):
            self.env.process(work)
        yield from self._show()
        yield from self._report(questions)

    def _report(self, questions: int) -> Events:
        yield from self.server.execute(self.costs.digest_a_question * questions)
        if self.run.report is not None:
            yield self.run.report
            return
        self.run.report = self.env.event()
        for first in range(0, questions, _SHOWN_TOGETHER):
            count = min(_SHOWN_TOGETHER, questions - first)
            yield from self.server.execute(self.costs.report_read_a_question * count)
            yield from self._compute(self.costs.report * count)
        self.run.report.succeed()

    def _compute(self, milliseconds: float) -> Events:
        left = milliseconds / 1000
        if (machine := self.run.machine) is None:
            yield self.env.timeout(left)
            return
        while left > 0:
            with machine.request() as core:
                yield core
                yield self.env.timeout(min(left, _SLICE))
            left -= _SLICE

    # --- what is recorded ------------------------------------------------------------------------------------------

    def _save(self) -> simpy.Event:
        saved = self.env.event()
        self.unwritten.append(saved)
        if not self.written.triggered:
            self.written.succeed()
        return saved

    def _write(self) -> Events:
        while True:
            if not self.unwritten:
                self.written = self.env.event()
                yield self.written
            batch, self.unwritten = self.unwritten, []
            yield from self.server.execute(self.costs.save + self.costs.save_a_row * len(batch))
            yield self.server.committed()
            for saved in batch:
                saved.succeed()

    def _renew(self) -> Events:
        while True:
            yield self.env.timeout(HEARTBEAT_SECONDS)
            self._save()

    def _divide(self) -> Events:
        places = self.run.places
        used = self.costs.divide + self.costs.divide_a_place * places
        held = self.costs.divide_held + self.costs.divide_held_a_place * places
        while True:
            yield from self.server.exclusive(self.server.parts, used, held)
            yield self.env.timeout(max(DIVIDE_SECONDS, _EACH_PLACE_SECONDS * places))

    # --- what is asked here ----------------------------------------------------------------------------------------

    def _claim(self) -> Events:
        while self.run.free or self.blocked:
            while self.under_way < self.run.work.in_flight * LOOK_AHEAD and (self.blocked or self.run.free):
                if not self.blocked:
                    yield from self._claim_block()
                    continue
                self.under_way += 1
                self.env.process(self._ask(self.blocked.popleft()))
            self.wake = self.env.event()
            yield self.wake

    def _claim_block(self) -> Events:
        with self.thread.request() as mine:
            yield mine
            larger = max(1.0, self.run.block() / USUAL_BLOCK)
            claim, held = self.costs.claim * larger, self.costs.claim_held * larger
            yield from self.server.exclusive(self.server.claims, claim, held)
            taken = self.run.take(self.number)
            self.blocked.extend(taken)
            yield from self.server.execute(self.costs.read + self.costs.read_a_question * len(taken))

    def _ask(self, question: int) -> Events:
        work = self.run.work
        if work.sessions:
            yield from self._shared_haystack()
        else:
            yield from self.server.execute(self.costs.container)
            yield self.server.committed()
        own = (self.costs.own - self.costs.shown) / len(work.calls) / 1000
        if self.run.machine is not None:
            yield from self._compute(own * len(work.calls) * 1000)
            own = 0.0
        for number, seconds in enumerate(work.calls):
            if number >= len(work.calls) - work.limited:
                yield from self.run.turn()
            yield from self._call(seconds + own)
            yield self._save()
        self.run.done[question] = 1
        self.run.last_verdict = self.env.now
        self.under_way -= 1
        for waiting in (self.wake, self.waits.pop(question, None)):
            if waiting is not None and not waiting.triggered:
                waiting.succeed()

    def _call(self, seconds: float) -> Events:
        with self.slots.request() as slot:
            yield slot
            yield self.env.timeout(seconds)

    def _shared_haystack(self) -> Events:
        if self.run.ready is None:
            self.run.ready = self.env.event()
            sessions = [self.env.process(self._call(self.run.work.calls[0])) for _ in range(self.run.work.sessions)]
            yield self.env.all_of(sessions)
            self.run.ready.succeed()
        else:
            yield self.run.ready

    # --- what is shown here ----------------------------------------------------------------------------------------

    def _show(self) -> Events:
        run, shown = self.run, 0
        seen_from, seen = 0, b""
        while shown < run.work.questions:
            most = min(shown + _SHOWN_TOGETHER, run.work.questions)
            until = seen.find(0, shown - seen_from, most - seen_from)
            until = max(shown, min(most, seen_from + len(seen))) if until < 0 else seen_from + until
            while until < most and run.owner[until] == self.number and run.done[until]:
                until += 1
            if until > shown:
                others = until - shown - run.owner[shown:until].count(self.number)
                if others:
                    reads = -(-others // _READ_TOGETHER)
                    yield from self.server.execute(self.costs.read * reads + self.costs.read_a_question * others)
                yield from self._compute(self.costs.shown * (until - shown))
                shown = until
            elif run.owner[shown] == self.number:
                yield self.waits.setdefault(shown, self.env.event())
            else:
                yield from self._look(run.work.questions - shown)
                seen_from, seen = shown, bytes(run.done[shown : shown + _FOLLOWED])

    def _look(self, left: int) -> Events:
        yield self.env.timeout(max(0.0, self.looked + LOOK_SECONDS - self.env.now))
        with self.thread.request() as mine:
            yield mine
            self.looked = self.env.now
            places = self.costs.presence + self.costs.presence_a_place * self.run.places
            questions = self.costs.over + self.costs.over_a_question * min(left, _FOLLOWED)
            yield from self.server.execute(places + questions)
