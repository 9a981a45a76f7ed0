"""What statements of a run, and places of it, cost on this machine: the numbers that `tests.perf.fleet` works with.

``python -m tests.perf.fleet_costs`` measures them and writes ``fleet_costs.json``, each with where it comes from: the
product's own code against a PostgreSQL of its own, which waits for the disk at each commit. What is said of the server
is CPU of its processes, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from bench.pipeline.places.plan import USUAL_BLOCK
from net import Demand
from reports.store import Checkpoint, Leases, QuestionKey, Step
from reports.store.sharing import Claims, PlaceLimits, Presence, Wanted
from reports.store.sharing import shared_tables as shared
from reports.store.writer import Put
from tests.perf import place_times
from tests.perf.fleet_model import COSTS, Costs
from tests.perf.in_flight import serve
from tests.perf.places import begin, synthetic
from tests.reports import made_records
from tests.reports.store.checkpoint_workers import make_run
from tests.reports.store.postgres_server import PostgresServer

QUESTIONS = 4000
PLACES = 1000
SIZES = (500, 6000)
QUICK = "the quickest tenth of {}, in all"
_RESULTS = json.dumps([{"text": f"Speaker: result {number} " + "words " * 60, "score": 1.0} for number in range(10)])
_TEXTS = {
    "search": _RESULTS,
    "answer": '{"hypothesis": "A short answer."}',
    "judge": '{"label": "correct", "explanation": "the loopback judge finds everything right"}',
}


class Statements:
    """Does what places do, one after the other, in a run of `QUESTIONS` whose haystacks have one question each."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.found: dict[str, dict[str, object]] = {}
        self.cases = [made_records.case(number, conversation=number) for number in range(QUESTIONS)]
        self.keys = [QuestionKey("bm25", case.benchmark, case.id) for case in self.cases]

    def note(self, name: str, milliseconds: float, how: str) -> None:
        """Keep what was found."""
        self.found[name] = {"ms": round(milliseconds, 5), "how": how}
        print(f"{name:>24} {milliseconds:10.4f} ms  {how}", flush=True)

    def cost(self, times: int, work: Callable[[int], object]) -> tuple[float, float]:
        """Milliseconds a time: CPU of the server, and the whole by the quickest tenth: other work does not count."""
        walls, before = [], self.server.cpu_seconds()
        for number in range(times):
            begun = time.perf_counter()
            work(number)
            walls.append(time.perf_counter() - begun)
        return (self.server.cpu_seconds() - before) * 1000 / times, statistics.quantiles(walls, n=10)[0] * 1000

    def measure(self) -> None:
        """All statements."""
        with closing(make_run(self.server.database(), "one", self.cases)) as checkpoint:
            presence = Presence(checkpoint, "a:main", "here", "judge")
            presence.begin()
            presence.look()
            self._locks(checkpoint, presence)
            self._steps(checkpoint)
            self._looks(checkpoint, presence)
            self._containers(checkpoint)
            self._whole_run(checkpoint, presence)
            presence.end()

    def _locks(self, checkpoint: Checkpoint, presence: Presence) -> None:
        update = sa.update(shared.places).values(heartbeat=shared.places.c.heartbeat + 1)

        def beat(waits: str) -> tuple[float, float]:
            def work(_number: int) -> None:
                with checkpoint.engine.begin() as connection:
                    connection.exec_driver_sql(f"set local synchronous_commit = {waits}")
                    connection.execute(update)

            return self.cost(300, work)

        (server, waited), (_, not_waited) = beat("on"), beat("off")
        flush = max(0.0, waited - not_waited)
        self.note("save", server, "mean of 300 commits of one row")
        self.note("flush", flush, "the quickest tenth of these, less that of 300 that do not wait for the disk")
        claims = Claims(presence)
        wanted = [Wanted(key, case.haystack, alone=True) for key, case in zip(self.keys, self.cases, strict=True)]
        block, listed = USUAL_BLOCK, 4 * USUAL_BLOCK
        server, wall = self.cost(50, lambda number: claims.take(wanted[number * block :][:listed], block))
        self.note("claim", server, f"mean of 50 Claims.take of {block} of {listed} haystacks")
        self.note("claim_held", max(server, wall - flush), QUICK.format("these, less flush"))
        with closing(PlaceLimits(presence)) as limits:
            server, wall = self.cost(1000, lambda _number: limits.book("service", 0.01, 1))
            self.note("turn", server, "mean of 1,000 PlaceLimits.book")
            self.note("turn_held", max(server, wall), QUICK.format("these, as the row is locked"))

    def _steps(self, checkpoint: Checkpoint) -> None:
        def rows(keys: list[QuestionKey]) -> list[Put]:
            return [
                Put(
                    checkpoint._save,
                    {
                        "phase": phase,
                        **checkpoint._values(key, Step(phase=phase, service_ms=1.0), "0" * 32, _TEXTS[phase]),
                    },
                )
                for key in keys
                for phase in ("search", "answer", "judge")
            ]

        block = 200
        several, _ = self.cost(
            QUESTIONS // block, lambda number: checkpoint.writer._transaction(rows(self.keys[number * block :][:block]))
        )
        self.note("save_a_row", several / (3 * block), f"mean of transactions of {3 * block} steps, a third searches")
        alone, _ = self.cost(500, lambda number: checkpoint.steps([self.keys[number]]))
        fifty, _ = self.cost(70, lambda number: checkpoint.steps(self.keys[number * 50 : number * 50 + 50]))
        self.note("read_a_question", (fifty - alone) / 49, "slope between Checkpoint.steps of 50 questions and of one")
        self.note("read", max(0.0, alone - (fifty - alone) / 49), "the rest of one question")

    def _looks(self, checkpoint: Checkpoint, presence: Presence) -> None:
        claims = Claims(presence)
        few, _ = self.cost(300, lambda number: claims.over(self.keys[number : number + 1]))
        many, _ = self.cost(30, lambda number: claims.over(self.keys[number * 60 : number * 60 + 2000]))
        self.note("over_a_question", (many - few) / 1999, "slope between Claims.over of 2,000 questions and of one")
        self.note("over", few - (many - few) / 1999, "the rest of one question")
        with closing(PlaceLimits(presence)) as limits:
            demands = {"": Demand(8, 8, 8)}

            def looked() -> tuple[float, float, float]:
                look, _ = self.cost(100, lambda _number: presence.look())
                return look, *self.cost(100, lambda _number: limits.divide(demands))

            lone = looked()
            row = {"run_id": "one", "folder": "f", "process": "elsewhere:1:1", "until": "judge", "ended": False}
            others = [{**row, "place": f"other {number}", "heartbeat": time.time()} for number in range(PLACES - 1)]
            kept = [{"run_id": "one", "place": one["place"], "service": "", "kept": 0, "wanted": 8} for one in others]
            with checkpoint.engine.begin() as connection:
                connection.execute(sa.insert(shared.places), others)
                connection.execute(sa.insert(shared.parts), kept)
            together = looked()
        between = f"slope between {PLACES} places and one"
        each = [(b - a) / (PLACES - 1) for a, b in zip(lone, together, strict=True)]
        for name, alone, slope in zip(("presence", "divide", "divide_held"), lone, each, strict=True):
            of = "Presence.look" if name == "presence" else "PlaceLimits.divide"
            how = QUICK.format(f"100 {of}") if name == "divide_held" else f"mean of 100 {of}"
            self.note(f"{name}_a_place", max(0.0, slope), f"{how}: {between}")
            self.note(name, alone - slope, f"{how}: the rest of one place")

    def _containers(self, checkpoint: Checkpoint) -> None:
        leases = Leases(checkpoint, "bm25", "locomo", "a")

        async def ingest(number: int) -> None:
            container = f"c{number}"
            await asyncio.to_thread(leases.claim, container, self.cases[number].haystack)
            leases.session_done(container, 0, 1.0, 1)
            await leases.indexed(container, messages=10, tokens=100, indexing_ms=0.0)

        with asyncio.Runner() as runner:
            server, _ = self.cost(QUESTIONS, lambda number: runner.run(ingest(number)))
        self.note("container", server, f"mean of {QUESTIONS:,} haystacks claimed, of one session, and indexed")

    def _whole_run(self, checkpoint: Checkpoint, presence: Presence) -> None:
        claims = Claims(presence)

        def join(_number: int) -> None:
            checkpoint.selected()
            claims.over(self.keys)

        server, _ = self.cost(3, join)
        self.note(
            "join_a_question", server / QUESTIONS, f"Checkpoint.selected and Claims.over of {QUESTIONS:,} questions"
        )

        def report(_number: int) -> None:
            for _record in checkpoint.settled_records():
                pass
            for _container in checkpoint.container_records():
                pass

        server, _ = self.cost(2, report)
        self.note("report_read_a_question", server / QUESTIONS, f"what a report reads of {QUESTIONS:,} questions")
        server, _ = self.cost(2, lambda _number: checkpoint.digest())
        self.note("digest_a_question", server / QUESTIONS, f"Checkpoint.digest of {QUESTIONS:,} questions")


