"""What it costs a run that its live page is watched: ``python -m tests.perf.live_looks``.

Runs LoCoMo with two workers, serves its folder in this process, and follows the live page until the run ends. Looks and
all that the server and its watcher did are seconds of CPU, beside those of the run.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
import uvicorn

from net.serving import address_of, listen
from reports.serve import build_site
from tests.repository import DATA, ROOT

RUN = "watched"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, closing(listen("127.0.0.1", 0)) as listening:
        runs = Path(folder)
        site, hub = build_site(runs, stopping=lambda: server.should_exit)
        server = uvicorn.Server(uvicorn.Config(site, log_config=None, lifespan="off"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        command = [sys.executable, "-m", "pytest", "bench", "-k", "locomo", "-n2", "-q", "-p", "no:cacheprovider"]
        command += ["--provider", "bm25", "--provider", "full-context", f"--runs-dir={runs}", f"--run-id={RUN}"]
        environment = {**os.environ, "MEMORYBENCH_DATA": str(DATA)}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        while not (runs / RUN / "checkpoint.sqlite-wal").exists():
            time.sleep(0.05)
        time.sleep(1)
        began, before = time.monotonic(), time.process_time()
        standings = follow(address_of(listening))
        watched, own = time.monotonic() - began, time.process_time() - before
        process.wait()
        server.should_exit = True
        serving.join()
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = spent.ru_utime + spent.ru_stime
    print(f"run: {run:.1f} s of CPU; watched for {watched:.1f} s, {hub.looks} looks, {standings} sent")
    print(f"looks: {hub.cpu_seconds:.3f} s of CPU, {hub.cpu_seconds / run:.2%} of the run's")
    print(f"server and watcher in all: {own:.3f} s of CPU, {own / run:.2%} of the run's")


def follow(url: str) -> int:
    """Read the events of the run to their end; how many had something new."""
    with httpx.stream("GET", f"{url}/runs/{RUN}/events", timeout=60) as answer:
        return sum(line == "event: standing" for line in answer.iter_lines())


if __name__ == "__main__":
    main()
