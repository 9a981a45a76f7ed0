"""What pytest shows of a run: the header, the live line, the closing table; and the exit status by the gate."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from bench.pipeline import Budget, meter_of
from bench.plugin.exit_status import ExitStatus
from bench.plugin.garbage import end_without_collection
from bench.plugin.opt_in import about_benchmarks
from bench.plugin.outcomes import TestOutcome
from bench.plugin.scheduler import Controller, report_refusal
from bench.plugin.state import PluginState
from bench.plugin.terminal import (
    Closing,
    Live,
    Quiet,
    absent_lines,
    folded,
    header_lines,
    plan_lines,
    show_gate,
    without_stand_ins,
)
from net import paused_services
from reports.report import Gate, Report
from reports.show import example_row, failed_questions
from reports.store import Checkpoint, containers_ready, each_once, verdicts
from vocabulary import CheckpointError, MemoryBenchError

NOTHING_TO_RESUME = "--lf: no earlier run is remembered here, and a new one begins"


class Reporting:
    """Hooks at the begin and the end of a session; `begin` shows a run once it is known how many questions it has."""

    def __init__(self, state: PluginState) -> None:
        self.controller: Controller | None = None
        self._state = state
        self._exit_status = ExitStatus()
        if not state.is_worker:
            state.config.pluginmanager.register(self._exit_status, "memorybench-exit-status")
        self._closing: Closing | None = None
        self._budget: Budget | None = None
        self._pytest_session: pytest.Session | None = None
        self._gate: Gate | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_header(self) -> Generator[None, list[str | list[str]], list[str | list[str]]]:
        """What is run, with what, and what its figures may be compared with; of other plugins only with ``-v``."""
        others = yield
        state = self._state
        if not about_benchmarks(state.config):
            return others
        message = state.resumption.message if state.resumption else NOTHING_TO_RESUME * state.nothing_to_resume
        own = list(header_lines(state.session.config, state.session.participants, message))
        return [own, *(others if state.config.get_verbosity() > 0 else [])]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep what a budget that is used up stops; name the run that ``--lf`` continues, whatever is shown of it."""
        self._pytest_session = session
        state = self._state
        reporter = state.config.pluginmanager.get_plugin("terminalreporter")
        if state.resumption and reporter and state.config.get_verbosity() < 0:
            for line in folded(state.resumption.message):
                reporter.write_line(line)

    def begin(self, questions: int) -> None:
        """Watch the run from here: remember it for ``--lf``, count, and show its progress."""
        end_without_collection()
        state = self._state
        state.last_run.keep(state.session.config, state.session.run_id, begun=True)
        checkpoint = state.checkpoint = state.checkpoint or Checkpoint(
            state.session.url, state.session.run_id, patience=state.session.config.patience
        )
        checkpoint.lock(state.session.folder)
        if state.runner is None:  # the workers have begun the run, and wait for what this process has found out
            state.session.settle(checkpoint)
        state.session.compare_code(checkpoint)
        self._closing = Closing(state.config.getoption("memorybench_show_wrong"), state.account, self._row)
        state.config.pluginmanager.register(self._closing, "memorybench-closing")
        meter = meter_of(checkpoint, state.session.config, state.session.participants)
        if meter and state.session.config.max_usd is not None:
            self._budget = Budget(state.session.config.max_usd, meter, self._stop_spending)
        reporter = state.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or state.config.get_verbosity() != 0:
            return
        ready, spent = partial(containers_ready, checkpoint), meter.shown if meter else None
        former = self._former(checkpoint)
        total = questions + former.total()
        live = Live(reporter, total, state.session.config.in_flight, ready, spent, self._paused, former)
        state.config.pluginmanager.register(live, "memorybench-live")
        if reporter.isatty:
            state.config.pluginmanager.register(Quiet(), "memorybench-quiet")

    def _former(self, checkpoint: Checkpoint) -> Counter[str]:
        """What came of the questions that this session only continues."""
        skipped = self._state.resumption.skip if self._state.resumption else frozenset()
        judged = Counter("correct" if right else "wrong" for key, right in verdicts(checkpoint) if key in skipped)
        return judged + Counter({"done": len(skipped) - judged.total()})

    def _paused(self) -> dict[str, float]:
        """What fails now, so that work waits for it, and for how many seconds."""
        lost = self._state.checkpoint.reconnecting.lost_seconds if self._state.checkpoint else None
        services = paused_services(self._state.session.folder / "limits")
        return services if lost is None else {**services, "the checkpoint's database": lost}

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self) -> None:
        """Stop when the money is used."""
        if self._budget:
            self._budget.look()

    def _stop_spending(self) -> None:
        """Begin no further test; what is under way is cancelled when the session ends."""
        reason = "the money is used (--max-usd)"
        if self.controller and self.controller.distributes:
            self.controller.stop(reason)
        elif self._pytest_session:
            self._pytest_session.shouldstop = reason

    def _row(self, outcome: TestOutcome) -> tuple[str, ...]:
        """The question in the table of examples; why it cannot be read, if so."""
        assert self._state.checkpoint is not None
        try:
            return example_row(self._state.checkpoint.question_record(outcome.key, results=False))
        except CheckpointError as error:
            return outcome.question, "-", outcome.word, str(error), "", ""

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Stop what is under way; once xdist has ended its workers, write the report, and let the gate decide."""
        state = self._state
        if state.runner is not None:
            try:
                state.runner.stop()
            except CheckpointError as error:
                state.refused = state.refused or str(error)
        if state.is_worker and state.refused:
            report_refusal(state.config, state.refused)
        if self.controller:
            self.controller.stop()
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # what other plugins warn of must not cost the results
            yield
        if self.controller:
            state.refused = state.refused or self.controller.why_none_ran()
        if self._closing is not None and state.checkpoint is not None:
            self._report(session, self._closing, state.checkpoint)
            self._closing.failure = state.refused
        else:
            state.last_run.restore()
            if state.checkpoint is not None:
                state.checkpoint.close()
            self._judge_without_run(session)
        if state.refused and not state.is_worker:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _report(self, session: pytest.Session, closing: Closing, checkpoint: Checkpoint) -> None:
        state = self._state
        try:
            with self._said("writing the report"):
                report = state.session.finish(
                    checkpoint, complete=self._exit_status.complete, unmeasured=self._exit_status.missing
                )
        except MemoryBenchError as error:
            state.refused = state.refused or str(error)
            return
        closing.report, closing.folder = report, state.session.folder
        if state.config.getoption("memorybench_github_summary"):
            self._summarise(report, checkpoint)
        if state.continues and not state.session.second_look_at:
            closing.whole = _not_right(checkpoint)
        if not report.run.finished and not (self._budget and self._budget.used_up):
            closing.go_on = self._how_to_go_on(report)
        if self._budget and self._budget.used_up and not report.run.finished:
            closing.remarks.append(self._budget.message())
        if state.session.second_look_at:
            again = sum(result.questions.selected for result in report.results)
            correct = sum(result.accuracy.correct for result in report.results if result.accuracy)
            closing.remarks.append(f"asked again {again}, now correct {correct}")
        if report.gate and report.gate.met and (others := self._exit_status.other_failures(session)):
            closing.remarks.append(_explained(others))
        session.exitstatus = self._exit_status.decide(
            session, report.gate, resumed=state.continues, correct=_all_correct(report)
        )

    def _summarise(self, report: Report, checkpoint: Checkpoint) -> None:
        """Add the run to the summary of the job in GitHub Actions."""
        from reports.share import append_summary, job_summary, newest_failures, summary_file

        try:
            append_summary(summary_file(), job_summary(report, newest_failures(checkpoint)))
        except MemoryBenchError as error:
            self._state.refused = self._state.refused or str(error)

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """Show on a terminal what takes a moment, while it does."""
        reporter = self._state.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and reporter.isatty:
            reporter.rewrite(f"{what} …", erase=True)
        yield
        if reporter is not None and reporter.isatty:
            reporter.rewrite("", erase=True)
            reporter.rewrite("")

    def _how_to_go_on(self, report: Report) -> str:
        left = sum(result.questions.outcomes.unjudged for result in report.results)
        state = f"{left} questions are left" if left else "not all tests were reported"
        config = self._state.config
        if config.pluginmanager.hasplugin("cacheprovider") and about_benchmarks(config):
            return f"not finished: {state}; continue with: pytest --lf"
        return f"not finished: {state}; continue with the same command and --run-id {report.run.id}"

    def _judge_without_run(self, session: pytest.Session) -> None:
        """A gate is missed where benchmarks were requested and no question could be asked."""
        state, missing = self._state, self._exit_status.missing
        open_statuses = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
        idle = state.is_worker or state.collects_only or state.refused or session.exitstatus not in open_statuses
        if idle or not (missing or about_benchmarks(state.config)):
            return
        self._gate = state.session.gating.without_run(missing)
        session.exitstatus = self._exit_status.decide(session, self._gate)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> Generator[None]:
        """The plan, or what could not be measured, or why nothing was done."""
        with without_stand_ins(terminalreporter):
            yield
        state = self._state
        if not self._gate and terminalreporter.verbosity >= 0 and not state.collects_only:
            for line in absent_lines(self._exit_status.missing):
                terminalreporter.write_line(line)
        if state.config.option.collectonly and (state.selected or state.missing):
            self._show_plan(terminalreporter)
        if self._gate:
            show_gate(terminalreporter, self._gate)
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and state.config.option.keyword:
            from bench.plugin.suggestion import keyword_suggestions

            for line in keyword_suggestions(state.config.option.keyword, state.session.config):
                terminalreporter.write_line(line, yellow=True)
        if state.refused and self._closing is None:
            terminalreporter.write_line(f"ERROR: {state.refused}", red=True)

    def _show_plan(self, terminal: pytest.TerminalReporter) -> None:
        state = self._state
        terminal.write_sep("-", "plan")
        if terminal.verbosity < 0:  # --plan is quiet, but the participants belong to it
            for line in header_lines(state.session.config, state.session.participants, None):
                terminal.write_line(line)
        selected = each_once(state.selected)
        if selected:
            for line in plan_lines(selected, state.benchmarks, state.session.config, state.session.participants):
                terminal.write_line(line)
        for reason in state.missing.values():
            for line in folded(f"cannot be run: {reason}"):
                terminal.write_line(line)

    def pytest_unconfigure(self) -> None:
        """Close the checkpoint after the last line is written."""
        self._state.session.release()
        if self._closing is None:  # also where workers could not be started, and no session has begun
            self._state.last_run.restore()
        if self._closing is not None and self._state.checkpoint is not None:
            self._state.checkpoint.close()


def _not_right(checkpoint: Checkpoint) -> list[TestOutcome]:
    wrong, errors = failed_questions(checkpoint)
    return [TestOutcome("wrong", *key) for key in wrong] + [TestOutcome("error", *key) for key in errors]


def _explained(others: int) -> str:
    failures = "1 test failed" if others == 1 else f"{others} tests failed"
    return f"exit status 1 although the gate is met: {failures} for another reason than an answer"


def _all_correct(report: Report) -> bool:
    return all(
        not result.questions.errors and (result.accuracy is None or result.accuracy.correct == result.accuracy.n)
        for result in report.results
    )
