"""LongMemEval's accuracies as its own script prints them, from verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from reports.metrics.official_accuracy import longmemeval_accuracy
from reports.report.build import build_report
from reports.store.records import QuestionRecord
from tests.reports.made_records import asked, benchmark, case, failed, run

TYPES = ("multi-session", "temporal-reasoning", "knowledge-update")


def official(records: list[QuestionRecord], **changes: Any) -> Any:  # Any: fields of the run; parsed JSON
    values = {"benchmarks": (benchmark(types=TYPES, official_accuracy="longmemeval", official_f1=None),), **changes}
    (result,) = build_report(run(**values), records, []).model_dump(mode="json")["results"]
    return result["official_accuracy"]


def test_each_type_weighs_the_same_and_abstention_counts_inside_its_type() -> None:
    cannot: dict[str, Any] = {"answerable": False, "category": None}
    records = [
        asked(case(1, TYPES[0]), "correct"),
        asked(case(2, TYPES[0]), "correct"),
        asked(case(3, TYPES[0]), "correct"),
        asked(case(4, TYPES[0], **cannot), "wrong"),
        asked(case(5, TYPES[1]), "abstained"),
        asked(case(6, TYPES[1], **cannot), "correct"),
        failed(case(7, TYPES[2]), "judge", "JudgeError"),
    ]
    assert official(records) == {
        "longmemeval": {
            "overall": {"value": pytest.approx(4 / 7, abs=1e-6), "n": 7},
            "task_averaged": {"value": pytest.approx((3 / 4 + 1 / 2 + 0) / 3, abs=1e-6), "n": 3},
            "abstention": {"value": 0.5, "n": 2},
        }
    }


def test_the_sizes_of_the_published_file() -> None:
    """A reader that is right about everything but one type, and about 12 of the 30 that cannot be answered."""
    sizes = {"a": 70, "b": 56, "c": 30, "d": 78, "e": 133, "f": 133}
    found = longmemeval_accuracy({name: (n * (name != "c"), n) for name, n in sizes.items()}, (12, 30))
    assert found.overall.value == pytest.approx(470 / 500)
    assert found.task_averaged.value == pytest.approx(5 / 6)
    assert (found.abstention.value, found.abstention.n) == (0.4, 30)


def test_what_was_not_asked_has_no_value() -> None:
    alone = official([asked(case(1, TYPES[0]), "correct")])["longmemeval"]
    assert alone["abstention"] == {"value": None, "n": 0}
    assert alone["task_averaged"] == {"value": 1.0, "n": 1}


def test_only_where_the_benchmark_asks_for_it_and_something_was_judged() -> None:
    assert official([asked(case(1), "correct")], benchmarks=(benchmark(),)) == {}
    assert official([asked(case(1), None)], until="answer") == {}
