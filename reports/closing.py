"""What pytest's terminal says at the end of a run: what was not right, the table, the gate, and where the report is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from reports.gate import gate_lines
from reports.model import Report
from reports.outcomes import CARRIER, WORDS, TestOutcome, outcome_of
from reports.summary import closing_table

_SHOWN = 25

_ORDER = {word: place for place, word in enumerate(("failed", *WORDS))}
"""How pytest's last line counts: what came of the questions first, then whatever else there was."""


class Closing:
    """Collects what is told of single questions, and closes the run.

    `stories` gives the account of a question; `show_wrong` says of how many it is printed. `report` and `folder` are
    set when the run's report is written, `failure` is why it could not be or why the run had to be given up.
    """

    def __init__(self, show_wrong: int, stories: Callable[[TestOutcome], str]) -> None:
        self.report: Report | None = None
        self.folder: Path | None = None
        self.remarks: list[str] = []
        self.failure: str | None = None
        self._show_wrong = show_wrong
        self._stories = stories
        self._wrong: list[TestOutcome] = []
        self._errors: list[TestOutcome] = []
        self.counted: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what was not right."""
        outcome = outcome_of(report)
        if outcome is None:
            return
        self.counted[outcome.word] += 1
        if outcome.word == "error":
            self._errors.append(outcome)
        elif outcome.word in ("wrong", "abstained"):
            self._wrong.append(outcome)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Tell of questions in our own words, in the place of a section for each error."""
        _count_in_order(terminalreporter)
        told = [report for report in terminalreporter.stats.get("error", []) if getattr(report, CARRIER, None)]
        if told:
            rest = [report for report in terminalreporter.stats["error"] if report not in told]
            terminalreporter.stats["error"] = rest
        try:
            yield
        finally:
            if told:
                terminalreporter.stats["error"] = [*rest, *told]
        self._questions(terminalreporter)
        self._run(terminalreporter)
        if self.failure:
            terminalreporter.write_line(f"ERROR: {self.failure}", red=True, bold=True)

    def _questions(self, terminal: pytest.TerminalReporter) -> None:
        wrong, errors = sorted(self._wrong, key=_place), sorted(self._errors, key=_place)
        if wrong:
            terminal.write_sep("-", "not answered right")
            for line in self._lines(wrong, terminal.verbosity > 0):
                terminal.write_line(line)
        if errors:
            terminal.write_sep("-", "errors")
            for line in self._lines(errors, terminal.verbosity > 0):
                terminal.write_line(line, red=True)
        if told := [*wrong, *errors][: self._show_wrong]:
            terminal.write_sep("-", "stories")
            terminal.write_line("\n\n".join(self._stories(outcome) for outcome in told))

    def _lines(self, outcomes: list[TestOutcome], every: bool) -> Iterator[str]:
        shown = outcomes if every else outcomes[:_SHOWN]
        several = len({outcome.provider for outcome in outcomes}) > 1
        for outcome in shown:
            yield f"{outcome.provider}: {outcome.line}" if several else outcome.line
        if len(shown) < len(outcomes):
            run = self.report.run.id if self.report else "RUN"
            more = len(outcomes) - len(shown)
            yield f"… and {more} more: -v lists all, python -m reports show-failures {run} tells their stories"

    def _run(self, terminal: pytest.TerminalReporter) -> None:
        if not (self.report and self.folder):
            for remark in self.remarks:
                terminal.write_line(remark)
            return
        terminal.write_sep("=", f"memory benchmark {self.report.run.id}")
        terminal.write_line(closing_table(self.report))
        for remark in self.remarks:
            terminal.write_line(remark)
        if self.report.gate:
            for line in gate_lines(self.report.gate):
                missed = not line.startswith("gate met")
                terminal.write_line(line, red=missed, green=not missed, bold=True)
        terminal.write_line(f"report: {self.folder / 'report.json'}")


def _place(outcome: TestOutcome) -> tuple[str, str, str]:
    """Under several workers questions come to their end in any order; they are told of in this one."""
    return outcome.provider, outcome.benchmark, outcome.question


def _count_in_order(terminal: pytest.TerminalReporter) -> None:
    """Let the last line read "12 correct, 4 wrong, 3 abstained, 1 error", whatever came first."""
    as_pytest = terminal.build_summary_stats_line

    def in_order() -> tuple[list[tuple[str, dict[str, bool]]], str]:
        parts, colour = as_pytest()
        return sorted(parts, key=lambda part: _ORDER.get(_word(part[0]), len(_ORDER))), colour

    terminal.build_summary_stats_line = in_order  # type: ignore[method-assign]  # pytest has no hook for this line


def _word(part: str) -> str:
    return part.split()[-1].removesuffix("s") if part.endswith("errors") else part.split()[-1]
