"""The closing table fits 100 columns and says in words what its numbers cannot."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from syrupy.assertion import SnapshotAssertion

from reports.report.build import build_report
from reports.report.model import Report
from reports.show.summary import closing_table
from reports.store.records import AnswererRecord, JudgeRecord, QuestionRecord
from tests.reports.made_records import (
    UNANSWERABLE,
    asked,
    benchmark,
    case,
    container,
    failed,
    found,
    provider,
    run,
    sample,
    waiting,
)


def side_by_side() -> Report:
    records: list[QuestionRecord] = []
    for conversation in range(10):
        for number in range(6):
            one = case(number, conversation=conversation, **(UNANSWERABLE if number > 3 else {}))
            records.append(asked(one, "correct" if number % 3 else "wrong", found("m1", "m3"), provider="bm25"))
            records.append(asked(one, "wrong", (), provider="none"))
            records.append(asked(one, "correct" if number % 3 else "wrong", found("m3"), provider="oracle"))
    of_three = run(
        providers=(provider("none"), provider("bm25"), provider("oracle")),
        answerer=AnswererRecord(name="extractive", version="1", offline=True),
        judge=JudgeRecord(name="deterministic", protocol="deterministic-1", model=None),
    )
    return build_report(of_three, records, [])


def of_samples() -> Report:
    """A sample, one of which nothing can be said of the whole, and a benchmark with groups of its own."""
    sampled = sample(population={"temporal": 321, "multi-hop": 282}, clusters=603, chosen=12)
    by_hand = sample(description=None, population={"temporal": 75_336}, types=("temporal",), chosen=75_336)
    named = ("longmemeval_oracle", "convomem", "locomo")
    records = []
    for number in range(12):
        kind, groups = ("temporal", "multi-hop")[number % 2], (f"context-{2 if number < 6 else 30}",)
        for name in named:
            answerable = name != "convomem" or number % 3 > 0
            one = case(number, kind, conversation=number, groups=groups, answerable=answerable)
            records.append(asked(one.model_copy(update={"benchmark": name}), "correct" if number % 4 else "wrong"))
    of_three = tuple(benchmark(name, sample=kept) for name, kept in zip(named, (sampled, by_hand, None), strict=True))
    return build_report(run(benchmarks=of_three), records, [])


def unfinished() -> Report:
    """Long names and errors."""
    long = "my_package.memory_systems.with_a_long_name:MyProvider"
    sessions_only = tuple(one.model_copy(update={"message_ids": ()}) for one in found("m3"))
    two = run(providers=(provider(long), provider()), benchmarks=(benchmark(), benchmark("synthetic")), finished=None)
    elsewhere = case(3).model_copy(update={"benchmark": "synthetic"})
    mixed = [
        asked(case(1), provider=long, results=sessions_only),
        failed(case(2)),
        asked(elsewhere),
        failed(elsewhere, provider=long),
    ]
    return build_report(two, mixed, [])


REPORTS: dict[str, Callable[[], Report]] = {
    "side by side": side_by_side,
    "until search": lambda: build_report(run(until="search"), [waiting(case(1), results=found("m3"))], [container()]),
    "five results": lambda: build_report(run(top_k=5), [asked(case(1))], [container()]),
    "until ingest": lambda: build_report(run(until="ingest"), [waiting(case(1))], [container()]),
    "unfinished, long names, errors": unfinished,
    "samples and groups": of_samples,
    "nothing asked": lambda: build_report(run(), [], []),
}


@pytest.mark.parametrize("name", REPORTS)
def test_closing_table(name: str, snapshot: SnapshotAssertion) -> None:
    table = closing_table(REPORTS[name]())
    assert max(map(len, table.splitlines())) <= 100
    assert table == snapshot


def test_a_warning_that_is_about_all_results_is_said_once() -> None:
    table = closing_table(side_by_side())
    assert table.count("warning: the answers are those of extractive") == 1
    assert len(re.findall("^bm25 and oracle  no difference shown  ", table, re.MULTILINE)) == 1
    assert len(re.findall("^none and oracle  differ  ", table, re.MULTILINE)) == 1


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", REPORTS)
def test_the_table_fits_the_terminal(name: str, width: int) -> None:
    table = closing_table(REPORTS[name](), width)
    assert max(map(len, table.splitlines())) <= width
    assert ("p95 ms" in table) == (width == 140)
