"""How far a run is: one line that is redrawn on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Generator

import pytest

from bench.plugin.outcomes import outcome_of
from bench.plugin.terminal.pauses import Paused, Pauses
from bench.plugin.terminal.screen import Screen
from reports.metrics import interval

_REDRAW_SECONDS = 0.1
_LOG_SECONDS = 30.0


class Live:
    """Counts outcomes as they come in.

    `containers` gives (ready, all so far) when asked; it is asked seldom. `spent` says what models have cost so far,
    None where no model is used; `paused` which services fail, so that their calls wait. `former` counts the outcomes
    that a run had before it was continued: they are part of the `total` and of the accuracy so far.
    """

    def __init__(
        self,
        reporter: pytest.TerminalReporter,
        total: int,
        in_flight: int,
        containers: Callable[[], tuple[int, int]],
        spent: Callable[[], str] | None = None,
        paused: Callable[[], Paused] = dict,
        former: Counter[str] | None = None,
    ) -> None:
        self._reporter = reporter
        self._total = total
        self._in_flight = in_flight
        self._containers = containers
        self._spent = spent
        self._paused: Paused = {}
        self._counted: Counter[str] = Counter(former)
        self._former = self._counted.total()
        self._failed = 0
        self._begun = time.monotonic()
        self._drawn = self._begun
        self._screen = Screen(reporter)
        self._on_terminal = bool(reporter.isatty)
        if self._on_terminal:
            reporter.showfspath = False  # the name of a file would stand where the line is drawn
            vars(reporter)["_show_progress_info"] = False  # so would "[100%]", beyond the width; pytest has no option
        self._pauses = Pauses(paused, self._show_paused)

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
        self._draw(now)

    def _draw(self, now: float) -> None:
        if self._on_terminal:
            room = shutil.get_terminal_size().columns - 1
            self._screen.show(self.line(now, room))
        else:
            if self._reporter.currentfspath is None:
                self._reporter.line("")  # letters of several workers stand there without the name of a file
            self._reporter.write_line(self.line(now))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None]:
        """Make room for the closing summary."""
        self._pauses.stop()
        self._screen.wipe()
        return (yield)

    def _show_paused(self, paused: Paused) -> None:
        """Draw the line while nothing else does; a log has one when a pause begins and one when it ends."""
        if self._on_terminal or paused.keys() != self._paused.keys():
            self._paused = paused
            self._draw(time.monotonic())
        self._paused = paused

    def line(self, now: float, room: int | None = None) -> str:
        """The state in one line, without what matters least where it would need more than `room` columns."""
        done = sum(self._counted.values())
        ready, containers = self._containers()
        left = (now - self._begun) / max(1, done - self._former) * (self._total - done)
        parts = {
            "haystacks": f"haystacks {ready}/{containers}",
            "questions": f"questions {done}/{self._total}",
            "accuracy": self._accuracy(done - self._counted["error"]),
            "cost": self._spent() if self._spent else "",
            "in flight": f"up to {min(self._in_flight, self._total - done)} in flight",
            "paused": ", ".join(f"{name} fails, calls wait ({wait:.0f} s)" for name, wait in self._paused.items()),
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
        share = interval([(correct, judged)])
        low, high = share.ci95 if share else (0.0, 1.0)
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
