"""From benchmarks to tests: one item for each question and provider, found by type, haystack and id."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import pytest

from bench.base import Benchmark
from bench.pipeline import OpenBenchmark, own_first, preflight
from bench.plugin.fixtures import MARK, question_of, questions_of
from bench.plugin.garbage import relax_collections
from bench.plugin.missing import Probes, StandIn, carry_missing, keywords_of, parametrize, stand_in_of
from bench.plugin.opt_in import BENCH, about_benchmarks, left_out, nothing_else
from bench.plugin.scheduler import begin_shares
from bench.plugin.state import PluginState
from reports.store import SelectedQuestion, each_once
from vocabulary import Case, DataError, DataMissingError, MemoryBenchError


class Collecting:
    """Hooks of collection. Once the selection stands, `begin_run` opens the run and `begin_report` shows it."""

    def __init__(
        self,
        state: PluginState,
        begin_run: Callable[[list[pytest.Item], list[SelectedQuestion]], None],
        begin_report: Callable[[int], None],
    ) -> None:
        self._state = state
        self._begin_run = begin_run
        self._begin_report = begin_report
        self._probes = Probes(state.session.config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Remember the run's options before any of it is done: it may be killed at any moment."""
        state = self._state
        if not (state.is_worker or state.resumption or state.collects_only) and about_benchmarks(state.config):
            state.last_run.keep(state.session.config, state.session.run_id, begun=False)

    def pytest_pycollect_makeitem(self, collector: pytest.Collector, obj: object) -> list[pytest.Item] | None:
        """Leave out opt-in tests that nothing names, and questions where opt-in tests alone are named."""
        in_bench = collector.path.is_relative_to(BENCH)
        beside = _asks_questions(obj) and in_bench and nothing_else(collector.config)
        return [] if beside or self._asks_nothing(obj) or left_out(collector, obj) else None

    def _asks_nothing(self, test: object) -> bool:
        """Whether the benchmark of the function `test` has no data set here, or no recorded answer of ``--answers``."""
        if not _asks_questions(test):
            return False
        options = self._state.session.config.benchmark_options
        try:
            return not any(self._is_answered(kind) for one in _benchmarks_of(test) for kind in one.each(options))
        except DataError:
            return False  # a stand-in says what is wrong

    def _is_answered(self, benchmark: type[Benchmark]) -> bool:
        recorded = self._state.session.recorded
        return recorded is None or recorded.benchmark(benchmark.name) is not None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of each question of the benchmark that the function is marked with."""
        mark = metafunc.definition.get_closest_marker(MARK)
        if mark is None:
            return
        benchmark: type[Benchmark] = mark.kwargs["benchmark"]
        config = self._state.session.config
        try:
            opened = [self._open(kind) for kind in benchmark.each(config.benchmark_options) if self._is_answered(kind)]
        except DataError as error:
            missing = isinstance(error, DataMissingError)
            parametrize(metafunc, StandIn(benchmark, str(error), is_missing=missing), config)
        else:
            questions = (question for one in opened for question in one.questions(config.provider))
            asked = [(question.provider, question.case) for question in questions]
            ids = [f"{provider}-{case.id}" for provider, case in asked]
            metafunc.parametrize(("memory", "question"), asked, indirect=True, ids=ids)

    def _open(self, benchmark: type[Benchmark]) -> OpenBenchmark:
        opened = self._state.benchmarks
        if benchmark.name not in opened:
            relax_collections()
            session = self._state.session
            opened[benchmark.name] = OpenBenchmark.of(benchmark, session.config, session.recorded)
        return opened[benchmark.name]

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Let ``-k`` match a question's type and groups, its benchmark and the name of its haystack."""
        if question := question_of(item):
            case = question.case
            item.extra_keyword_matches.update((case.benchmark, case.cluster, *keywords_of(case.gold)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Count a stand-in once."""
        self._probes.deselected(items)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say on the report of a stand-in what is missing."""
        report = yield
        carry_missing(item, report)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Let pytest select, also from what is missing; once the selection stands: open the run, or refuse it."""
        self._probes.spread(items)
        yield
        self._probes.collect(items)
        self._selected(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """``--plan`` counts questions by itself: keep pytest from listing files with numbers of tests."""
        if self._state.config.getoption("memorybench_plan"):
            session.items = []

    def _selected(self, items: list[pytest.Item]) -> None:
        state = self._state
        _drop_empty(state.config, items)
        if reason := _unusable(items):
            state.refuse(items, reason)
            return
        try:
            self._take_shard(items)
        except MemoryBenchError as error:
            state.refuse(items, str(error))
            return
        requested = list(questions_of(items))
        stand_ins = [stand_in for item in items if (stand_in := stand_in_of(item))]
        state.missing = {stand_in.benchmark.name: stand_in.reason for stand_in in stand_ins}
        self._leave_out(items)
        about = list(questions_of(items)) if state.session.second_look_at else requested
        self._begin_with_own(items)
        state.selected = list(questions_of(items))
        try:
            self._check_gate(requested, stand_ins)
            if state.collects_only or not (state.selected or (requested and state.continues)):
                return
            if state.selected and not state.is_worker:
                asked = dict.fromkeys(question.case.benchmark for question in state.selected)
                preflight(state.session, [state.benchmarks[name] for name in asked])
            self._begin_run(items, about)
        except MemoryBenchError as error:
            state.refuse(items, str(error))
            return
        except OSError as error:
            state.refuse(
                items,
                f"the run's folder {state.session.folder} cannot be written: {error.strerror}. Make it writable, or "
                "choose another folder with --runs-dir.",
            )
            return
        if not state.is_worker:
            self._begin_report(len(state.selected))

    def _check_gate(self, requested: list[SelectedQuestion], stand_ins: list[StandIn]) -> None:
        session = self._state.session
        if not (session.gating.asks and (requested or stand_ins)):
            return
        golds = [question.case.gold for question in requested]
        unread = [gold for stand_in in stand_ins for gold in stand_in.golds(session.config)]
        ids: dict[str, list[str]] = {}
        for question in requested:
            ids.setdefault(question.case.benchmark, []).append(question.case.id)
        opened = [self._state.benchmarks[name] for name in ids]
        asked = [type(one.benchmark) for one in opened]
        session.gating.check([*asked, *(stand_in.benchmark for stand_in in stand_ins)], [*golds, *unread])
        session.gating.check_baseline(opened, ids, session.participants)

    def _take_shard(self, items: list[pytest.Item]) -> None:
        """Leave out the questions of other shards; tests that are about none are in each of them."""
        mine = {question.key for question in self._state.session.take_shard(each_once(questions_of(items)))}
        self._keep(items, lambda item: (question := question_of(item)) is None or question.key in mine)

    def _begin_with_own(self, items: list[pytest.Item]) -> None:
        """Let each worker come first to the part that this place begins with; tests about no question stay put."""
        session = self._state.session

        def is_own(item: pytest.Item) -> bool:
            return (question := question_of(item)) is not None and session.is_own(question)

        asked = own_first([item for item in items if question_of(item)], is_own)
        order = iter(begin_shares(sum(map(is_own, asked)), len(asked), session.workers))
        items[:] = [asked[next(order)] if question_of(item) else item for item in items]

    def _leave_out(self, items: list[pytest.Item]) -> None:
        """Leave out what ``--lf`` need not ask."""
        source = self._state.handed or self._state.resumption
        if source is None or (not source.skip and source.only is None):
            return

        def asked(item: pytest.Item) -> bool:
            question = question_of(item)
            if question is None:
                return True
            return question.key not in source.skip and (source.only is None or question.key in source.only)

        self._keep(items, asked)

    def _keep(self, items: list[pytest.Item], wanted: Callable[[pytest.Item], bool]) -> None:
        """Deselect the other `items`."""
        deselected = [item for item in items if not wanted(item)]
        if deselected:
            items[:] = [item for item in items if wanted(item)]
            self._state.config.hook.pytest_deselected(items=deselected)


def _asks_questions(test: object) -> bool:
    """Whether the function `test` stands for the questions of a benchmark."""
    return any(True for _ in _benchmarks_of(test))


def _benchmarks_of(test: object) -> Iterator[type[Benchmark]]:
    """The benchmarks whose questions the function `test` stands for."""
    marks = getattr(test, "pytestmark", None)
    return (mark.kwargs["benchmark"] for mark in marks if mark.name == MARK) if isinstance(marks, list) else iter(())


def _unusable(items: list[pytest.Item]) -> str | None:
    """Why the data of a selected benchmark cannot be used, if so."""
    stand_ins = (stand_in for item in items if (stand_in := stand_in_of(item)))
    return next((stand_in.reason for stand_in in stand_ins if not stand_in.is_missing), None)


def _drop_empty(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop the placeholder that pytest makes where a benchmark has no question of the selection."""
    empty = {
        item
        for item in items
        if item.get_closest_marker(MARK) and not isinstance(_parameter(item), Case | StandIn | None)
    }
    if empty:
        items[:] = [item for item in items if item not in empty]
        config.hook.pytest_deselected(items=list(empty))


def _parameter(item: pytest.Item) -> object:
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return None
    parameters: dict[str, object] = item.callspec.params
    return parameters.get("question")
