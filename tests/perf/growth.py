"""What a run costs as benchmarks grow: wall time, CPU a question, memory of a worker, bytes written; side by side.

    MEMORYBENCH_DATA=DIR python -m tests.perf.growth

Each line is ``pytest bench … --until search -n 2`` in a fresh process tree. Without LoCoMo in DIR its line is left out.
Without the published LongMemEval_S, a file in its shape and of its size is made from invented text.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.repository import ROOT

PUBLISHED_S_BYTES = 277_383_467
MADE_S = ("--instances", "500", "--sessions", "48", "--turns", "10", "--characters", "1110")

_MEASURED = """
import json, resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=sys.stderr)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, used.ru_utime + used.ru_stime, used.ru_maxrss, used.ru_oublock * 512]))
"""
"""Run by a small process of its own: a child's peak memory begins with that of the process that forked it."""


class Subject(NamedTuple):
    """A run to be measured."""

    name: str
    options: Sequence[str]
    data: str | None = None


class Cost(NamedTuple):
    """What it took: seconds, CPU seconds, kilobytes (macOS: bytes), bytes, and what the report counted."""

    wall: float
    cpu: float
    peak: int
    written: int
    kept: int
    questions: int
    messages: int


def subjects(data: Path | None, folder: Path, messages: Sequence[int]) -> Iterator[Subject]:
    """What is there to be measured, from small to large."""
    if data and any((data / place / "locomo10.json").is_file() for place in ("", "locomo")):
        yield Subject("LoCoMo", ["-k", "locomo and not convomem"], str(data))
    places = [data / place / "longmemeval_s_cleaned.json" for place in ("", "longmemeval")] if data else []
    published = [path for path in places if path.is_file() and path.stat().st_size == PUBLISHED_S_BYTES]
    if published:
        yield Subject("LongMemEval_S", ["-k", "longmemeval_s"], str(data))
    else:
        print("making a file in the shape of LongMemEval_S ...", file=sys.stderr, flush=True)
        made = folder / "longmemeval_s_cleaned.json"
        subprocess.run(
            [sys.executable, "-m", "tests.bench.benchmarks.made_longmemeval", str(made), *MADE_S], cwd=ROOT, check=True
        )
        yield Subject("LongMemEval_S (made, same size)", ["-k", "longmemeval_s"], str(folder))
    for count in messages:
        options = ["-k", "synthetic", f"--synthetic-sessions={count // 10}", "--synthetic-questions=500"]
        yield Subject(f"synthetic, {count:,} messages", options)


def measure(subject: Subject, provider: str, workers: int, runs: Path) -> Cost:
    print(f"{subject.name} ...", file=sys.stderr, flush=True)
    common = ["--provider", provider, "--until", "search", f"--runs-dir={runs}", "--run-id=run", "-q", "-q"]
    command = [sys.executable, "-m", "pytest", "bench", *subject.options, *common, f"-n{workers}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEMORYBENCH_")}
    if subject.data:
        environment["MEMORYBENCH_DATA"] = subject.data
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True
    )
    wall = time.monotonic() - begun
    status, cpu, peak, written = json.loads(ended.stdout)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    report = json.loads((runs / "run" / "report.json").read_text())
    (result,) = report["results"]
    kept = sum(path.stat().st_size for path in (runs / "run").rglob("*") if path.is_file())
    return Cost(wall, cpu, peak, written, kept, result["questions"]["selected"], messages_in(runs))


def messages_in(runs: Path) -> int:
    """How many messages were ingested."""
    from reports.store import open_run

    checkpoint = open_run(runs, "run")
    count = sum(container.messages for container in checkpoint.container_records())
    checkpoint.close()
    return count


HEADS = ("", "questions", "messages", "wall s", "CPU ms/question", "CPU µs/message", "peak MB", "written MB", "kept MB")


def row(name: str, cost: Cost) -> list[str]:
    """A line of the table; "peak" is that of the largest of all processes."""
    return [
        name,
        f"{cost.questions:,}",
        f"{cost.messages:,}",
        f"{cost.wall:.1f}",
        f"{cost.cpu * 1e3 / cost.questions:.1f}",
        f"{cost.cpu * 1e6 / cost.messages:.0f}",
        f"{cost.peak / (2**20 if sys.platform == 'darwin' else 2**10):.0f}",
        f"{cost.written / 1e6:.0f}",
        f"{cost.kept / 1e6:.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--provider", default="bm25")
    parser.add_argument("--messages", type=int, nargs="*", default=[100_000, 1_000_000], help="synthetic haystacks")
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    given = os.environ.get("MEMORYBENCH_DATA")
    rows = [list(HEADS), ["---", *["--:"] * (len(HEADS) - 1)]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, subject in enumerate(subjects(Path(given) if given else None, folder, chosen.messages)):
            rows.append(row(subject.name, measure(subject, chosen.provider, chosen.workers, folder / str(number))))
    print("\n".join(f"| {' | '.join(cells)} |" for cells in rows))


if __name__ == "__main__":
    main()
