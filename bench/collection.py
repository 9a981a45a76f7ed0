"""From benchmarks to tests: one item for each question and provider, found by type, haystack and id."""

from __future__ import annotations

import pytest

from bench.base import Benchmark
from bench.config import BenchmarkConfig
from bench.fixtures import provider_and_case
from bench.selection import select_from
from schema import Case, DataError, DataMissingError

MARK = "benchmark_questions"
_MISSING = "data-missing"


class Unusable:
    """Stands where questions would be if the data could be read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Collection:
    """The benchmarks that were opened, and what was wrong with the others."""

    def __init__(self, config: BenchmarkConfig) -> None:
        self._config = config
        self.benchmarks: dict[str, Benchmark] = {}
        self._cases: dict[str, tuple[Case, ...]] = {}

    def parametrize(self, metafunc: pytest.Metafunc) -> None:
        """Make a test of each question of the benchmark that the function is marked with."""
        mark = metafunc.definition.get_closest_marker(MARK)
        if mark is None:
            return
        benchmark: type[Benchmark] = mark.kwargs["benchmark"]
        try:
            cases = self._open(benchmark)
        except DataMissingError as error:
            self._stand_in(metafunc, _MISSING, str(error), pytest.mark.skip(reason=str(error)))
        except DataError as error:
            self._stand_in(metafunc, "data-unusable", str(error))
        else:
            providers = tuple(dict.fromkeys(self._config.provider))
            metafunc.parametrize("memory", providers, indirect=True, ids=providers)
            metafunc.parametrize("question", cases, indirect=True, ids=[case.id for case in cases])

    def _open(self, benchmark: type[Benchmark]) -> tuple[Case, ...]:
        if benchmark.name not in self._cases:
            opened = benchmark(self._config.benchmark_options)
            self._cases[benchmark.name] = select_from(opened, self._config).cases
            self.benchmarks[benchmark.name] = opened
        return self._cases[benchmark.name]

    def _stand_in(self, metafunc: pytest.Metafunc, name: str, reason: str, *marks: pytest.MarkDecorator) -> None:
        case = pytest.param("", Unusable(reason), id=name, marks=marks)
        metafunc.parametrize(("memory", "question"), [case], indirect=True)


def asks_questions(test: object) -> bool:
    """Whether the function `test` stands for the questions of a benchmark."""
    marks = getattr(test, "pytestmark", None)
    return isinstance(marks, list) and any(mark.name == MARK for mark in marks)


def add_keywords(item: pytest.Item) -> None:
    """Let ``-k`` find a question by its type and groups, its benchmark and what its haystack is called."""
    if found := provider_and_case(item):
        _provider, case = found
        item.extra_keyword_matches.update((case.benchmark, case.gold.question_type, case.cluster, *case.gold.groups))
        if not case.gold.answerable:
            item.extra_keyword_matches.add("abstention")


def unusable(items: list[pytest.Item]) -> str | None:
    """Why the data of a selected benchmark cannot be used, if so."""
    for item in items:
        stand_in = _question(item)
        if isinstance(stand_in, Unusable) and not item.get_closest_marker("skip"):
            return stand_in.reason
    return None


def stands_in(node_id: str) -> bool:
    """Whether the test of that id says that data are missing, and asks nothing."""
    return node_id.endswith(f"[{_MISSING}]")


def drop_empty(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop the placeholder that pytest makes where a benchmark has no question of what was asked for."""
    empty = [item for item in items if item.get_closest_marker(MARK) and _placeholder(item)]
    if empty:
        items[:] = [item for item in items if item not in empty]
        config.hook.pytest_deselected(items=empty)


def _placeholder(item: pytest.Item) -> bool:
    question = _question(item)
    return question is not None and not isinstance(question, Case | Unusable)


def _question(item: pytest.Item) -> object:
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return None
    parameters: dict[str, object] = item.callspec.params
    return parameters.get("question")
