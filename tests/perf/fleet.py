"""How long a run takes at 1 to 1,000 places, and where PostgreSQL is the limit: a simulation with measured costs.

``python -m tests.perf.fleet`` simulates 75,000 questions, each with a haystack of its own, a memory system that takes
100 ms for an ingest and for a search, and a model that takes 3 s for an answer and for a verdict. It prints a line for
each number of places; ``--svg FILE`` draws them, ``--costs`` prints the costs and where they come from. They are those
of ``fleet_costs.json``, which ``python -m tests.perf.fleet_costs`` measures.

``--check`` makes runs at 1, 2 and 4 places of this machine, with a service that answers after 500 ms, and prints what
they take beside what the simulation says.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.perf import place_times, places
from tests.perf.fleet_model import COSTS, Costs, Outcome, Work, simulate
from tests.perf.fleet_picture import picture
from tests.reports.store.postgres_server import PostgresServer

PLACES = (1, 10, 100, 300, 1000)
WORK = Work(questions=75_000, calls=(0.1, 0.1, 3.0, 3.0), in_flight=8)
PER_MINUTE = 6000.0
MOST_LIMITED = 100
"""At so many places the limit is all that counts; a booking for each call takes long to simulate at more."""
SERVERS = (8, 2)
"""Cores of PostgreSQL."""

CHECKED = Work(questions=300, calls=(0.5, 0.5, 0.5), in_flight=2, sessions=20)
CHECKS = ("places", "slowed", "last call, simulated s", "measured s", "whole run, simulated s", "measured s")
HEADS = (
    *("places", "ideal", "last verdict", "whole run", "of 8 cores", "whole run, 2 cores", "of 2 cores"),
    "whole run, 6,000 calls a minute",
)


VARIANTS = (*((WORK, cores) for cores in SERVERS), (replace(WORK, per_minute=PER_MINUTE), SERVERS[0]))
"""What is simulated for each number of places."""


def outcomes(costs: Costs, counts: Sequence[int], processes: int | None) -> list[list[Outcome]]:
    """What each of `VARIANTS` comes to, for each number of places; the limited one up to `MOST_LIMITED` of them."""
    with ProcessPoolExecutor(processes) as pool:
        asked = [
            [
                pool.submit(simulate, costs, work, count, cores)
                for work, cores in VARIANTS
                if work.per_minute is None or count <= MOST_LIMITED
            ]
            for count in sorted(counts, reverse=True)
        ]
        return [[one.result() for one in row] for row in reversed(asked)]


def line(count: int, found: Sequence[Outcome]) -> str:
    """A line of the table."""
    large, small, *limited = found
    cells = (
        *(f"{count:,}", shown(ideal(count)), shown(large.last_verdict), shown(large.wall), f"{large.server:.2f}"),
        *(shown(small.wall), f"{small.server:.2f}", shown(limited[0].wall) if limited else "-"),
    )
    return f"| {' | '.join(cells)} |"


def ideal(count: int) -> float:
    """Seconds of all calls, divided by how many are in flight."""
    return WORK.questions * sum(WORK.calls) / WORK.in_flight / count


def shown(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def told(costs: Costs, count: int, slowed: float) -> Outcome:
    """What the simulation says of the checked run, on a machine where everything takes `slowed` times as long."""
    return simulate(Costs(*(cost * slowed for cost in costs)), CHECKED, count, cores=2)


def check(costs: Costs) -> None:
    """Print what real runs take beside what the simulation says."""
    options = argparse.Namespace(delay=CHECKED.calls[0] * 1000, provider=None, per_minute=None, shards=0)
    options.plugins, options.selection = place_times.PLUGIN, places.synthetic(CHECKED.questions)
    options.kill, options.seconds = False, 1800
    print(f"| {' | '.join(CHECKS)} |\n{'|--:' * len(CHECKS)}|", flush=True)
    server = PostgresServer(durable=True)
    try:
        for count in (1, 2, 4):
            options.in_flight = CHECKED.in_flight * count
            with tempfile.TemporaryDirectory() as folder:
                ran = places.run(count, server, Path(folder), options)
                slowed = statistics.mean(place_times.read(Path(folder) / name)["slowed"] for name in ran.ended)
            if set(ran.status.values()) != {0}:
                raise SystemExit(f"a place has ended with another status than 0: {ran.status}")
            slowed = round(slowed, 1)
            here, wall = told(costs, count, slowed), max(ran.ended.values()) - ran.begun
            last = ran.seen["last"] - ran.begun
            cells = (count, slowed, *(f"{one:.1f}" for one in (here.last_verdict, last, here.wall, wall)))
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
    finally:
        server.close()


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, nargs="+", default=PLACES, metavar="N")
    parser.add_argument("--svg", type=Path, metavar="FILE")
    parser.add_argument("--processes", type=int, metavar="N", help="that simulate at once (the machine's cores)")
    parser.add_argument("--costs", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    costs = Costs.stored()
    if options.costs:
        for name, one in json.loads(COSTS.read_text(encoding="utf-8")).items():
            print(f"| `{name}` | {one['ms']:.3g} | {one['how']} |")
    if options.check:
        check(costs)
    if options.costs or options.check:
        return
    print(f"| {' | '.join(HEADS)} |\n{'|--:' * len(HEADS)}|")
    counts = sorted(options.places)
    found = outcomes(costs, counts, options.processes)
    for count, row in zip(counts, found, strict=True):
        print(line(count, row), flush=True)
    if options.svg:
        options.svg.write_text(drawn(counts, found), encoding="utf-8")


def drawn(counts: Sequence[int], outcomes: Sequence[Sequence[Outcome]]) -> str:
    """Walls on the left, what PostgreSQL uses on the right."""
    names = [f"PostgreSQL, {cores} cores" for cores in SERVERS]
    walls = {name: [found[number].wall for found in outcomes] for number, name in enumerate(names)}
    walls["6,000 calls a minute"] = [found[2].wall for found in outcomes if len(found) > 2]
    walls["ideal"] = [ideal(count) for count in counts]
    used = {name: [found[number].server for found in outcomes] for number, name in enumerate(names)}
    times = {30.0: "30 s", 60.0: "1 min", 600.0: "10 min", 3600.0: "1 h", 36000.0: "10 h", 72000.0: "20 h"}
    return picture(
        counts,
        {
            "75,000 questions, 8 in flight at a place: whole run": (walls, times),
            "cores that PostgreSQL uses": (
                used,
                {0.001: "0.001", 0.01: "0.01", 0.1: "0.1", 1.0: "1", 2.0: "2", 8.0: "8"},
            ),
        },
    )


if __name__ == "__main__":
    main()
