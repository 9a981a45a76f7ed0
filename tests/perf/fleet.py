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
import tempfile
from pathlib import Path

from tests.perf import places
from tests.perf.fleet_model import COSTS, Costs, Outcome, Work, simulate
from tests.perf.fleet_picture import picture
from tests.reports.store.postgres_server import PostgresServer

PLACES = (1, 4, 16, 64, 128, 256, 512, 1000)
WORK = Work(questions=75_000, calls=(0.1, 0.1, 3.0, 3.0), in_flight=8)
PER_MINUTE = 6000.0
SERVERS = (8, 2)
"""Cores of PostgreSQL."""

CHECKED = Work(questions=300, calls=(0.5, 0.5, 0.5), in_flight=2, sessions=20)
HEADS = (
    *("places", "ideal", "last verdict", "whole run", "of 8 cores", "whole run, 2 cores", "of 2 cores"),
    "whole run, 6,000 calls a minute",
)


def row(costs: Costs, count: int) -> tuple[str, list[Outcome]]:
    """A line of the table, and the outcomes that it shows: with each server, and with a limit of the service."""
    limited = Work(WORK.questions, WORK.calls, WORK.in_flight, per_minute=PER_MINUTE)
    large, small = (simulate(costs, WORK, count, cores) for cores in SERVERS)
    slowed = simulate(costs, limited, count, SERVERS[0])
    cells = (
        *(f"{count:,}", shown(ideal(count)), shown(large.last_verdict), shown(large.wall), f"{large.server:.2f}"),
        *(shown(small.wall), f"{small.server:.2f}", shown(slowed.wall)),
    )
    return f"| {' | '.join(cells)} |", [large, small, slowed]


def ideal(count: int) -> float:
    """Seconds of all calls, divided by how many are in flight."""
    return WORK.questions * sum(WORK.calls) / WORK.in_flight / count


def shown(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def check(costs: Costs) -> None:
    """Print what real runs take beside what the simulation says."""
    options = argparse.Namespace(delay=CHECKED.calls[0] * 1000, provider=None, per_minute=None, shards=0, plugins=[])
    options.selection, options.kill, options.seconds = places.synthetic(CHECKED.questions), False, 1800
    print("| places | last call, simulated | measured | whole run, simulated | measured |")
    print("|--:|--:|--:|--:|--:|")
    server = PostgresServer(durable=True)
    try:
        for count in (1, 2, 4):
            with tempfile.TemporaryDirectory() as folder:
                options.in_flight = CHECKED.in_flight * count
                ran = places.run(count, server, Path(folder), options)
            told = simulate(costs, CHECKED, count, 2, shared=True)
            last, wall = ran.seen["last"] - ran.begun, max(ran.ended.values()) - ran.begun
            print(f"| {count} | {told.last_verdict:.1f} | {last:.1f} | {told.wall:.1f} | {wall:.1f} |", flush=True)
            if set(ran.status.values()) != {0}:
                raise SystemExit(f"a place has ended with another status than 0: {ran.status}")
    finally:
        server.close()


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, nargs="+", default=PLACES, metavar="N")
    parser.add_argument("--svg", type=Path, metavar="FILE")
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
    outcomes = []
    for count in options.places:
        line, found = row(costs, count)
        outcomes.append(found)
        print(line, flush=True)
    if options.svg:
        options.svg.write_text(drawn(options.places, outcomes), encoding="utf-8")


def drawn(counts: list[int], outcomes: list[list[Outcome]]) -> str:
    """Walls on the left, what PostgreSQL uses on the right."""
    names = [f"PostgreSQL, {cores} cores" for cores in SERVERS]
    walls = {name: [found[number].wall for found in outcomes] for number, name in enumerate(names)}
    walls["6,000 calls a minute"] = [found[2].wall for found in outcomes]
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
