"""pytest, run as its users run it: a process of its own, in the repository, its runs and its cache elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from reports.model import without_clock_fields

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = Path(__file__).parent

SMALL = ("--synthetic-sessions=20", "--synthetic-questions=20")
WATCHED = ("--provider=subjects:Watched", "--answering-model=subjects:First", "--judge=subjects:Contains")
_UNNEEDED = ("hypothesispytest", "benchmark", "syrupy", "anyio")


@dataclass(frozen=True)
class Ended:
    """A pytest that has ended: its exit status, and all that it printed."""

    status: int
    output: str

    @property
    def last_line(self) -> str:
        """The line that counts the outcomes."""
        return self.output.rstrip().splitlines()[-1].strip("= ")

    @property
    def counted(self) -> dict[str, int]:
        """What the last line counts."""
        return {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", self.last_line.split(" in ")[0])}

    def about(self, text: str) -> str:
        """The only line with `text` in it."""
        (line,) = [line for line in self.output.splitlines() if text in line]
        return line


class Suite:
    """The suite in a place of its own: `folder` has runs, pytest's cache, and what watched subjects were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        (folder / "nothing").mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MEMORYBENCH"))},
            "PYTHONPATH": str(SUBJECTS),
            "WATCHED": str(folder),
            "MEMORYBENCH_DATA": str(folder / "nothing"),
            "MEMORYBENCH_RUNS_DIR": str(self.runs),
        }

    def command(self, *arguments: str) -> list[str]:
        """The command line of a pytest here."""
        left_out = [part for plugin in _UNNEEDED for part in ("-p", f"no:{plugin}")]
        return [sys.executable, "-m", "pytest", *left_out, "-o", f"cache_dir={self.folder / 'cache'}", *arguments]

    def start(self, *arguments: str, place: Path = ROOT, **environment: str) -> subprocess.Popen[str]:
        """pytest, begun in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=place,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, place: Path = ROOT, seconds: float = 100, **environment: str) -> Ended:
        """pytest, run to its end."""
        return self.end(self.start(*arguments, place=place, **environment), seconds)

    @staticmethod
    def end(process: subprocess.Popen[str], seconds: float = 100) -> Ended:
        """Wait for the end of a pytest."""
        try:
            output, _nothing = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            kill_group(process, signal.SIGKILL)
            output, _nothing = process.communicate()
            pytest.fail(f"pytest did not come to an end:\n{output}")
        return Ended(process.returncode, output)

    def calls(self, what: str) -> Counter[str]:
        """How often each thing was asked of the watched subjects: ingest, clear, search, answer, judge."""
        file = self.folder / "calls"
        lines = [line.split("\t") for line in file.read_text().splitlines()] if file.exists() else []
        return Counter(about for told, about in lines if told == what)

    def wait_for(self, what: str, calls: int, process: subprocess.Popen[str]) -> None:
        """Return when there were so many calls, or pytest has ended."""
        wait(lambda: self.calls(what).total() >= calls or process.poll() is not None)

    @property
    def run_ids(self) -> list[str]:
        """The runs there are, oldest first."""
        return sorted(folder.name for folder in self.runs.iterdir()) if self.runs.exists() else []

    def report(self, run_id: str | None = None) -> dict[str, object]:
        """The report of a run, or of the only run there is."""
        (run_id,) = [run_id] if run_id else self.run_ids
        report: dict[str, object] = json.loads((self.runs / run_id / "report.json").read_text())
        return report


def comparable(report: dict[str, object]) -> object:
    """A report without what differs between two runs of the same: clocks, the run's name and command, who ran it."""
    plain = without_clock_fields(json.loads(json.dumps(report)))
    assert isinstance(plain, dict)
    run = plain["run"]
    assert isinstance(run, dict)
    for name in ("id", "command", "git"):
        run[name] = None
    settings = run["settings"]
    assert isinstance(settings, dict)
    settings["workers"] = None
    return plain


def kill_group(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to pytest and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def wait(until: Callable[[], bool], seconds: float = 60) -> None:
    begun = time.monotonic()
    while not until():
        assert time.monotonic() < begun + seconds, "what was waited for did not happen"
        time.sleep(0.02)
