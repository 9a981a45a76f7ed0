"""How far a run is: one line that is redrawn on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from reports.outcomes import CARRIER, outcome_of
from reports.statistics import interval

_REDRAW_SECONDS = 0.1
_LOG_SECONDS = 30.0


class Live:
    """Counts outcomes as they come in. `containers` gives (ready, all so far) when asked; it is asked seldom."""

    def __init__(
        self, reporter: pytest.TerminalReporter, total: int, in_flight: int, containers: Callable[[], tuple[int, int]]
    ) -> None:
        self._reporter = reporter
        self._total = total
        self._in_flight = in_flight
        self._containers = containers
        self._counted: Counter[str] = Counter()
        self._begun = time.monotonic()
        self._drawn = self._begun
        self._on_terminal = bool(reporter.isatty)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count it, and draw the line if it is time."""
        outcome = outcome_of(report)
        if outcome is None:
            return
        self._counted[outcome.word] += 1
        now = time.monotonic()
        if now - self._drawn < (_REDRAW_SECONDS if self._on_terminal else _LOG_SECONDS):
            return
        self._drawn = now
        if self._on_terminal:
            self._reporter.rewrite(self.line(now), erase=True)
        else:
            self._reporter.ensure_newline()
            self._reporter.write_line(self.line(now))

    def line(self, now: float) -> str:
        """The state in one line."""
        done = sum(self._counted.values())
        ready, containers = self._containers()
        judged = done - self._counted["error"]
        parts = [f"haystacks {ready}/{containers}", f"questions {done}/{self._total}"]
        if judged and self._counted.keys() & {"correct", "wrong", "abstained"}:
            so_far = interval([(self._counted["correct"], judged)])
            low, high = so_far.ci95 or (0.0, 1.0)
            parts.append(f"accuracy so far {self._counted['correct'] / judged:.1%} [{low:.1%}, {high:.1%}]")
        parts.append(f"in flight {min(self._in_flight, self._total - done)}")
        parts.append(f"errors {self._counted['error']}")
        left = (now - self._begun) / max(1, done) * (self._total - done)
        parts.append(f"{int(left // 60)}:{int(left % 60):02d} left")
        return " · ".join(parts)


class Quiet:
    """Keeps pytest from printing a letter for each question where the live line says it all."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> object:
        """The same status, with no letter."""
        status = yield
        if getattr(report, CARRIER, None) and isinstance(status, tuple):
            return status[0], "", status[2]
        return status
