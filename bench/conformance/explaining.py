"""Why checks were not met by a provider that a file describes: the lines of the file that each is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from bench.conformance.kit import verdict_of


class Explained:
    """A plugin that closes with the lines of the file for each check that failed. `lines_of` gives them."""

    def __init__(self, lines_of: Callable[[str], Iterable[str]]) -> None:
        self._lines_of = lines_of
        self._failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a check that failed."""
        found = verdict_of(report)
        if found is not None and found[1].outcome == "failed":
            self._failed.append(found[1].name)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Beneath the table of verdicts."""
        if self._failed:
            terminalreporter.write_sep("=", "where to look")
        for check in self._failed:
            for line in self._lines_of(check):
                terminalreporter.write_line(f"  {check}: {line}")
