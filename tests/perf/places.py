"""What several places cost that work on one run: each in a folder of its own, with one PostgreSQL and one server.

``python -m tests.perf.places`` runs pytest at 4 places on LoCoMo, against a server on loopback that answers after
50 ms, 8 calls in flight in all. It prints

- how many searches and ingests the server has seen, and how many there are to do,
- the ideal (calls x delay / all in flight), and the time between the server's first and last call,
- how many calls were in flight at once at most, and how many of the provider's began in the fullest minute,
- the wall of each place, its exit status, and whether its report is that of the first but for clocks.

``--kill`` kills a place (SIGKILL), begins another one and restarts PostgreSQL in mid run. ``--alone`` also makes the
run at one place, and compares the reports. ``--places 3 --shards 4`` has the places begin with their shard, of which
one never comes. ``--places 3 --in-flight 64 --per-minute 600`` limits the provider.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple  # Any: parsed JSON

from tests.bench.plugin.suite import comparable
from tests.perf.in_flight import serve
from tests.reports.store.postgres_server import PostgresServer
from tests.repository import ROOT

SERVICES = (
    "--provider=tests.perf.loopback_services:LoopbackProvider",
    "--judge=tests.perf.loopback_services:LoopbackJudge",
    "--answering-model=tests.perf.loopback_services:LoopbackAnswerer",
)


class Ran(NamedTuple):
    """A run at several places: when it began, when each place ended (Unix seconds), its status, what the server saw."""

    begun: float
    ended: dict[str, float]
    status: dict[str, int]
    seen: dict[str, Any]


def begin(folder: Path, address: str, url: str, options: argparse.Namespace, shard: int = 0) -> subprocess.Popen[bytes]:
    """Pytest at a place of its own, which begins with that shard if it is one."""
    folder.mkdir(parents=True)
    environment = {**os.environ, "MEMORYBENCH_LOOPBACK": address, "MEMORYBENCH_CHECKPOINT_URL": url}
    if options.per_minute:
        environment["MEMORYBENCH_LOOPBACK_PER_MINUTE"] = str(options.per_minute)
    command = [
        *(sys.executable, "-m", "pytest", "bench", "-q", "-p", "no:cacheprovider", "--run-id", "one"),
        *("--runs-dir", str(folder), "--in-flight", str(options.in_flight), *options.selection),
        *(SERVICES if not options.provider else ("--provider", options.provider)),
        *options.plugins,
    ]
    if options.shards and shard:
        command += ["--shard", f"{shard}/{options.shards}"]
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)


def counted(address: str) -> dict[str, Any]:
    """What the server has seen so far."""
    found: dict[str, Any] = json.loads(urllib.request.urlopen(f"{address}/counted").read())
    return found


def report_of(folder: Path) -> dict[str, Any] | None:
    """The report that a place has left, without what depends on clocks; None if it left none."""
    path = folder / "one" / "report.json"
    return comparable(json.loads(path.read_text())) if path.exists() else None


def disturb(
    running: dict[str, subprocess.Popen[bytes]], begin_late: Any, server: PostgresServer, address: str, questions: int
) -> None:
    """Kill a place after a quarter of the searches, begin another one, and restart the database half way."""
    while counted(address)["calls"].get("/search", 0) < questions // 4:
        time.sleep(0.1)
    killed = running.pop("place 2")
    killed.kill()
    killed.wait()
    running["late"] = begin_late()
    while counted(address)["calls"].get("/search", 0) < questions // 2:
        time.sleep(0.1)
    server.stop()
    time.sleep(1)
    server.start()


def run(places: int, server: PostgresServer, folder: Path, options: argparse.Namespace) -> Ran:
    """Make a run at so many places, each in a folder of its own below `folder`."""
    service, address = serve(options.delay)
    url, begun = server.database(), time.time()
    names = [f"place {number}" for number in range(1, places + 1)]
    running = {name: begin(folder / name, address, url, options, shard) for shard, name in enumerate(names, 1)}
    ended: dict[str, float] = {}
    try:
        if options.kill and places > 1:
            disturb(running, lambda: begin(folder / "late", address, url, options), server, address, options.questions)
        while len(ended) < len(running):
            gone = [name for name, process in running.items() if process.poll() is not None]
            ended = {name: time.time() for name in gone} | ended
            time.sleep(0.05)
            if time.time() > begun + options.seconds:
                sys.exit(f"after {options.seconds} s only {sorted(ended)} have ended")
        return Ran(begun, ended, {name: one.returncode for name, one in running.items()}, counted(address))
    finally:
        for process in running.values():
            process.kill()
            process.wait()
        service.terminate()
        service.wait()


def measured(places: int, server: PostgresServer, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run `places` and print what is seen; the report that they agree on."""
    ran = run(places, server, folder, options)
    seen = ran.seen
    calls = sum(seen["calls"].values())
    ideal = calls * options.delay / 1000 / options.in_flight
    window = seen["last"] - seen["first"]
    print(f"{places} places: {seen['calls']}, ideal {ideal:.1f} s, first to last call {window:.1f} s")
    print(f"  {seen['most']} in flight at most, {seen['in_any_minute']} of the provider's calls in the fullest minute")
    reports = {name: report_of(folder / name) for name in ran.ended}
    for name, status in ran.status.items():
        alike = reports[name] is not None and reports[name] == reports["place 1"]
        last = (folder / name / "output").read_text().rstrip().splitlines()[-1]
        print(f"  {name}: {ran.ended[name] - ran.begun:.1f} s, status {status}, alike {alike}: {last}", flush=True)
    return reports["place 1"] or {}


def synthetic(questions: int) -> list[str]:
    """What selects so many synthetic questions, over a haystack that has enough people for them."""
    sessions = str(max(20, questions // 20))
    return ["-k", "synthetic", "--synthetic-questions", str(questions), "--synthetic-sessions", sessions]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=4)
    parser.add_argument("--in-flight", type=int, default=8, help="over all places")
    parser.add_argument("--per-minute", type=float, help="what the provider allows")
    parser.add_argument("--delay", type=float, default=50.0, metavar="MS")
    parser.add_argument("--questions", type=int, default=1986, help="how many there are, for --kill")
    parser.add_argument("--synthetic", type=int, metavar="N", help="N synthetic questions instead of LoCoMo")
    parser.add_argument("--provider", help="an embedded one, with the offline model and judge")
    parser.add_argument("--seconds", type=float, default=1800, help="give up after so many")
    parser.add_argument("--shards", type=int, metavar="N", help="place I begins with shard I/N; others never come")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    options.selection, options.plugins = ["-k", "locomo"], []
    if options.synthetic:
        options.questions, options.selection = options.synthetic, synthetic(options.synthetic)
    server = PostgresServer()
    try:
        with tempfile.TemporaryDirectory() as folder:
            together = measured(options.places, server, Path(folder) / "together", options)
            if options.alone:
                alone = measured(1, server, Path(folder) / "alone", options)
                print(f"  equal to the undivided run: {alone == together}")
    finally:
        server.close()


if __name__ == "__main__":
    main()
