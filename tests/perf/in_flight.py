"""How much of the ideal a run reaches with 64 questions in flight, and what the harness itself costs a question.

``python -m tests.perf.in_flight`` runs pytest against a server on loopback that answers after 500, 50 and 0 ms, in one
process and under ``-n 4``, and beside them the same calls by a bare loop of the client: the floor of this machine at
this moment. It prints

- ``ratio``: the time between the server's first and last call by the ideal (calls x delay / in flight),
- ``ready``: the share of the ideal that is reached from the moment when the last session is ingested,
- the CPU of all processes a question.

``--ordered`` ingests the sessions of a haystack one after another, as most memory systems demand.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request

import aiohttp

from tests.repository import ROOT

QUESTIONS = 1540
IN_FLIGHT = 64


def serve(delay_ms: float) -> tuple[subprocess.Popen[str], str]:
    """A server in a process of its own, and its address."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.perf.loopback", "0", str(delay_ms)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    return server, f"http://127.0.0.1:{server.stdout.readline().split()[1]}"


def counted_by(server: subprocess.Popen[str], address: str, delay_ms: float) -> dict[str, float]:
    """What the server has seen, which is ended with it."""
    counted = json.loads(urllib.request.urlopen(f"{address}/counted").read())
    server.terminate()
    server.wait()
    calls = sum(counted["calls"].values())
    ideal = calls * delay_ms / 1000.0 / IN_FLIGHT
    left = counted["since_ready"] * delay_ms / 1000.0 / IN_FLIGHT
    return {
        "calls": calls,
        "ideal": ideal,
        "window": counted["last"] - counted["first"],
        "ready": left / max(counted["last"] - counted["ready"], 1e-9),
        "most": counted["most"],
    }


def floor(delay_ms: float) -> dict[str, float]:
    """The same calls without a suite: the client, a semaphore, nothing recorded."""
    server, address = serve(delay_ms)
    begun, cpu = time.time(), time.process_time()

    async def ask_all() -> None:
        slots = asyncio.Semaphore(IN_FLIGHT)
        connector = aiohttp.TCPConnector(limit=256)
        async with aiohttp.ClientSession(address, connector=connector) as client:

            async def ask(*paths: str) -> None:
                async with slots:
                    for path in paths:
                        async with client.post(path, json={"text": "x" * 2000}) as reply:
                            await reply.json()

            await asyncio.gather(*(ask("/ingest") for _session in range(272)))
            await asyncio.gather(*(ask("/search", "/answer", "/judge") for _question in range(QUESTIONS)))

    asyncio.run(ask_all())
    wall, cpu = time.time() - begun, time.process_time() - cpu
    return {**counted_by(server, address, delay_ms), "wall": wall, "cpu": cpu}


def measured(delay_ms: float, workers: int, arguments: list[str]) -> dict[str, float]:
    """One run: what the server counted, and what the processes of pytest used."""
    server, address = serve(delay_ms)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "MEMORYBENCH_LOOPBACK": address,
            "PYTHONPATH": str(ROOT),
        }
        command = [
            *(sys.executable, "-m", "pytest", "bench", "-q", "-p", "no:cacheprovider", "--runs-dir", folder),
            *(
                "--provider",
                "tests.perf.loopback_services:LoopbackProvider",
                "--judge",
                "tests.perf.loopback_services:LoopbackJudge",
            ),
            *("--answering-model", "tests.perf.loopback_services:LoopbackAnswerer", "--in-flight", str(IN_FLIGHT)),
            *("-n", str(workers)),
            *arguments,
        ]
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.time() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    counted = counted_by(server, address, delay_ms)
    if ran.returncode != 0:
        sys.exit(f"pytest failed:\n{ran.stdout[-3000:]}\n{ran.stderr[-2000:]}")
    return {**counted, "wall": wall, "cpu": cpu}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay", type=float, nargs="+", default=[500.0, 50.0, 0.0], metavar="MS")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 4], metavar="N", help="0 is one process")
    parser.add_argument("--ordered", action="store_true", help="one session of a haystack after another")
    parser.add_argument("--client", choices=("aiohttp", "httpx"), default="aiohttp", help="what the services ask with")
    parser.add_argument("--locomo", action="store_true", help="the 1,540 answerable questions of LoCoMo")
    options = parser.parse_args()
    os.environ["MEMORYBENCH_LOOPBACK_CLIENT"] = options.client
    os.environ["MEMORYBENCH_LOOPBACK_SESSIONS"] = "1" if options.ordered else "64"
    if options.locomo:
        selection = ["-k", "locomo and not adversarial"]
    else:
        selection = ["-k", "synthetic", "--synthetic-questions", str(QUESTIONS), "--synthetic-sessions", "64"]
    titles = (
        "delay",
        "workers",
        "calls",
        "ideal s",
        "window s",
        "ratio",
        "ready",
        "wall s",
        "most",
        "CPU ms a question",
    )
    widths = (6, 8, 6, 8, 9, 6, 6, 7, 5, 11)
    print(" ".join(f"{title:>{width}}" for title, width in zip(titles, widths, strict=True)))
    for round_number in range(options.rounds):
        for delay, workers in ((delay, workers) for delay in options.delay for workers in ("floor", *options.workers)):
            found = floor(delay) if isinstance(workers, str) else measured(delay, workers, selection)
            ratio = f"{found['window'] / found['ideal']:.2f}" if delay else "-"
            ready = f"{found['ready']:.2f}" if delay else "-"
            print(
                f"{delay:>4.0f}ms {workers or 'none':>8} {found['calls']:>6.0f} {found['ideal']:>8.2f} "
                f"{found['window']:>9.2f} {ratio:>6} {ready:>6} {found['wall']:>7.2f} {found['most']:>5.0f} "
                f"{found['cpu'] * 1000 / QUESTIONS:>11.2f}",
                flush=True,
            )
        if round_number + 1 < options.rounds:
            print()


if __name__ == "__main__":
    main()
