"""What pytest's terminal says at the end of a run: what was not right, the table, the gate, and where the report is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from reports.gate import gate_lines
from reports.model import Report
from reports.outcomes import CARRIER, TestOutcome, outcome_of
from reports.summary import closing_table

_SHOWN = 25


class Closing:
    """Collects what is told of single questions, and closes the run.

    `stories` gives the account of a question; `show_wrong` says of how many it is printed. `report` and `folder` are
    set when the run's report is written.
    """

    def __init__(self, show_wrong: int, stories: Callable[[TestOutcome], str]) -> None:
        self.report: Report | None = None
        self.folder: Path | None = None
        self.remarks: list[str] = []
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

    def _questions(self, terminal: pytest.TerminalReporter) -> None:
        if self._wrong:
            terminal.section("not answered right", sep="-")
            for line in self._lines(self._wrong, terminal.verbosity > 0):
                terminal.write_line(line)
            for outcome in self._wrong[: self._show_wrong]:
                terminal.write_line("")
                terminal.write_line(self._stories(outcome))
        if self._errors:
            terminal.section("errors", sep="-")
            for line in self._lines(self._errors, terminal.verbosity > 0):
                terminal.write_line(line, red=True)

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
        terminal.section(f"memory benchmark {self.report.run.id}", sep="=")
        terminal.write_line(closing_table(self.report))
        for remark in self.remarks:
            terminal.write_line(remark)
        if self.report.gate:
            for line in gate_lines(self.report.gate):
                missed = not line.startswith("gate met")
                terminal.write_line(line, red=missed, green=not missed, bold=True)
        terminal.write_line(f"report: {self.folder / 'report.json'}")
