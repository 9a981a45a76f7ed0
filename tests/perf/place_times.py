"""Where the time of a place goes: what it waits for claims, for looks at others, for reads, and for its report.

``python -m tests.perf.place_times --questions 20000`` makes a run of synthetic questions at 4 places: pytest, each in a
folder of its own, one PostgreSQL, and a service on loopback that answers after 50 ms. It prints for each place the
share of its wall that goes into claims, and how long after the last verdict of the run it has written its report and
has ended.

The module is also the plugin that measures this in each place (``-p tests.perf.place_times``).
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any  # Any: parsed JSON, and methods of any shape

import pytest

from bench.pipeline import RunSession
from reports.store import Checkpoint
from reports.store.sharing import Claims, Presence
from tests.perf import places
from tests.reports.store.postgres_server import PostgresServer

PLUGIN = ["-p", "tests.perf.place_times"]
FILE = "times-*.json"
LOOKS = ("over", "left_by", "held", "look")
WATCHED: tuple[tuple[type, str], ...] = (
    *((Claims, name) for name in ("take", *LOOKS[:-1])),
    (Presence, "look"),
    (Presence, "begin"),
    (Checkpoint, "steps"),
    (RunSession, "finish"),
)

_seconds: dict[str, float] = defaultdict(float)
_used: dict[str, float] = defaultdict(float)
_calls: dict[str, int] = defaultdict(int)
_moments: dict[str, float] = {}
_cpu: dict[str, float] = {}


def _timed(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any, **options: Any) -> Any:
        begun, used = time.perf_counter(), time.thread_time()
        _cpu.setdefault(f"before {name}", time.process_time())
        try:
            return method(*arguments, **options)
        finally:
            _seconds[name] += time.perf_counter() - begun
            _used[name] += time.thread_time() - used
            _calls[name] += 1
            _moments[f"last {name}"] = time.time()
            _cpu[f"after {name}"] = time.process_time()

    return call


def _noted(save: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(save)
    def call(*arguments: Any, **options: Any) -> Any:
        _moments["last save"] = time.time()
        return save(*arguments, **options)

    return call


def pytest_configure() -> None:
    for owner, name in WATCHED:
        setattr(owner, name, _timed(name, getattr(owner, name)))
    Checkpoint.save = _noted(Checkpoint.save)  # type: ignore[method-assign]


def _slowed() -> float:
    """By how much other work on the machine has slowed this process: its threads waited for a core (Linux)."""
    times = [file.read_text().split() for file in Path("/proc/self/task").glob("*/schedstat")]
    return 1 + sum(int(one[1]) for one in times) / sum(int(one[0]) for one in times)


def pytest_unconfigure(config: pytest.Config) -> None:
    cpu = {**_cpu, "in all": time.process_time()}
    found = {"seconds": _seconds, "used": _used, "calls": _calls, "moments": _moments, "cpu": cpu, "slowed": _slowed()}
    (Path(config.getoption("memorybench_runs_dir")) / FILE.replace("*", str(os.getpid()))).write_text(json.dumps(found))


def read(place: Path) -> dict[str, Any]:
    """What the plugin has measured at the place with that folder."""
    (file,) = place.glob(FILE)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=20_000)
    parser.add_argument("--places", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=32, help="over all places")
    parser.add_argument("--per-minute", type=float, help="what the provider allows")
    parser.add_argument("--delay", type=float, default=50.0, metavar="MS", help="of the server, without --provider")
    parser.add_argument("--provider", help="an embedded one, such as none")
    parser.add_argument("--seconds", type=float, default=3000, help="give up after so many")
    options = parser.parse_args()
    options.selection, options.plugins, options.kill = places.synthetic(options.questions), PLUGIN, False
    options.shards = 0
    server = PostgresServer()
    try:
        with tempfile.TemporaryDirectory() as folder:
            ran = places.run(options.places, server, Path(folder), options)
            show(ran, {name: read(Path(folder) / name) for name in ran.ended})
    finally:
        server.close()


def show(ran: places.Ran, found: dict[str, dict[str, Any]]) -> None:
    """Print a line for each place."""
    last = max(one["moments"].get("last save", 0.0) for one in found.values())
    print(f"last verdict after {last - ran.begun:.1f} s")
    titles = (
        "place",
        "status",
        "wall s",
        "slowed",
        "CPU s",
        "claims",
        "s",
        "of wall",
        "CPU s",
        "looks",
        "s",
        "reads",
        "s",
    )
    print(" ".join(f"{title:>8}" for title in (*titles, "report s", "CPU s", "to report", "to exit")))
    for name, one in sorted(found.items()):
        seconds, calls = defaultdict(float, one["seconds"]), defaultdict(int, one["calls"])
        wall = ran.ended[name] - ran.begun
        looks = [which for which in LOOKS if which in calls]
        looked = sum(seconds[which] for which in looks)
        row = (
            *(name.removeprefix("place "), ran.status[name], f"{wall:.1f}", f"{one['slowed']:.1f}"),
            f"{one['cpu']['in all']:.1f}",
            *(calls["take"], f"{seconds['take']:.2f}", f"{seconds['take'] / wall:.2%}"),
            f"{one['used'].get('take', 0.0):.2f}",
            *(sum(calls[which] for which in looks), f"{looked:.2f}", calls["steps"], f"{seconds['steps']:.2f}"),
            *(f"{seconds['finish']:.1f}", f"{one['cpu']['after finish'] - one['cpu']['before finish']:.1f}"),
            *(f"{one['moments']['last finish'] - last:.1f}", f"{ran.ended[name] - last:.1f}"),
        )
        print(" ".join(f"{value:>8}" for value in row), flush=True)


if __name__ == "__main__":
    main()
