"""Which questions are asked does not depend on order, machine or process."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from bench.config import BenchmarkConfig
from bench.selection import check_types, describe_selection, select
from schema import Case, Gold, Question, UnknownNameError

ROOT = Path(__file__).resolve().parents[2]
TYPES = ("temporal", "single-hop", "multi-hop")


def cases(count: int = 60) -> list[Case]:
    return [
        Case(
            id=f"q{number}", source_id=str(number), benchmark="made", haystack="h", cluster="c",
            question=Question(id=f"o{number}", text="?"),
            gold=Gold(question_type=TYPES[number % 3], ground_truth=""),
        )
        for number in range(count)
    ]  # fmt: skip


def chosen(of: list[Case], **options: object) -> list[str]:
    return [case.id for case in select(of, BenchmarkConfig.model_validate(options))]


def test_everything_is_asked_unless_something_is_chosen() -> None:
    assert chosen(cases()) == [case.id for case in cases()]
    assert describe_selection(BenchmarkConfig()) is None


def test_a_sample_has_its_size_of_each_type_in_the_data_s_order() -> None:
    sample = select(cases(), BenchmarkConfig(sample=4))
    assert [case.gold.question_type for case in sample].count("temporal") == 4
    assert len(sample) == 12
    numbers = [int(case.source_id) for case in sample]
    assert numbers == sorted(numbers)
    assert chosen(cases(), sample=1000) == chosen(cases()), "a type with fewer is taken whole"


def test_a_sample_does_not_depend_on_the_order_of_the_cases() -> None:
    shuffled = cases()
    random.Random(3).shuffle(shuffled)
    assert sorted(chosen(shuffled, sample=5)) == sorted(chosen(cases(), sample=5))


def test_a_sample_is_drawn_by_its_seed_and_a_larger_one_contains_a_smaller_one() -> None:
    seeds = {tuple(chosen(cases(), sample=3, sample_seed=seed)) for seed in range(20)}
    assert len(seeds) == 20
    assert set(chosen(cases(), sample=3)) < set(chosen(cases(), sample=6))


def test_each_question_is_as_likely_as_another() -> None:
    drawn = [id_ for seed in range(300) for id_ in chosen(cases(), sample=5, sample_seed=seed)]
    counts = [drawn.count(case.id) for case in cases()]
    assert min(counts) > 40  # 75 expected, standard deviation 7.5
    assert max(counts) < 110


def test_a_sample_is_the_same_in_every_process() -> None:
    script = (
        "import sys; sys.path.insert(0, 'tests/bench'); from test_question_selection import *; "
        "print(chosen(cases(), sample=3, sample_seed=7))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]  # fmt: skip
    assert printed == [str(chosen(cases(), sample=3, sample_seed=7))] * 2


def test_the_sample_of_a_seed_never_changes() -> None:
    assert chosen(cases(), sample=2) == ["q14", "q17", "q28", "q37", "q54", "q57"]


def test_types_then_sample_then_limit() -> None:
    assert chosen(cases(), limit=3) == ["q0", "q1", "q2"]
    assert chosen(cases(9), question_type=("temporal",)) == ["q0", "q3", "q6"]
    assert chosen(cases(9), question_type=("multi-hop", "temporal"), limit=3) == ["q0", "q2", "q3"]
    sample = chosen(cases(), sample=4, question_type=("temporal",))
    assert set(sample) < set(chosen(cases(), sample=4))
    assert chosen(cases(), sample=4, question_type=("temporal",), limit=2) == sample[:2]
    assert describe_selection(BenchmarkConfig(sample=4, question_type=("temporal",), limit=2)) == (
        "only the types temporal, a sample of 4 questions of each type (seed 0), the first 2 questions"
    )


def test_a_type_that_no_benchmark_has_is_refused_with_the_nearest_one() -> None:
    check_types(BenchmarkConfig(question_type=("temporal", "multi-hop")), TYPES)
    with pytest.raises(UnknownNameError, match=r"unknown question type 'temporel'\. Did you mean 'temporal'"):
        check_types(BenchmarkConfig(question_type=("temporel",)), TYPES)