def measure_places(server: PostgresServer, statements: Statements) -> None:
    """What pytest costs at a place, in runs of two sizes: a place alone, and one that shows what the other has done."""
    found: dict[tuple[str, int], dict[str, float]] = {}
    options = argparse.Namespace(in_flight=8, provider=None, per_minute=None, shards=0, plugins=place_times.PLUGIN)
    for questions in SIZES:
        options.selection, url = synthetic(questions), server.database()
        service, address = serve(0.0)
        with tempfile.TemporaryDirectory() as folder:
            for name in ("own", "shown"):
                place = Path(folder) / name
                process = begin(place, address, url, options)
                if process.wait():
                    raise SystemExit((place / "output").read_text())
                found[name, questions] = place_times.read(place)["cpu"]
        service.terminate()
        service.wait()

    def parts(name: str, questions: int) -> tuple[float, float, float]:
        cpu = found[name, questions]
        return (
            cpu["before begin"],
            cpu["before finish"] - cpu["before begin"],
            cpu["after finish"] - cpu["before finish"],
        )

    few, many = SIZES
    slopes = {
        name: [1000 * (b - a) / (many - few) for a, b in zip(parts(name, few), parts(name, many), strict=True)]
        for name in ("own", "shown")
    }
    how = f"CPU of pytest, slope between {few:,} and {many:,} synthetic questions over HTTP without delay: "
    collect = statistics.mean(one[0] for one in slopes.values())
    statements.note("collect", max(0.0, collect), how + "until it joins the run")
    statements.note("own", slopes["own"][1], how + "from then until its report, alone")
    statements.note("shown", slopes["shown"][1], how + "the same, all done by another place")
    statements.note("report", statistics.mean(one[2] for one in slopes.values()), how + "its report")
    rest = [sum(parts("shown", few)) * 1000 - few * sum(slopes["shown"])]
    statements.note("start", rest[0], f"the rest of the CPU of a place that shows {few} questions")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=COSTS, metavar="FILE")
    options = parser.parse_args()
    server = PostgresServer(durable=True)
    try:
        statements = Statements(server)
        statements.measure()
        measure_places(server, statements)
    finally:
        server.close()
    assert set(statements.found) == set(Costs._fields)
    options.to.write_text(json.dumps(statements.found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
