"""What a turn of a rate costs that places share: from when a call wants one until it has it, where none has to wait.

``python -m tests.perf.turns`` begins 200 calls a second, at random moments, over three processes as places, against a
PostgreSQL of its own, and prints the median and the 95th percentile in ms, and the CPU of these processes a call.
Beside them is what it costs by the file that workers of one machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from net.limits import OverPlaces, Schedule
from reports.store import Checkpoint
from reports.store.sharing import PlaceLimits, Presence
from tests.reports import made_records
from tests.reports.store.checkpoint_workers import make_run
from tests.reports.store.postgres_server import PostgresServer

_PER_MINUTE = 6_000_000.0  # so many that no call has to wait


async def call_at(rate: float, seconds: float, turn: Callable[[], Any]) -> list[float]:
    """Begin calls at random moments; the ms that each waited for its turn."""
    waited: list[float] = []

    async def call() -> None:
        begun = time.perf_counter()
        await turn()
        waited.append((time.perf_counter() - begun) * 1000.0)

    await turn()  # the first one makes what there is to make
    end, calls = time.monotonic() + seconds, []
    while time.monotonic() < end:
        calls.append(asyncio.create_task(call()))
        await asyncio.sleep(random.expovariate(rate))
    await asyncio.gather(*calls)
    return waited


def measure(url: str, folder: str, number: int, rate: float, seconds: float, found: Any) -> None:
    """What one process measures, by the database at `url`, or by a file in `folder`."""

    async def by_places() -> list[float]:
        with closing(Checkpoint(url, "one")) as checkpoint:
            presence = Presence(checkpoint, f"{number}:main", str(number), "judge")
            presence.begin()
            with closing(OverPlaces(PlaceLimits(presence), 64)) as over:
                return await call_at(rate, seconds, over.schedule("service", _PER_MINUTE).turn)

    async def by_file() -> list[float]:
        with closing(Schedule(Path(folder) / "schedule", _PER_MINUTE)) as schedule:
            return await call_at(rate, seconds, schedule.turn)

    before = resource.getrusage(resource.RUSAGE_SELF)
    waited = asyncio.run(by_places() if url else by_file())
    after = resource.getrusage(resource.RUSAGE_SELF)
    found.put((waited, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))


def shown(name: str, url: str, options: argparse.Namespace) -> None:
    """Measure in all processes, and print."""
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        found = context.Queue()
        rate = options.rate / options.processes
        numbers: Sequence[int] = range(options.processes)
        processes = [
            context.Process(target=measure, args=(url, folder, number, rate, options.seconds, found))
            for number in numbers
        ]
        for process in processes:
            process.start()
        results = [found.get(timeout=options.seconds + 60) for _process in processes]
        for process in processes:
            process.join()
    waited = sorted(ms for one, _cpu in results for ms in one)
    cpu = sum(cpu for _one, cpu in results) * 1000.0 / len(waited)
    p50, p95 = statistics.median(waited), waited[int(len(waited) * 0.95)]
    print(f"{name}: {len(waited)} calls, p50 {p50:.2f} ms, p95 {p95:.2f} ms, CPU {cpu:.2f} ms a call", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0, help="calls a second, of all processes")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    shown("file", "", options)
    server = PostgresServer()
    try:
        url = server.database()
        make_run(url, "one", [made_records.case()]).close()
        shown("PostgreSQL", url, options)
    finally:
        server.close()


if __name__ == "__main__":
    main()
