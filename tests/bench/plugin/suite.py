"""pytest, run as its users run it: a process of its own, in the repository, its runs and its cache elsewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reports.report.model import without_clock_fields
from tests.prepared_python import run_module, start_module
from tests.processes import PIPE, STDOUT, Forked, Process
from tests.repository import ROOT

SMALL = ("--synthetic-sessions=20", "--synthetic-questions=20")
WATCHED = (
    "--provider=tests.subjects.watched:Watched",
    "--answering-model=tests.subjects.watched:First",
    "--judge=tests.subjects.watched:Contains",
)
Running = Process | Forked
_PLUGINS = ("xdist", "rerunfailures")
"""Others are not even looked for, which takes longer than the rest of a start."""


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
        """What the last line counts; of a run that was continued, this part of it."""
        return _counts(self.last_line.rpartition("this part: ")[2])

    @property
    def counted_in_whole_run(self) -> dict[str, int]:
        """What the last line counts of the whole run, where this was a part of it."""
        return _counts(self.last_line.rpartition("this part: ")[0])

    def about(self, text: str) -> str:
        """The only line with `text` in it."""
        (line,) = [line for line in self.output.splitlines() if text in line]
        return line


def _counts(text: str) -> dict[str, int]:
    return {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", text.split(" in ")[0])}


class Suite:
    """The suite with a `folder` of its own: runs, pytest's cache, and what watched subjects were asked.

    pytest runs in `place` and is killed after so many `seconds`. It is a fork of a Python that has its imports behind
    it; where this is `fresh`, a new Python.

    With `strict`, warnings are errors: nothing of the suite's own may give one.
    """

    def __init__(self, folder: Path, *, strict: bool = True) -> None:
        self.folder = folder
        self.strict = strict
        self.runs = folder / "runs"
        self.place = ROOT
        self.seconds = 240.0
        self.fresh = False
        self._started = 0
        (folder / "nothing").mkdir()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MEMORYBENCH"))},
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(ROOT),
            "WATCHED": str(folder),
            "MEMORYBENCH_DATA": str(folder / "nothing"),
            "MEMORYBENCH_RUNS_DIR": str(self.runs),
            "MEMORYBENCH_PATIENCE": "0",
            "COLUMNS": "200",  # a message is a line
        }

    def command(self, *arguments: str) -> list[str]:
        """The command line of a pytest here."""
        plugins = [part for plugin in _PLUGINS for part in ("-p", plugin)]
        strict = ("-W", "error") if self.strict else ()
        cache = ("-o", f"cache_dir={self.folder / 'cache'}")
        return [sys.executable, "-m", "pytest", *plugins, *strict, *cache, *arguments]

    def start(self, *arguments: str, **environment: str) -> Running:
        """pytest, begun in a process group of its own: in a fork as by `run`, unless this is `fresh`."""
        if self.fresh:
            return self.start_fresh(*arguments, **environment)
        self._started += 1
        return start_module(
            "pytest",
            self.command(*arguments)[3:],
            folder=self.place,
            environment={**self.environment, **environment},
            output=self.folder / f"output-{self._started}",
            seconds=self.seconds,
        )

    def start_fresh(self, *arguments: str, **environment: str) -> Process:
        """pytest, begun in a process group of its own, in a new Python."""
        return Process(
            self.command(*arguments),
            cwd=self.place,
            env={**self.environment, **environment},
            stdout=PIPE,
            stderr=STDOUT,
            seconds=self.seconds,
        )

    def run(self, *arguments: str, **environment: str) -> Ended:
        """pytest, run to its end: in a fork of a Python that has its imports behind it, unless this is `fresh`."""
        if self.fresh:
            return self.end(self.start_fresh(*arguments, **environment))
        output = self.folder / "output"
        status = run_module(
            "pytest",
            self.command(*arguments)[3:],
            folder=self.place,
            environment={**self.environment, **environment},
            output=output,
            seconds=self.seconds,
        )
        text = output.read_text()
        if status is None:
            pytest.fail(f"pytest did not come to an end:\n{text}")
        return Ended(status, text)

    def end(self, process: Running) -> Ended:
        """Wait for the end of a pytest."""
        output, _nothing = process.communicate()
        status = process.wait()
        process.kill_all()
        if process.overdue:
            pytest.fail(f"pytest did not come to an end:\n{output}")
        return Ended(status, output)

    def calls(self, what: str) -> Counter[str]:
        """How often each thing was asked of the watched subjects: ingest, clear, search, answer, judge."""
        file = self.folder / "calls"
        lines = [line.split("\t") for line in file.read_text().splitlines()] if file.exists() else []
        return Counter(about for message, about in lines if message == what)

    def wait_for(self, what: str, calls: int, process: Running) -> None:
        """Return when there were so many calls, or pytest has ended."""
        wait(lambda: self.calls(what).total() >= calls or process.poll() is not None)

    @property
    def run_ids(self) -> list[str]:
        """The runs there are, oldest first."""
        return sorted(folder.name for folder in self.runs.iterdir()) if self.runs.exists() else []

    def report(self, run_id: str | None = None) -> dict[str, Any]:  # Any: parsed JSON
        """The report of a run, or of the only run there is."""
        (run_id,) = [run_id] if run_id else self.run_ids
        report: dict[str, Any] = json.loads((self.runs / run_id / "report.json").read_text())
        return report


def comparable(report: dict[str, Any]) -> dict[str, Any]:
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


def kill_group(process: Running, number: signal.Signals) -> None:
    """Send a signal to pytest and all that it started."""
    process.signal_all(number)


def wait(until: Callable[[], bool], seconds: float = 60) -> None:
    begun = time.monotonic()
    while not until():
        assert time.monotonic() < begun + seconds, "what was waited for did not happen"
        time.sleep(0.02)
