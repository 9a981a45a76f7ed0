"""What an outage in mid run costs: errors, and calls beside those of a run that nothing disturbs.

``python -m tests.perf.outages`` takes the memory system, the answering model and the PostgreSQL server of the
checkpoint away for a minute each, in one process and under ``-n 2``, and prints a line for each. ``--seconds`` sets the
length of the outage.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple  # Any: parsed JSON

from tests.bench.plugin.suite import Suite
from tests.reports.store.postgres_server import PostgresServer

QUESTIONS = 200
CALLS = ("ingest", "search", "answer", "judge")
RUN = (
    "bench",
    "-k",
    "synthetic",
    "--synthetic-sessions=20",
    f"--synthetic-questions={QUESTIONS}",
    "--in-flight=8",
    "--patience=600",
    "--provider=tests.subjects.failing:Memory",
    "--answering-model=tests.subjects.failing:Model",
    "--judge=tests.subjects.failing:Grader",
)


class Measured(NamedTuple):
    """What came of a run: `calls` counts those that were refused too."""

    errors: int
    calls: int
    seconds: float


def measure(suite: Suite, arguments: tuple[str, ...], outage: Callable[[], None] | None) -> Measured:
    """A run, with `outage` once a quarter of the questions is judged."""
    begun = time.monotonic()
    process = suite.start(*RUN, *arguments)
    if outage:
        suite.wait_for("judge", QUESTIONS // 4, process)
        outage()
    output, _nothing = process.communicate()
    results: Any = suite.report()["results"]
    questions = results[0]["questions"]
    assert questions["selected"] == questions["judged"] + questions["errors"] == QUESTIONS, output
    calls = sum(suite.calls(what).total() + suite.calls(f"refused {what}").total() for what in CALLS)
    return Measured(questions["errors"], calls, time.monotonic() - begun)


@contextmanager
def a_suite() -> Iterator[Suite]:
    """A suite in a folder that is removed."""
    with tempfile.TemporaryDirectory(prefix="outages-") as folder:
        suite = Suite(Path(folder))
        suite.seconds = 1200
        yield suite


def absence(suite: Suite, what: str, seconds: float) -> Callable[[], None]:
    """Takes a service away for a while."""

    def take_away() -> None:
        down = suite.folder / f"{what} is down"
        down.touch()
        time.sleep(seconds)
        down.unlink()

    return take_away


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each outage (default: 60)")
    seconds: float = parser.parse_args().seconds
    server = PostgresServer()

    def restart() -> None:
        server.stop()
        time.sleep(seconds)
        server.start()

    print(f"{'outage of':10}  {'workers':7}  {'errors':>6}  {'calls':>12}  {'seconds':>15}")
    try:
        for workers in ("-n0", "-n2"):
            with a_suite() as suite:
                plain = measure(suite, (workers,), None)
            for what in ("search", "answer", "database"):
                with a_suite() as suite:
                    database = (f"--checkpoint-url={server.database()}",) if what == "database" else ()
                    outage = restart if what == "database" else absence(suite, what, seconds)
                    found = measure(suite, (workers, *database), outage)
                calls = f"{found.calls} of {plain.calls}"
                times = f"{found.seconds:.0f} (+{found.seconds - plain.seconds:.0f})"
                print(f"{what:10}  {workers:7}  {found.errors:6}  {calls:>12}  {times:>15}", flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    main()
