"""How far a run is: one line that is redrawn on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Generator

import pytest

from reports.outcomes import outcome_of
from reports.statistics import interval

_REDRAW_SECONDS = 0.1
_LOG_SECONDS = 30.0


class Live:
    """Counts outcomes as they come in.

    `containers` gives (ready, all so far) when asked; it is asked seldom. `spent` says what models have cost so far,
    None where no model is used.
    """

    def __init__(
        self,
        reporter: pytest.TerminalReporter,
        total: int,
        in_flight: int,
        containers: Callable[[], tuple[int, int]],
        spent: Callable[[], str] | None = None,
    ) -> None:
        self._reporter = reporter
        self._total = total
        self._in_flight = in_flight
        self._containers = containers
        self._spent = spent
        self._counted: Counter[str] = Counter()
        self._failed = 0
        self._begun = time.monotonic()
        self._drawn = self._begun
        self._on_terminal = bool(reporter.isatty)
        if self._on_terminal:
            reporter.showfspath = False  # the name of a file would stand where the line is drawn

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count it, and draw the line if it is time."""
        outcome = outcome_of(report)
        if outcome is None:
            self._failed += report.failed
            return
        self._counted[outcome.word] += 1
        now = time.monotonic()
        if now - self._drawn < (_REDRAW_SECONDS if self._on_terminal else _LOG_SECONDS):
            return
        self._drawn = now
        if self._on_terminal:
            room = shutil.get_terminal_size().columns - 1
            self._reporter.rewrite(self.line(now, room), erase=True)
        else:
            if self._reporter.currentfspath is None:
                self._reporter.line("")  # letters of several workers stand there without the name of a file
            self._reporter.write_line(self.line(now))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None]:
        """Make room for what is told at the end."""
        if self._on_terminal:
            self._reporter.rewrite("", erase=True)
            self._reporter.rewrite("")
        return (yield)

    def line(self, now: float, room: int | None = None) -> str:
        """The state in one line, without what matters least where it would need more than `room` columns."""
        done = sum(self._counted.values())
        ready, containers = self._containers()
        left = (now - self._begun) / max(1, done) * (self._total - done)
        parts = {
            "haystacks": f"haystacks {ready}/{containers}",
            "questions": f"questions {done}/{self._total}",
            "accuracy": self._accuracy(done - self._counted["error"]),
            "cost": self._spent() if self._spent else "",
            "in flight": f"up to {min(self._in_flight, self._total - done)} in flight",
            "errors": f"errors {self._counted['error']}",
            "failed": f"tests failed {self._failed}" if self._failed else "",
            "left": f"{int(left // 60)}:{int(left % 60):02d} left",
        }
        for dispensable in ("in flight", "haystacks", "left", "cost", "accuracy"):
            if room is None or len(_joined(parts)) <= room:
                break
            del parts[dispensable]
        return _joined(parts)[:room]

    def _accuracy(self, judged: int) -> str:
        if not judged or not self._counted.keys() & {"correct", "wrong", "abstained"}:
            return ""
        correct = self._counted["correct"]
        low, high = interval([(correct, judged)]).ci95 or (0.0, 1.0)
        return f"accuracy so far {correct / judged:.1%} [{low:.1%}, {high:.1%}]"


def _joined(parts: dict[str, str]) -> str:
    return " · ".join(part for part in parts.values() if part)


class Quiet:
    """Keeps pytest from printing a letter for each test where the live line says it all."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_teststatus(self) -> Generator[None, object, object]:
        """The same status, with no letter."""
        status = yield
        return (status[0], "", status[2]) if isinstance(status, tuple) else status
