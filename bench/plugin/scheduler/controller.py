"""The process that has workers, as xdist sees it: what they are handed, how tests are dealt, what comes back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any  # Any: what pytest was asked to choose is for pytest to understand

import pytest
from pydantic import BaseModel

from bench.config import BenchmarkConfig
from bench.pipeline import INGEST_AHEAD, LOOK_AHEAD, RunSession
from bench.plugin.missing import stands_in
from bench.plugin.opt_in import about_benchmarks
from bench.plugin.outcomes import is_rerun
from bench.plugin.resume import Resumption
from bench.plugin.scheduler.shards import Shards, worker_number
from bench.plugin.scheduler.shares import groups_file, read_groups
from net import suspect_calls_of
from reports.store import QuestionKey
from vocabulary import ConfigurationError, MemoryBenchError

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

_KEY = "memorybench"
_REFUSED = "memorybench_refused"
_ASKED_AGAIN = 2


class Handed(BaseModel):
    """All that a worker selects and runs by; `queue` says that what it was sent is not taken back to be done elsewhere.

    `controller` is the process that sends it. The rest is as in `RunSession` and `Resumption`.
    """

    config: BenchmarkConfig
    command: str
    run_id: str
    invocation: str
    started: float
    second_look_at: str | None
    selection: dict[str, Any] | None
    skip: frozenset[QuestionKey]
    only: frozenset[QuestionKey] | None
    queue: bool
    controller: int

    def session(self, worker_id: str, workers: int) -> RunSession:
        """The run as a worker sees it, one of `workers` at a time, by xdist's name for it."""
        return RunSession(
            self.config,
            self.command,
            run_id=self.run_id,
            invocation=self.invocation,
            started=self.started,
            second_look_at=self.second_look_at,
            worker=worker_number(worker_id) % workers,
            workers=workers,
            leads=False,
            process=worker_id,
        )


def handed_to(config: pytest.Config) -> Handed | None:
    """What this process was handed, if it is a worker."""
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    return Handed.model_validate_json(given[_KEY]) if given else None


def report_refusal(config: pytest.Config, reason: str) -> None:
    """In a worker: have the controller say why nothing could be done."""
    config.workeroutput[_REFUSED] = reason  # type: ignore[attr-defined]  # xdist's, on workers only


