"""The conformance kit under pytest: what it is asked with, what came of each check, where that is kept and shown.

A verdict travels on the report of its test, from whichever worker, and is written down by the process that shows it.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.conformance.checks import CHECKS
from bench.conformance.subject import Declared, Failed, Means, Subject, run_alone
from reports.report import Checked, CheckVerdict, headline, read_checked, verdict_lines, write_checked
from reports.store import ProviderRecord
from vocabulary import MemoryBenchError

if TYPE_CHECKING:
    from bench.pipeline import RunSession

CARRIER = "memorybench_conformance"
"""The user property of a report that carries a verdict, as JSON."""

_TEST = re.compile(rf"::test_conformance\[(?P<check>{'|'.join(CHECKS)})-(?P<provider>.*)\]$")


class Kit:
    """What one process needs to check the chosen providers."""

    def __init__(self, config: pytest.Config, session: RunSession) -> None:
        self.config = config
        self.session = session

    @property
    def providers(self) -> tuple[str, ...]:
        """Those who were asked for, each once."""
        return tuple(dict.fromkeys(self.session.config.provider))

    def check(self, name: str, provider: str) -> CheckVerdict:
        """What comes of one check of one provider, in a workspace that it has to itself."""
        runs_dir = self.session.config.runs_dir.absolute()
        (runs_dir / "conformance").mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=runs_dir / "conformance"))
        means = Means(
            name=provider,
            names=self.providers,
            options=self.session.config.provider_option,
            folder=folder,
            limits=runs_dir / "conformance" / ".limits",
            in_flight=max(1, self.session.config.in_flight // self.session.workers),
            seconds=self.config.getoption("conformance_timeout"),
            grace=self.config.getoption("conformance_grace"),
            sessions=self.config.getoption("conformance_sessions"),
        )
        begun = time.monotonic()
        try:
            outcome, message = run_alone(lambda: _made(name, means))
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # what a call that never ends still writes may stay
        return CheckVerdict(name=name, outcome=outcome, message=message, seconds=round(time.monotonic() - begun, 3))


async def _made(name: str, means: Means) -> tuple[str, str]:
    try:
        subject = Subject(means)
    except (Failed, MemoryBenchError) as error:
        return "failed", str(error)
    try:
        try:
            verdict = "passed", await CHECKS[name](subject)
        except Failed as error:
            verdict = "failed", str(error)
        except Declared as error:
            verdict = "declared", str(error)
    finally:
        await asyncio.shield(subject.end())
    outcome, message = verdict
    return outcome, ". ".join((message.rstrip("."), *subject.remarks)) if subject.remarks else message


class Verdicts:
    """Collects verdicts in the process that shows them, keeps each as it comes, and closes with a table."""

    def __init__(self, session: RunSession) -> None:
        self._runs_dir = session.config.runs_dir
        self._records = {record.name: record for record in session.participants.provider_records}
        self._checked: dict[str, Checked] = {}
        self._failure: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a verdict."""
        found = verdict_of(report)
        if found is None:
            return
        provider, verdict = found
        try:
            self._keep(self._records[provider], verdict)
        except MemoryBenchError as error:
            self._failure = str(error)

    def _keep(self, provider: ProviderRecord, verdict: CheckVerdict) -> None:
        known = self._checked.get(provider.name)
        if known is None:
            kept = read_checked(self._runs_dir, provider.name)
            same = kept is not None and kept.provider == provider and kept.kit == tuple(CHECKS)
            known = kept if same else None
        now = datetime.now(UTC).replace(microsecond=0)
        known = known or Checked(provider=provider, kit=tuple(CHECKS), checked_at=now)
        self._checked[provider.name] = known.with_one(verdict).model_copy(update={"checked_at": now})
        write_checked(self._runs_dir, self._checked[provider.name])

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> tuple[str, str, object] | None:
        """A word of its own for what a provider declares that it does not do."""
        found = verdict_of(report) if isinstance(report, pytest.TestReport) else None
        if found is not None and found[1].outcome == "declared":
            return "declared", "d", ("DECLARED", {"cyan": True})
        return None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """The table, in the place of a section for each check that failed."""
        failed = terminalreporter.stats.get("failed", [])
        ours = [report for report in failed if _carried(report)]
        if ours:
            terminalreporter.stats["failed"] = [report for report in failed if report not in ours]
        try:
            yield
        finally:
            if ours:
                terminalreporter.stats["failed"] = failed
        for name in self._records:
            if name in self._checked:
                self._show(terminalreporter, self._checked[name])
        if self._failure:
            terminalreporter.write_line(f"ERROR: {self._failure}", red=True, bold=True)

    def _show(self, terminal: pytest.TerminalReporter, checked: Checked) -> None:
        terminal.write_sep("=", headline(checked))
        for outcome, line in verdict_lines(checked):
            terminal.write_line(line, red=outcome == "failed", cyan=outcome == "declared")


def _carried(report: pytest.TestReport) -> str | None:
    return next((str(value) for name, value in report.user_properties if name == CARRIER), None)


def verdict_of(report: pytest.TestReport) -> tuple[str, CheckVerdict] | None:
    """The provider and the verdict that a report carries; for a check that broke down, that it did."""
    carried = _carried(report)
    if str(report.outcome) == "rerun":
        return None
    if carried is not None:
        if report.when != "call":
            return None
        provider, verdict = json.loads(carried)
        return provider, CheckVerdict.model_validate(verdict)
    if report.failed and (test := _TEST.search(report.nodeid)):
        message = str(report.longrepr).strip().splitlines()[-1] if report.longrepr else "it broke down"
        verdict = CheckVerdict(name=test["check"], outcome="failed", message=message, seconds=round(report.duration, 3))
        return test["provider"], verdict
    return None
