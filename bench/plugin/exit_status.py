"""The exit status of a session with benchmarks: pytest's own, except where a gate decides.

A met gate forgives wrong and abstained answers, and as many errors of questions as it allows. Any other failure, and
any other status, stays pytest's.
"""

from __future__ import annotations

import pytest

from bench.plugin.missing import missing_of
from bench.plugin.outcomes import is_rerun, outcome_of
from reports.report import Gate

_DECIDED_BY_GATE = ("wrong", "abstained", "error")


class ExitStatus:
    """Watches what is reported; `missing` gives the benchmarks without data, with the reason."""

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}
        self._expected = 0
        self._reported: set[str] = set()
        self._decided_by_gate = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the tests of the only process there is."""
        self._expected = len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Count the tests that are dealt to workers."""
        self._expected = len(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep which tests were reported, and which failures are the gate's to judge."""
        if not is_rerun(report):
            self._reported.add(report.nodeid)
        if missing := missing_of(report):
            self.missing.setdefault(*missing)
        outcome = outcome_of(report)
        if report.failed and outcome is not None and outcome.word in _DECIDED_BY_GATE:
            self._decided_by_gate += 1

    @property
    def complete(self) -> bool:
        """Whether each selected test was reported: nothing stopped the session early."""
        return len(self._reported) >= self._expected

    def other_failures(self, session: pytest.Session) -> int:
        """How many failures and errors no gate forgives."""
        others = session.testsfailed - self._decided_by_gate
        by_a_plugin = session.exitstatus == pytest.ExitCode.TESTS_FAILED and not session.testsfailed
        return max(others, int(by_a_plugin))

    def decide(
        self, session: pytest.Session, gate: Gate | None, *, resumed: bool = False, correct: bool = False
    ) -> int:
        """The exit status under `gate`.

        Of a run that is `resumed`, it counts whether all its answers are `correct`, also those from before.
        """
        status = session.exitstatus
        if resumed and status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            status = pytest.ExitCode.OK if correct else pytest.ExitCode.TESTS_FAILED
        if gate is None or status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return status
        met = gate.met and not self.other_failures(session)
        return pytest.ExitCode.OK if met else pytest.ExitCode.TESTS_FAILED
