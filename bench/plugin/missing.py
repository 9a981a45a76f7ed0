"""Benchmarks whose data cannot be read: tests that stand in for their questions, selected as these would be."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from itertools import product

import pytest

from bench.base import Benchmark
from bench.config import BenchmarkConfig
from vocabulary import Gold

_MISSING = "data-missing"
_CARRIER = "memorybench_missing"
"""The attribute of a report that carries what is missing from a worker to the controller, as a JSON string."""

_STAND_IN = pytest.StashKey["StandIn | None"]()


def keywords_of(gold: Gold) -> set[str]:
    """What ``-k`` matches of a question beside its name, benchmark and haystack."""
    return {gold.question_type, *gold.groups, *(() if gold.answerable else ("abstention",))}


class StandIn:
    """The parameter of a test that stands where the questions of `benchmark` would be."""

    def __init__(self, benchmark: type[Benchmark], reason: str, *, is_missing: bool) -> None:
        self.benchmark = benchmark
        self.reason = reason
        self.is_missing = is_missing

    def golds(self, config: BenchmarkConfig) -> list[Gold]:
        """A gold for each kind of question that the benchmark may have."""
        types = [name for name in self.benchmark.types if name in (config.question_type or self.benchmark.types)]
        return [
            Gold(
                question_type=question_type,
                ground_truth="",
                answerable=answerable,
                evidence_messages=("unknown",),
                evidence_sessions=("unknown",),
            )
            for question_type, answerable in product(types, (True, False))
        ]

    def keywords(self, config: BenchmarkConfig) -> Iterator[set[str]]:
        """What ``-k`` could select a question of the benchmark by, for each provider and kind of question."""
        for provider, gold in product(config.provider, self.golds(config)):
            yield {self.benchmark.name, provider, *keywords_of(gold)}


def parametrize(metafunc: pytest.Metafunc, stand_in: StandIn, config: BenchmarkConfig) -> None:
    """Make the test of a benchmark that `stand_in` replaces; none if no question of it would be selected."""
    marks = [pytest.mark.skip(reason=stand_in.reason)] if stand_in.is_missing else []
    name = _MISSING if stand_in.is_missing else "data-unusable"
    cases = [pytest.param("", stand_in, id=name, marks=marks)] if any(stand_in.keywords(config)) else []
    metafunc.parametrize(("memory", "question"), cases, indirect=True)


def stands_in(node_id: str) -> bool:
    """Whether the test of that id stands for missing data, and asks nothing."""
    return node_id.endswith(f"[{_MISSING}]")


def stand_in_of(item: pytest.Item) -> StandIn | None:
    """What stands for the questions in this item; None for any other item."""
    if _STAND_IN not in item.stash:
        callspec = getattr(item, "callspec", None)
        parameter = callspec.params.get("question") if callspec else None
        item.stash[_STAND_IN] = parameter if isinstance(parameter, StandIn) else None
    return item.stash[_STAND_IN]


def carry_missing(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put on the report which benchmark was not measured, and why."""
    stand_in = stand_in_of(item)
    if stand_in is not None and report.skipped:
        setattr(report, _CARRIER, json.dumps([stand_in.benchmark.name, stand_in.reason]))


def missing_of(report: pytest.TestReport) -> tuple[str, str] | None:
    """The benchmark that a report says was not measured, and why."""
    carried = getattr(report, _CARRIER, None)
    if not carried:
        return None
    name, reason = json.loads(carried)
    return name, reason


class Probes:
    """While pytest selects, each stand-in is several items: one for each kind of question that its benchmark has.

    So ``-k "locomo and temporal"`` selects the stand-in of LoCoMo, and a benchmark without that type is left out.
    """

    def __init__(self, config: BenchmarkConfig) -> None:
        self._config = config
        self._original: dict[pytest.Item, pytest.Item] = {}

    def spread(self, items: list[pytest.Item]) -> None:
        """Put the probes of each stand-in in its place."""
        items[:] = [one for item in items for one in self._probes(item)]

    def collect(self, items: list[pytest.Item]) -> None:
        """Put a stand-in back where the first of its probes was selected."""
        items[:] = dict.fromkeys(self._original.get(item, item) for item in items)

    def deselected(self, items: list[pytest.Item]) -> None:
        """Count a stand-in as deselected with the last of its probes."""
        gone = [self._original.pop(item, item) for item in items]
        left = set(self._original.values())
        items[:] = dict.fromkeys(item for item in gone if item not in left)

    def _probes(self, item: pytest.Item) -> Iterable[pytest.Item]:
        stand_in = stand_in_of(item)
        if stand_in is None:
            return [item]
        probes = []
        for keywords in stand_in.keywords(self._config):
            probe = copy.copy(item)
            probe.extra_keyword_matches = item.extra_keyword_matches | keywords
            self._original[probe] = item
            probes.append(probe)
        return probes