class Controller:
    """Deals the questions of a run to workers; `begin` is called with their number once the run is open.

    `refused` is why nothing could be done, if so.
    """

    def __init__(
        self,
        config: pytest.Config,
        session: RunSession,
        resumption: Resumption | None,
        begin: Callable[[int], None],
    ) -> None:
        self.config = config
        self.session = session
        self.resumption = resumption
        self.refused: str | None = None
        self._distribution: str = config.getoption("dist", "no")
        self._about_benchmarks = about_benchmarks(config)
        self._deals_shards = self._distribution == "load" and self._about_benchmarks
        self._begin = begin
        self._begun = False
        self._shards: Shards | None = None
        self._crashes: Counter[str] = Counter()
        self._died_in_a_call = False
        self._moved: dict[str, object] = {}
        self._failures = 0
        self._checked = False

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: list[object]) -> None:
        """Learn how many workers there are; what is to be asked again is marked so before any of them begins."""
        self.session.workers = len(specs)
        if self._about_benchmarks and not (self.resumption and self.resumption.left == 0):
            self._check_services()
        try:
            if self._about_benchmarks and not self.config.option.collectonly:
                self._check_folders(specs)
                self.session.lead()
            if self.session.config.retry_from:
                self.session.open().close()
        except MemoryBenchError as error:
            raise pytest.UsageError(str(error)) from error

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Hand a worker everything as it is now: nothing that it selects by may change while the run goes on."""
        handed = Handed(
            config=self.session.config.model_copy(update={"retry_from": None}),
            command=self.session.command,
            run_id=self.session.run_id,
            invocation=self.session.invocation,
            started=self.session.started,
            second_look_at=self.session.second_look_at,
            selection=self.resumption.selection if self.resumption else None,
            skip=self.resumption.skip if self.resumption else frozenset(),
            only=self.resumption.only if self.resumption else None,
            queue=self._distribution != "worksteal",
            controller=os.getpid(),
        )
        node.workerinput[_KEY] = handed.model_dump_json()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self) -> Shards | None:
        """Deal contiguous shares, unless another distribution was asked for."""
        workers = self.session.workers
        window = LOOK_AHEAD * -(-self.session.config.in_flight // workers)
        groups = partial(read_groups, groups_file(self.session.folder, self.session.invocation))
        if self._deals_shards:
            self._shards = Shards(workers, window, self.config, groups=groups, ahead=INGEST_AHEAD)
        return self._shards

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """The first worker to have collected has begun the run."""
        continues = self.resumption is not None and self.resumption.continues
        if not self._begun and (ids or continues) and self.session.exists:
            self._begun = True
            if ids:
                self._check_services()
            try:
                self._begin(sum(not stands_in(node_id) for node_id in ids))
            except MemoryBenchError as error:
                raise pytest.UsageError(str(error)) from error

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After as many failures as ``-x`` or ``--maxfail`` allow, no worker begins another test."""
        if report.nodeid in self._moved:  # to JUnit XML it would be another test case on another worker
            vars(report)["node"] = self._moved[report.nodeid]
        if self._shards and (report.when == "call" or report.failed) and not is_rerun(report):
            self._shards.settle(report.nodeid)
        self._failures += report.failed
        if 0 < (self.config.getoption("maxfail") or 0) <= self._failures:
            self.stop()

    @pytest.hookimpl(optionalhook=True, wrapper=True)
    def pytest_handlecrashitem(
        self, crashitem: str, report: pytest.TestReport
    ) -> Generator[None, list[object], list[object]]:
        """Ask the question at which a worker died again; at most twice where no call was in flight that explains it.

        It may be at any number of deaths: calls of questions behind it kill as well, each of them twice and no more. It
        counts once, as what it becomes in the end: its outcome may have been reported before the worker died.
        """
        result = yield
        if self._shards:
            self._crashes[crashitem] += not self._died_in_a_call
            if self._shards.is_settled(crashitem):
                report.outcome, report.when, report.longrepr = "passed", "teardown", None
            elif self._crashes[crashitem] <= _ASKED_AGAIN and self._shards.mark_test_pending(crashitem):
                report.outcome = "rerun"  # type: ignore[assignment]  # rerunfailures' word
            if is_rerun(report):
                self._moved.setdefault(crashitem, vars(report).get("node"))
                self._show(f"{report.longrepr}; it will be asked again")
        return result

    def _show(self, line: str) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.ensure_newline()
            terminal.write_line(line)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerController, error: object | None) -> None:
        """Hear why a worker refused; the calls of one that died are suspect."""
        if error:
            calls = self.session.calls, self.session.invocation, node.gateway.id
            self._died_in_a_call = suspect_calls_of(*calls)
        self.refused = self.refused or (getattr(node, "workeroutput", None) or {}).get(_REFUSED)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Remove what workers wrote for this process alone."""
        file = groups_file(self.session.folder, self.session.invocation)
        if file.exists():
            file.unlink()

    @property
    def distributes(self) -> bool:
        """Whether there are workers; in the only process there is, nothing is dealt."""
        return self._distribution != "no"

    def stop(self, reason: str = "") -> None:
        """Let workers begin nothing more; a `reason` makes it an interrupted run."""
        if self._shards:
            self._shards.stop()
        dealer = self.config.pluginmanager.get_plugin("dsession")
        if reason and dealer is not None:
            dealer.shouldstop = reason  # xdist's own name; should it change, the run ends all the same

    def _check_folders(self, specs: list[object]) -> None:
        """Make sure that workers record where this process looks; raises `ConfigurationError`."""
        elsewhere = any(getattr(spec, "chdir", None) or not getattr(spec, "popen", True) for spec in specs)
        settings = self.session.config
        if elsewhere and settings.checkpoint_url is None and not settings.runs_dir.is_absolute():
            raise ConfigurationError(
                "--tx: workers in other folders need --checkpoint-url, or an absolute --runs-dir in which all of them "
                f"work; in {settings.runs_dir} each would make a run of its own, and none would have a report."
            )

    def _check_services(self) -> None:
        """Once, before any worker begins; or before any test is dealt, if only then it is known what this is about."""
        if self._checked:
            return
        self._checked = True
        try:
            self.session.preflight()
        except MemoryBenchError as error:
            raise pytest.UsageError(str(error)) from error

    def why_none_ran(self) -> str | None:
        """Why no test was run, if so."""
        different = "the workers collected different tests, and none was run: is there something random in them?"
        return self.refused or (different if self._shards and self._shards.different else None)
