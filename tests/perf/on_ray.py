"""What a run costs whose questions a Ray cluster asks, beside the same run of one process.

``python -m tests.perf.on_ray`` starts a cluster of two nodes with one CPU each, PostgreSQL, and a server on loopback
that answers after 50 ms, and runs pytest on LoCoMo with 4 calls in flight. It prints

- how many searches and ingests the server has seen, and the time between its first and last call,
- how many tasks there were, and how long they took beside the calls that they had to wait for,
- what an empty task costs,
- with ``--alone`` whether the report is equal to that of one process, but for clocks.

``--kill`` kills a node after a quarter of the searches, and begins another one.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any  # Any: parsed JSON

from bench.pipeline.on_ray.cluster import Tasks, connect
from tests.bench.pipeline.on_ray.ray_cluster import RayCluster
from tests.perf.in_flight import serve
from tests.perf.places import SERVICES, counted, report_of
from tests.reports.store.postgres_server import PostgresServer
from tests.repository import ROOT

QUESTIONS = 1986


def measured(cluster: RayCluster | None, url: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run pytest once, and print what is seen; its report."""
    service, address = serve(options.delay)
    folder.mkdir(parents=True)
    command = [
        *(
            sys.executable,
            "-m",
            "pytest",
            "bench",
            "-q",
            "-p",
            "no:cacheprovider",
            "--run-id",
            "one",
            "-k",
            options.select,
        ),
        *("--runs-dir", str(folder), "--in-flight", str(options.in_flight), *SERVICES),
        *(("--engine", "ray", "--ray-address", cluster.address) if cluster else ()),
    ]
    environment = {**os.environ, "MEMORYBENCH_LOOPBACK": address, "MEMORYBENCH_CHECKPOINT_URL": url}
    begun = time.time()
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    if cluster and options.kill:
        while counted(address)["calls"].get("/search", 0) < QUESTIONS // 4 and process.poll() is None:
            time.sleep(0.1)
        cluster.remove_node(cluster.nodes[0])
        cluster.add_node()
    status = process.wait(options.seconds)
    wall, seen = time.time() - begun, counted(address)
    service.terminate()
    service.wait()
    calls = sum(seen["calls"].values())
    window = seen["last"] - seen["first"]
    ideal = calls * options.delay / 1000 / options.in_flight
    print(f"{'ray' if cluster else 'alone'}: {seen['calls']}, status {status}, {wall:.1f} s")
    print(f"  first to last call {window:.1f} s, ideal {ideal:.1f} s")
    if status not in (0, 1):
        sys.exit((folder / "output").read_text())
    if cluster:
        seconds = [float(text) for text in re.findall(r"in ([\d.]+) s\n", (folder / "one" / "ray.log").read_text())]
        beside = (sum(seconds) - ideal * len(cluster.nodes)) / len(seconds)
        print(f"  {len(seconds)} tasks of {sum(seconds):.1f} s, {1000 * beside:.0f} ms each beside their calls")
    print("  " + (folder / "output").read_text().rstrip().splitlines()[-1], flush=True)
    return report_of(folder) or {}


def empty_task_ms(cluster: RayCluster, count: int = 500) -> float:
    """What a task costs that does nothing: with all of them, over two processes."""
    connect(cluster.address)
    tasks = Tasks(_nothing, None, print)
    tasks.begin([0])
    while len(tasks):  # the first one starts processes and sends them the code
        list(tasks.ended())
        time.sleep(0.01)
    begun = time.monotonic()
    for number in range(count):
        tasks.begin([number])
    while len(tasks):
        list(tasks.ended())
        time.sleep(0.01)
    return 1000 * (time.monotonic() - begun) / count


def _nothing(_shared: object, _arguments: Sequence[object]) -> None:
    return None


def differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """What differs between two reports, by its place in them."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            yield from differences(one.get(name), other.get(name), f"{where}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{where}[{number}]")
    elif one != other:
        yield f"{where}: {one!r} and {other!r}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, default=4, help="of all processes together")
    parser.add_argument("--delay", type=float, default=50.0, metavar="MS")
    parser.add_argument("--select", default="locomo", metavar="WORDS", help="as -k of pytest")
    parser.add_argument("--seconds", type=float, default=1800, help="give up after so many")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    server = PostgresServer()
    cluster = RayCluster(2)
    try:
        with tempfile.TemporaryDirectory() as folder:
            print(f"an empty task: {empty_task_ms(cluster):.1f} ms")
            together = measured(cluster, server.database(), Path(folder) / "ray", options)
            if options.alone:
                alone = measured(None, server.database(), Path(folder) / "alone", options)
                print(
                    f"  equal to the run of one process: {alone == together}",
                    *differences(alone, together),
                    sep="\n    ",
                )
    finally:
        cluster.close()
        server.close()


if __name__ == "__main__":
    main()
