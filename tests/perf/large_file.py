"""A file of LongMemEval_M's shape and size: how long its first and its later use take, and how much memory.

    python -m tests.perf.large_file

Makes 2.7 GB of invented text in a temporary folder (``--data DIR`` uses a file that is there), opens the benchmark
twice, each time in a process of its own, and reads three haystacks.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.repository import ROOT

FILE = "longmemeval_m_cleaned.json"

_USE = """
import json, resource, sys, time
from bench.base import BenchmarkOptions
from bench.benchmarks.longmemeval import LongMemEvalM
begun = time.monotonic()
benchmark = LongMemEvalM(BenchmarkOptions(data=sys.argv[1]))
opened = time.monotonic() - begun
begun = time.monotonic()
haystacks = [benchmark.haystack(case.haystack) for case in benchmark.cases()[:3]]
messages = sum(len(session.messages) for haystack in haystacks for session in haystack.sessions())
read = (time.monotonic() - begun) / 3
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
print(json.dumps([len(benchmark.cases()), opened, messages // 3, read, peak]))
"""


def use(folder: Path, cache: str) -> None:
    """Open the benchmark and read three haystacks; print what it took."""
    command = [sys.executable, "-c", _USE, str(folder)]
    questions, opened, messages, read, peak = json.loads(
        subprocess.run(
            command, cwd=ROOT, env=os.environ | {"XDG_CACHE_HOME": cache}, stdout=subprocess.PIPE, check=True
        ).stdout
    )
    print(
        f"{questions} questions after {opened:.2f} s; a haystack of {messages:,} messages in {read * 1e3:.0f} ms; "
        f"peak {peak:.0f} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help=f"a folder with {FILE}")
    parser.add_argument("--instances", type=int, default=500)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, tempfile.TemporaryDirectory() as cache:
        folder: Path = chosen.data or Path(made)
        if chosen.data is None:
            made_by = [sys.executable, "-m", "tests.bench.benchmarks.made_longmemeval"]
            command = [*made_by, str(folder / FILE), "--instances", str(chosen.instances)]
            subprocess.run(command, cwd=ROOT, check=True)
        print(f"{FILE}: {(folder / FILE).stat().st_size:,} bytes", flush=True)
        use(folder, cache)
        use(folder, cache)


if __name__ == "__main__":
    main()
