"""The suite as a pytest plugin: what pytest asks of it, handed to the file that knows.

Nothing happens in a session that collects no benchmark's questions.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Generator
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any  # what xdist hands a worker, and what a hook's call gave

import pytest

from bench.budget import Budget, check_budget, meter_of
from bench.by_name import MARK as ONLY_BY_NAME
from bench.by_name import left_out, nothing_else
from bench.cast import shutdown_remarks
from bench.collection import MARK, Collection, add_keywords, asks_questions, drop_empty, unusable
from bench.conformance import Verdicts, add_conformance_options
from bench.controller import Controller, handed_to, report_refusal
from bench.fixtures import WORKBENCH, answerer, asked, judge, memory, provider_and_case, question
from bench.options import add_options, read_config
from bench.panel import judges_told
from bench.parallel import upcoming_items, worker_number
from bench.plan import plan_lines
from bench.resume import Memory, Resumption, about_benchmarks, resume, take_over
from bench.session import RunSession, each_once, keys_of
from bench.shares import groups_file, share_of, write_groups
from bench.startup import check_providers
from reports import (
    TELL,
    Checkpoint,
    Closing,
    Live,
    QuestionKey,
    Quiet,
    TestOutcome,
    containers_ready,
    full_story,
    one_line,
    short_story,
)
from schema import Case, CheckpointError, MemoryBenchError

__all__ = ["answerer", "asked", "judge", "memory", "question"]

BENCHMARKS = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    add_options(parser)
    add_conformance_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """``--plan`` collects and runs nothing."""
    if config.getoption("memorybench_plan"):
        config.option.collectonly = True
        config.option.verbose = min(config.option.verbose, 0) - 2


def pytest_configure(config: pytest.Config) -> None:
    """Check all that can be checked before anything is begun."""
    config.addinivalue_line("markers", f"{MARK}(benchmark): make a test of each question of this benchmark")
    config.addinivalue_line("markers", f"{ONLY_BY_NAME}(word): collect this test only if -k or a path asks for it")
    if config.pluginmanager.hasplugin("benchmark"):  # where warnings are errors, its remarks at the end are tracebacks
        from pytest_benchmark.logger import PytestBenchmarkWarning

        warnings.filterwarnings("default", category=PytestBenchmarkWarning)
    config.pluginmanager.register(BenchPlugin(config), "memorybench")


class BenchPlugin:
    """One pytest process: the only one, a worker of xdist's, or the controller of workers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self.handed = handed_to(config)
        self.session, self.resumption = self._session()
        self.continues = self.resumption is not None and self.resumption.continues
        self.collection = Collection(self.session.config)
        self.selected: list[tuple[str, Case]] = []
        self.closing: Closing | None = None
        self.budget: Budget | None = None
        self.checkpoint: Checkpoint | None = None
        self.refused: str | None = None
        self.memory = Memory(config)
        self.controller = None if self.worker else self._control_workers()
        self._pytest_session: pytest.Session | None = None
        self._positions: dict[pytest.Item, int] = {}
        self._tried: set[pytest.Item] = set()

    # --- before anything is run ------------------------------------------------------------------------------------

    def _session(self) -> tuple[RunSession, Resumption | None]:
        if self.handed and self.worker:
            if self.handed.selection:
                take_over(self.config, self.handed.selection)
            count = int(self.worker["workercount"])
            session = RunSession(
                self.handed.config,
                self.handed.command,
                run_id=self.handed.run_id,
                invocation=self.handed.invocation,
                started=self.handed.started,
                second_look_at=self.handed.second_look_at,
                worker=worker_number(self.worker["workerid"]) % count,
                workers=count,
            )
            return session, None
        try:
            resumption = resume(self.config, BENCHMARKS)
            if resumption:
                take_over(self.config, resumption.selection)
            arguments = [str(argument) for argument in self.config.invocation_params.args]
            session = RunSession(
                read_config(self.config, resumption.options if resumption else None),
                shlex.join(["pytest", *arguments]),
                run_id=(resumption.run_id if resumption else None) or "",
                second_look_at=resumption.second_look_at if resumption else None,
            )
            check_budget(session)
            return session, resumption
        except MemoryBenchError as error:
            raise pytest.UsageError(str(error)) from error

    def _control_workers(self) -> Controller:
        controller = Controller(self.config, self.session, self.resumption, BENCHMARKS, self._begin_closing)
        self.config.pluginmanager.register(controller, "memorybench-controller")
        self.config.pluginmanager.register(Verdicts(self.session), "memorybench-conformance")
        return controller

    def pytest_report_header(self) -> list[str]:
        """What is being run, with what, and how far such numbers carry."""
        if not about_benchmarks(self.config, BENCHMARKS):
            return []
        settings, cast = self.session.config, self.session.cast
        provider = "provider" if len(settings.provider) == 1 else "providers"
        lines = [
            f"memorybench: {provider} {', '.join(settings.provider)} · answering model {settings.answering_model} · "
            f"{judges_told(settings.judge, cast.judges, settings.judge_repeats)} · top-k {settings.top_k} · "
            f"{settings.in_flight} in flight"
        ]
        without = [
            *(["answers"] if cast.answerer.offline and settings.until in ("answer", "judge") else []),
            *(["judges"] if any(one.model is None for one in cast.judges) and settings.until == "judge" else []),
        ]
        if without:
            told = f"  no language model {' or '.join(without)}: such accuracies do not compare with model-judged ones"
            lines.append(told)
        lines += [f"  {told}" for told in shutdown_remarks(settings, date.today())]
        if self.resumption:
            lines.append(f"  {self.resumption.told}")
        return lines

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Remember how the run is asked for before any of it is done: it may be killed at any moment."""
        self._pytest_session = session
        looks_only = self.config.option.collectonly or self.config.getoption("setupplan", False)
        if not (self.worker or self.resumption or looks_only) and about_benchmarks(self.config, BENCHMARKS):
            self.memory.keep(self.session.config, self.session.run_id, begun=False)

    # --- collection ------------------------------------------------------------------------------------------------

    def pytest_pycollect_makeitem(self, collector: pytest.Collector, obj: object) -> list[pytest.Item] | None:
        """Tests that are collected only by name are none here, unless asked for; nor are questions beside them."""
        beside = asks_questions(obj) and collector.path.parent == BENCHMARKS and nothing_else(self.config)
        return [] if beside or left_out(collector, obj) else None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of each question."""
        self.collection.parametrize(metafunc)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Let ``-k`` find it."""
        add_keywords(item)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Once the selection stands: open the run, or refuse it."""
        drop_empty(self.config, items)
        if reason := unusable(items):
            self._refuse(items, reason)
            return
        asked = [found for item in items if (found := provider_and_case(item))]
        self._leave_out(items)
        self.selected = [found for item in items if (found := provider_and_case(item))]
        looks_only = self.config.option.collectonly or self.config.getoption("setupplan", False)
        if looks_only or not (self.selected or (asked and self.continues)):
            return
        try:
            if self.selected and not self.worker:
                check_providers(self.session.cast)
            self._begin(self.selected if self.session.second_look_at else asked)
            if self.worker:
                self._keep_containers_together(items)
        except MemoryBenchError as error:
            self._refuse(items, str(error))
            return
        except OSError as error:
            told = f"the run's folder {self.session.folder} cannot be written: {error.strerror}"
            self._refuse(items, f"{told}. See to it, or choose another folder with --runs-dir.")
            return
        self._positions = {item: position for position, item in enumerate(items)}
        if not self.worker:
            self._begin_closing(len(self.selected))

    def _begin(self, about: list[tuple[str, Case]]) -> None:
        """Open the run, which is or will be `about` these questions, and get to work."""
        self.checkpoint = self.session.open()
        workbench = self.session.work(self.checkpoint, self.collection.benchmarks)
        self.config.stash[WORKBENCH] = workbench
        workbench.seal(each_once(about))
        self.config.stash[TELL] = self._tell
        first = share_of(self.session.worker, self.session.workers, len(self.selected)).start
        workbench.expect([*self.selected[first:], *self.selected[:first]])

    def _keep_containers_together(self, items: list[pytest.Item]) -> None:
        """Tell the controller what has to stay with one worker."""
        lone = self.config.stash[WORKBENCH].lone_container
        groups = [lone(*found) if (found := provider_and_case(item)) else None for item in items]
        if any(groups):
            write_groups(groups_file(self.session.folder, self.session.invocation), groups)

    def _leave_out(self, items: list[pytest.Item]) -> None:
        """Leave out what ``--lf`` need not ask."""
        source = self.handed or self.resumption
        if source is None:
            return
        skip, only = source.skip, source.only
        if not skip and only is None:
            return
        keep: list[pytest.Item] = []
        out: list[pytest.Item] = []
        for item in items:
            found = provider_and_case(item)
            key = keys_of([found])[0] if found else None
            left_out = key is not None and (key in skip or (only is not None and key not in only))
            (out if left_out else keep).append(item)
        items[:] = keep
        self.config.hook.pytest_deselected(items=out)

    def _refuse(self, items: list[pytest.Item], reason: str) -> None:
        """Do nothing, and say why: here, or by way of the controller."""
        if not self.worker:
            raise pytest.UsageError(reason)
        items.clear()
        report_refusal(self.config, reason)

    # --- running ---------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Begin this question and those that follow it."""
        workbench = self.config.stash.get(WORKBENCH, None)
        if workbench is None or provider_and_case(item) is None:
            return
        workbench.look_ahead(self._upcoming(item, nextitem))

    def _upcoming(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[tuple[str, Case]]:
        if self.handed:
            following = upcoming_items(item.session, item, nextitem, queue=self.handed.queue)
        else:
            following = islice(item.session.items, self._positions[item], None)
        for upcoming in following:
            if found := provider_and_case(upcoming):
                yield found

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Try again what ended in an error, if pytest runs its test again; a job may have failed before its first."""
        found = provider_and_case(item)
        if found and item in self._tried:
            self.config.stash[WORKBENCH].retry(*found)
        elif found:
            self._tried.add(item)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Let go of what the question held."""
        found = provider_and_case(item)
        if found and WORKBENCH in self.config.stash:
            self.config.stash[WORKBENCH].forget(*found)

    def _tell(self, outcome: TestOutcome) -> TestOutcome:
        key = QuestionKey(outcome.provider, outcome.benchmark, outcome.question)
        assert self.checkpoint is not None
        record = self.checkpoint.question_record(key)
        whole = full_story(record) if self.config.getoption("xmlpath", None) else ""
        return replace(outcome, line=one_line(record), story=whole)

    @pytest.hookimpl
    def pytest_exception_interact(self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any]) -> None:
        """Without a checkpoint nothing can be kept: stop, rather than fail at each question."""
        if call.excinfo and isinstance(call.excinfo.value, CheckpointError) and not self.refused:
            self.refused = str(call.excinfo.value)
            node.session.shouldstop = "the checkpoint failed"

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Leave out places without a line: an interrupt may come where Python has none, and pytest cannot show that."""
        excinfo.traceback = excinfo.traceback.filter(_has_a_line)

    # --- the end ---------------------------------------------------------------------------------------------------

    def _begin_closing(self, total: int) -> None:
        """Watch the run from here: remember it for ``--lf``, count, and show how far it is."""
        self.memory.keep(self.session.config, self.session.run_id, begun=True)
        self.checkpoint = self.checkpoint or Checkpoint(self.session.url, self.session.run_id)
        self.closing = Closing(self.config.getoption("memorybench_show_wrong"), self._story)
        self.config.pluginmanager.register(self.closing, "memorybench-closing")
        meter = meter_of(self.checkpoint, self.session.config, self.session.cast)
        if meter and self.session.config.max_usd is not None:
            self.budget = Budget(self.session.config.max_usd, meter, self._stop_spending)
            self.config.pluginmanager.register(self.budget, "memorybench-budget")
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or self.config.get_verbosity() != 0:
            return
        ready, spent = partial(containers_ready, self.checkpoint), meter.told if meter else None
        live = Live(reporter, total, self.session.config.in_flight, ready, spent)
        self.config.pluginmanager.register(live, "memorybench-live")
        if reporter.isatty:
            self.config.pluginmanager.register(Quiet(), "memorybench-quiet")

    def _stop_spending(self) -> None:
        """Let no test begin any more; what is under way is cancelled when the session ends."""
        reason = "the money is used (--max-usd)"
        if self.controller and self.controller.distributes:
            self.controller.stop(reason)
        elif self._pytest_session:
            self._pytest_session.shouldstop = reason

    def _story(self, outcome: TestOutcome) -> str:
        assert self.checkpoint is not None
        return short_story(
            self.checkpoint.question_record(QuestionKey(outcome.provider, outcome.benchmark, outcome.question))
        )

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Stop what is under way; once xdist has ended its workers, write the report, and let the gate decide."""
        workbench = self.config.stash.get(WORKBENCH, None)
        if workbench is not None:
            try:
                workbench.stop()
            except CheckpointError as error:
                self.refused = self.refused or str(error)
        if self.worker and self.refused:
            report_refusal(self.config, self.refused)
        if self.controller:
            self.controller.stop()
        yield
        if self.controller:
            self.refused = self.refused or self.controller.say_why_none_ran()
        if self.closing is not None and self.checkpoint is not None:
            self._report(session, self.closing, self.checkpoint)
            self.closing.failure = self.refused
        else:
            self.memory.restore()
            if self.checkpoint is not None:
                self.checkpoint.close()
        if self.refused and not self.worker:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def _report(self, session: pytest.Session, closing: Closing, checkpoint: Checkpoint) -> None:
        try:
            report = self.session.finish(checkpoint)
        except MemoryBenchError as error:
            self.refused = self.refused or str(error)
            return
        closing.report, closing.folder = report, self.session.folder
        if self.budget and self.budget.used_up and not report.run.finished:
            closing.remarks.append(self.budget.told())
        if self.session.second_look_at:
            again = sum(result.questions.selected for result in report.results)
            correct = sum(result.accuracy.correct for result in report.results if result.accuracy)
            closing.remarks.append(f"asked again {again}, now correct {correct}")
        if self.continues and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            # all was asked before, and only the report was missing: what stands in it decides
            wrong = sum(result.accuracy.n - result.accuracy.correct for result in report.results if result.accuracy)
            good = not wrong and not any(result.questions.errors for result in report.results)
            session.exitstatus = pytest.ExitCode.OK if good else pytest.ExitCode.TESTS_FAILED
        if report.gate and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = pytest.ExitCode.OK if report.gate.met else pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The plan, or why nothing was done."""
        if self.config.option.collectonly and self.selected:
            terminalreporter.write_sep("-", "plan")
            if terminalreporter.verbosity < 0:  # --plan is quiet, but who would be asked belongs to it
                for line in self.pytest_report_header():
                    terminalreporter.write_line(line)
            for line in plan_lines(
                each_once(self.selected), self.collection.benchmarks, self.session.config, self.session.cast
            ):
                terminalreporter.write_line(line)
        if self.refused and self.closing is None:
            terminalreporter.write_line(f"ERROR: {self.refused}", red=True)

    def pytest_unconfigure(self) -> None:
        """Let go of the checkpoint after the last line is written."""
        if self.closing is not None and self.checkpoint is not None:
            self.checkpoint.close()


def _has_a_line(entry: Any) -> bool:  # pytest has no public name for an entry of a traceback
    try:
        return isinstance(entry.lineno, int)
    except TypeError:
        return False
