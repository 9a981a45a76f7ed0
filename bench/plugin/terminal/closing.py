"""What pytest's terminal says at the end of a run: the table, warnings, examples, the gate, and where the report is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path

import pytest

from bench.plugin.outcomes import CARRIER, TestOutcome, outcome_of
from bench.plugin.terminal.last_line import show_last_line
from bench.plugin.terminal.width import folded, terminal_width
from reports.html import PAGE
from reports.report import REPORT, Gate, Report, gate_lines
from reports.show import grid, one_line, result_lines, short_story, warning_lines
from reports.store import QuestionRecord
from vocabulary import runs_dir_option

_SHOWN = 5
_STYLES = {"wrong": "yellow", "abstained": "cyan"}
_HEADINGS = ("question", "type", "outcome", "text", "expected", "answer")
_LONG = 1000
"""How much of an error is read; what the terminal has no room for is cut."""
_WIDE = 100
"""From so many columns on, examples show the type of the question."""
_UNINTERESTING = {"none", "oracle"}
"""The floor and the ceiling: an example of another provider tells more."""


class Closing:
    """Collects the outcomes that are not good, and closes the run.

    `account` gives what a function makes of a question's record, `row_of` its row among the examples. `show_wrong` is
    how many stories are printed. `report` and `folder` are set when the run's report is written, `failure` is why it
    could not be or why the run was given up.
    `whole` holds what was not right in the whole run, where this session is a part of it. `go_on` is the command that
    continues a run that is not finished.
    """

    def __init__(
        self,
        show_wrong: int,
        account: Callable[[TestOutcome, Callable[[QuestionRecord], str]], str],
        row_of: Callable[[TestOutcome], tuple[str, ...]],
    ) -> None:
        self.report: Report | None = None
        self.folder: Path | None = None
        self.remarks: list[str] = []
        self.failure: str | None = None
        self.go_on: str | None = None
        self.whole: Sequence[TestOutcome] | None = None
        self._show_wrong = show_wrong
        self._account = account
        self._row_of = row_of
        self._not_right: list[TestOutcome] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what was not right."""
        outcome = outcome_of(report)
        if outcome is not None and outcome.word in ("wrong", "abstained", "error"):
            self._not_right.append(outcome)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Report questions in our own words, in the place of a section for each error."""
        show_last_line(terminalreporter, self.report if self.whole is not None else None)
        errors = terminalreporter.stats.get("error", [])
        own = [report for report in errors if getattr(report, CARRIER, None)]
        if own:
            terminalreporter.stats["error"] = [report for report in errors if report not in own]
        try:
            yield
        finally:
            if own:
                terminalreporter.stats["error"] = errors
        self._results(terminalreporter)
        self._questions(terminalreporter)
        self._end(terminalreporter)

    def _results(self, terminal: pytest.TerminalReporter) -> None:
        if self.report is None:
            return
        width = terminal_width()
        terminal.write_sep("=", f"memory benchmark {self.report.run.id}")
        for line in result_lines(self.report, width, colour=terminal.hasmarkup):
            terminal.write_line(line)
        for line in warning_lines(self.report, width):
            terminal.write_line(line, yellow=True)

    def _questions(self, terminal: pytest.TerminalReporter) -> None:
        outcomes = sorted(self._not_right if self.whole is None else self.whole, key=_place)
        errors = [outcome for outcome in outcomes if outcome.word == "error"]
        wrong = [outcome for outcome in outcomes if outcome.word != "error"]
        every = terminal.verbosity > 0
        if wrong:
            examples = wrong if every else _few(wrong)
            by = {outcome.provider for outcome in examples}
            whose = f" by {by.pop()}" if len(by) == 1 < len({outcome.provider for outcome in wrong}) else ""
            terminal.write_sep("-", f"not answered right{whose}")
            for line in self._examples(examples, terminal):
                terminal.write_line(line)
        if errors:
            terminal.write_sep("-", "errors")
            for line in self._errors(errors if every else errors[:_SHOWN]):
                terminal.write_line(line, red=True)
        left = len(outcomes) - min(len(wrong), _SHOWN) - min(len(errors), _SHOWN)
        if left and not every and self.report and self.folder:
            terminal.write_line(f"{left} more: -v lists all; each with its evidence:")
            folder = runs_dir_option(self.folder.parent)
            terminal.write_line(f"  python -m reports show-failures {self.report.run.id}{folder}")
        if shown := [*wrong, *errors][: self._show_wrong]:
            terminal.write_sep("-", "stories")
            terminal.write_line("\n\n".join(self._account(outcome, short_story) for outcome in shown))

    def _errors(self, outcomes: Sequence[TestOutcome]) -> list[str]:
        lines = [outcome.line or self._account(outcome, partial(one_line, columns=_LONG)) for outcome in outcomes]
        rows = [tuple(line.split("  ", 2)) for line in lines]
        aligned = [row + ("",) * (3 - len(row)) for row in rows]
        return grid(aligned, terminal_width(), flexible=(2,))

    def _examples(self, outcomes: Sequence[TestOutcome], terminal: pytest.TerminalReporter) -> list[str]:
        several = len({outcome.provider for outcome in outcomes}) > 1
        rows: list[tuple[str, ...]] = [_HEADINGS]
        styles = ["bold"]
        for outcome in outcomes:
            row = self._row_of(outcome)
            rows.append(row)
            styles.append(_STYLES.get(row[2], ""))
        if terminal_width() < _WIDE:
            rows = [(row[0], *row[2:]) for row in rows]
        named = ["provider", *(outcome.provider for outcome in outcomes)]
        cells = [(name, *row) if several else row for name, row in zip(named, rows, strict=True)]
        texts = range(len(cells[0]) - 3, len(cells[0]))
        return grid(cells, terminal_width(), flexible=texts, styles=styles if terminal.hasmarkup else [])

    def _end(self, terminal: pytest.TerminalReporter) -> None:
        for remark in self.remarks:
            terminal.write_line(remark)
        if self.report and self.folder:
            if self.report.gate:
                show_gate(terminal, self.report.gate)
            terminal.write_line(f"report: {_from_here(self.folder / PAGE)} and {REPORT}")
        if self.go_on:
            terminal.write_line(self.go_on, bold=True)
        if self.failure:
            terminal.write_line(f"ERROR: {self.failure}", red=True, bold=True)


def show_gate(terminal: pytest.TerminalReporter, gate: Gate) -> None:
    """What the gate says, in the colour of its verdict."""
    for line in gate_lines(gate):
        missed = not line.startswith("gate met")
        for part in folded(line):
            terminal.write_line(part, red=missed, green=not missed, bold=True)


def _from_here(path: Path) -> Path:
    """`path` relative to the current folder if it is in it: ``--lf`` remembers where a run is from anywhere."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _few(outcomes: list[TestOutcome]) -> list[TestOutcome]:
    """Some examples: of the memory systems under test, if any of theirs is among `outcomes`."""
    telling = [outcome for outcome in outcomes if outcome.provider not in _UNINTERESTING]
    return (telling or outcomes)[:_SHOWN]


def _place(outcome: TestOutcome) -> tuple[str, str, str]:
    """Under several workers questions end in any order; they are listed in this one."""
    return outcome.provider, outcome.benchmark, outcome.question
