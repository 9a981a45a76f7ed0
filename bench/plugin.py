"""The suite as a pytest plugin: what pytest asks of it, handed to the file that knows.

Nothing happens in a session that collects no benchmark's questions.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.collection import MARK, Collection, add_keywords, drop_empty, unusable
from bench.config import BenchmarkConfig
from bench.fixtures import WORKBENCH, answerer, asked, judge, memory, provider_and_case, question
from bench.options import add_options, read_config
from bench.parallel import Shards, share_of, upcoming_items
from bench.plan import plan_lines
from bench.resume import Resumption, about_benchmarks, remember, resume
from bench.session import RunSession, keys_of
from bench.workbench import LOOK_AHEAD
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
    story,
)
from schema import Case, CheckpointError, ConfigurationError, MemoryBenchError

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

__all__ = ["answerer", "asked", "judge", "memory", "question"]

BENCHMARKS = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """``--plan`` collects and runs nothing."""
    if config.getoption("memorybench_plan"):
        config.option.collectonly = True
        config.option.verbose = min(config.option.verbose, 0) - 2


def pytest_configure(config: pytest.Config) -> None:
    """Check all that can be checked before anything is begun."""
    config.addinivalue_line("markers", f"{MARK}(benchmark): make a test of each question of this benchmark")
    config.pluginmanager.register(BenchPlugin(config), "memorybench")


class BenchPlugin:
    """One pytest process: the only one, a worker of xdist's, or the controller of workers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self.handed = json.loads(self.worker["memorybench"]) if self.worker else None
        self.resumption = None if self.handed else resume(config, BENCHMARKS)
        self.session = self._session()
        self.collection = Collection(self.session.config)
        self.selected: list[tuple[str, Case]] = []
        self.closing: Closing | None = None
        self.checkpoint: Checkpoint | None = None
        self.refused: str | None = None
        self._positions: dict[pytest.Item, int] = {}

    # --- before anything is run ------------------------------------------------------------------------------------

    def _session(self) -> RunSession:
        try:
            if self.handed and self.worker:
                return RunSession(
                    BenchmarkConfig.model_validate(self.handed["config"]),
                    self.handed["command"],
                    run_id=self.handed["run_id"],
                    invocation=self.handed["invocation"],
                    started=self.handed["started"],
                    second_look_at=self.handed["second_look_at"],
                    worker=int(self.worker["workerid"].removeprefix("gw")) % int(self.worker["workercount"]),
                    workers=int(self.worker["workercount"]),
                )
            resumption = self.resumption or Resumption({}, "")
            settings = read_config(self.config, resumption.options)
            arguments = [str(argument) for argument in self.config.invocation_params.args]
            return RunSession(
                settings,
                shlex.join(["pytest", *arguments]),
                run_id=resumption.run_id or "",
                second_look_at=resumption.second_look_at,
            )
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from error

    def pytest_report_header(self) -> list[str]:
        """What is being run, with what, and how far such numbers carry."""
        settings, cast = self.session.config, self.session.cast
        lines = [
            f"memorybench: providers {', '.join(settings.provider)} · answering model {settings.answering_model} · "
            f"judge {settings.judge} ({cast.judge.protocol}) · top-k {settings.top_k} · {settings.in_flight} in flight"
        ]
        if cast.answerer.offline or cast.judge.model is None:
            lines.append("  no language model answers or judges: such accuracies do not compare with model-judged ones")
        if self.resumption:
            lines.append(f"  {self.resumption.told}")
        return lines

    # --- collection ------------------------------------------------------------------------------------------------

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
        if not self.selected or self.config.option.collectonly:
            return
        try:
            self.checkpoint = self.session.open()
            workbench = self.session.work(self.checkpoint, self.collection.benchmarks)
            self.config.stash[WORKBENCH] = workbench
            workbench.seal(self.selected if self.session.second_look_at else asked)
        except MemoryBenchError as error:
            self._refuse(items, str(error))
            return
        self.config.stash[TELL] = self._tell
        self._positions = {item: position for position, item in enumerate(items)}
        first = share_of(self.session.worker, self.session.workers, len(self.selected)).start
        workbench.expect([*self.selected[first:], *self.selected[:first]])
        if not self.worker:
            self._begin_closing(len(self.selected))

    def _leave_out(self, items: list[pytest.Item]) -> None:
        """Leave out what ``--lf`` need not ask."""
        skip = {QuestionKey._make(key) for key in self.handed["skip"]} if self.handed else self._skip()
        only = self._only()
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

    def _skip(self) -> frozenset[QuestionKey]:
        return self.resumption.skip if self.resumption else frozenset()

    def _only(self) -> set[QuestionKey] | frozenset[QuestionKey] | None:
        if self.handed:
            only = self.handed["only"]
            return None if only is None else {QuestionKey._make(key) for key in only}
        return self.resumption.only if self.resumption else None

    def _refuse(self, items: list[pytest.Item], reason: str) -> None:
        """Do nothing, and say why: here, or by way of the controller."""
        if not self.worker:
            raise pytest.UsageError(reason)
        items.clear()
        self.config.workeroutput["memorybench_refused"] = reason  # type: ignore[attr-defined]  # xdist's, on workers only

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
            following = upcoming_items(item.session, item, nextitem, queue=self.handed["queue"])
        else:
            following = islice(item.session.items, self._positions[item], None)
        for upcoming in following:
            if found := provider_and_case(upcoming):
                yield found

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Try again what ended in an error, if pytest runs its test again."""
        found = provider_and_case(item)
        if found and WORKBENCH in self.config.stash:
            self.config.stash[WORKBENCH].retry(*found)

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

    # --- the end ---------------------------------------------------------------------------------------------------

    def _begin_closing(self, total: int) -> None:
        """Watch the run from here: remember it for ``--lf``, count, and show how far it is."""
        remember(self.config, self.session.config, self.session.run_id)
        self.checkpoint = self.checkpoint or Checkpoint(self.session.url, self.session.run_id)
        self.closing = Closing(self.config.getoption("memorybench_show_wrong"), self._story)
        self.config.pluginmanager.register(self.closing, "memorybench-closing")
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or self.config.get_verbosity() != 0:
            return
        live = Live(reporter, total, self.session.config.in_flight, partial(containers_ready, self.checkpoint))
        self.config.pluginmanager.register(live, "memorybench-live")
        if reporter.isatty:
            self.config.pluginmanager.register(Quiet(), "memorybench-quiet")

    def _story(self, outcome: TestOutcome) -> str:
        assert self.checkpoint is not None
        return story(
            self.checkpoint.question_record(QuestionKey(outcome.provider, outcome.benchmark, outcome.question))
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Stop what is under way, write the report, and let the gate decide."""
        workbench = self.config.stash.get(WORKBENCH, None)
        if workbench is not None:
            workbench.stop()
        if self.worker:
            if self.refused:
                self._refuse([], self.refused)
        elif self.closing is not None and self.checkpoint is not None:
            self._report(session, self.closing, self.checkpoint)
        if self.refused and not self.worker:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        if self.checkpoint is not None and (self.worker or self.closing is None):
            self.checkpoint.close()

    def _report(self, session: pytest.Session, closing: Closing, checkpoint: Checkpoint) -> None:
        try:
            report = self.session.finish(checkpoint)
        except MemoryBenchError as error:
            self.refused = self.refused or str(error)
            return
        closing.report, closing.folder = report, self.session.folder
        if self.session.second_look_at:
            again = sum(closing.counted.values())
            closing.remarks.append(f"asked again {again}, now correct {closing.counted['correct']}")
        ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if report.gate and ended:
            session.exitstatus = pytest.ExitCode.OK if report.gate.met else pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The plan, or why nothing was done."""
        if self.config.option.collectonly and self.selected:
            terminalreporter.section("plan", sep="-")
            for line in plan_lines(self.selected, self.collection.benchmarks, self.session.config, self.session.cast):
                terminalreporter.write_line(line)
        if self.refused:
            terminalreporter.write_line(f"ERROR: {self.refused}", red=True)

    def pytest_unconfigure(self) -> None:
        """Let go of the checkpoint after the last line is written."""
        if self.closing is not None and self.checkpoint is not None:
            self.checkpoint.close()

    # --- as the controller of workers ------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: list[object]) -> None:
        """Learn how many workers there are; what is to be asked again is marked so before any of them begins."""
        self.session.workers = len(specs)
        if self.session.config.retry_from:
            try:
                self.session.open().close()
            except MemoryBenchError as error:
                raise pytest.UsageError(str(error)) from error

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Hand a worker everything as it is now: nothing that it selects by may change while the run goes on."""
        only = self._only()
        node.workerinput["memorybench"] = json.dumps(
            {
                "config": self.session.config.model_dump(mode="json", exclude={"retry_from"}),
                "command": self.session.command,
                "run_id": self.session.run_id,
                "invocation": self.session.invocation,
                "started": self.session.started,
                "second_look_at": self.session.second_look_at,
                "skip": sorted(self._skip()),
                "only": None if only is None else sorted(only),
                "queue": self._deals_shards,
            }
        )

    @property
    def _deals_shards(self) -> bool:
        return self.config.getoption("dist", "no") == "load" and about_benchmarks(self.config, BENCHMARKS)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self) -> Shards | None:
        """Deal contiguous shares, unless another distribution was asked for."""
        workers = self.session.workers
        window = LOOK_AHEAD * -(-self.session.config.in_flight // workers)
        return Shards(workers, window) if self._deals_shards else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """The first worker to have collected has begun the run."""
        if self.closing is None and ids and self.session.exists:
            self._begin_closing(len(ids))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerController) -> None:
        """Hear why a worker refused."""
        self.refused = self.refused or (getattr(node, "workeroutput", None) or {}).get("memorybench_refused")
