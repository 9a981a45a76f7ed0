"""Which questions are asked does not depend on order, machine or process."""

from __future__ import annotations

import os
import random
import sys

import pytest

from bench.config import BenchmarkConfig
from bench.pipeline.selection import check_types, describe_selection, select
from reports.store import SampleRecord
from tests.known import known
from tests.processes import run as run_process
from tests.repository import ROOT
from vocabulary import Case, Gold, Question, UnknownNameError

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
    return [case.id for case in select(of, BenchmarkConfig.model_validate(options), TYPES).cases]


def test_everything_is_asked_unless_something_is_chosen() -> None:
    assert chosen(cases()) == [case.id for case in cases()]
    assert describe_selection(BenchmarkConfig()) is None


def test_a_sample_has_its_size_of_each_type_in_the_data_s_order() -> None:
    sample = select(cases(), BenchmarkConfig(sample=4)).cases
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


@pytest.mark.long
def test_a_sample_is_the_same_in_every_process() -> None:
    script = (
        "from tests.bench.pipeline.test_question_selection import *; print(chosen(cases(), sample=3, sample_seed=7))"
    )
    printed = [
        run_process(
            [sys.executable, "-c", script],
            cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, check=True,
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
        "only the types temporal, a sample of 4 questions of each type (seed 0), at most 2 questions"
    )


def grouped(**sizes: int) -> list[Case]:
    """So many questions of each type, one type after the other."""
    kinds = [kind.replace("_", "-") for kind, size in sizes.items() for _ in range(size)]
    plain = cases(len(kinds))
    return [
        case.model_copy(update={"gold": case.gold.model_copy(update={"question_type": kind})})
        for case, kind in zip(plain, kinds, strict=True)
    ]


def seats(of: list[Case], limit: int, order: tuple[str, ...] = TYPES) -> dict[str, int]:
    selected = select(of, BenchmarkConfig(limit=limit), order).cases
    assert len(selected) == min(limit, len(of))
    assert [case for case in of if case in selected] == list(selected), "in the data's order"
    return {kind: sum(case.gold.question_type == kind for case in selected) for kind in order}


LONGMEMEVAL_S = [
    ("user", 70), ("multi", 62), ("preference", 30), ("multi", 71), ("temporal", 133), ("update", 78),
    ("assistant", 56),
]  # fmt: skip
"""The types in the order of the published file."""


def test_the_first_ones_are_taken_in_proportion_where_they_would_be_of_one_type() -> None:
    of = [
        case.model_copy(update={"id": f"{kind}-{place}-{number}", "gold": Gold(question_type=kind, ground_truth="")})
        for place, (kind, size) in enumerate(LONGMEMEVAL_S)
        for number, case in enumerate(cases(size))
    ]
    order = ("user", "assistant", "preference", "multi", "update", "temporal")
    # 500 questions: 20 times 70, 56, 30, 133, 78, 133 by 500 are 2.8, 2.24, 1.2, 5.32, 3.12, 5.32
    assert seats(of, 20, order) == {
        "user": 3, "assistant": 2, "preference": 1, "multi": 6, "update": 3, "temporal": 5,
    }  # fmt: skip
    assert seats(of, 6, order) == dict.fromkeys(order, 1), "none is left out that there is a place for"
    assert seats(of, 3, order) == {
        "user": 0, "assistant": 0, "preference": 0, "multi": 1, "update": 1, "temporal": 1,
    }  # fmt: skip
    assert seats(of, 500, order) == {
        "user": 70, "assistant": 56, "preference": 30, "multi": 133, "update": 78, "temporal": 133,
    }  # fmt: skip
    first = select(of, BenchmarkConfig(limit=20), order)
    assert [case.id for case in first.cases if "multi" in case.id] == [f"multi-1-{number}" for number in range(6)]
    assert first.sample.description == (
        "the first 20 questions would all be user, so 20 in proportion to the types instead"
    )  # fmt: skip


def unanswerable(case: Case) -> Case:
    return case.model_copy(update={"gold": case.gold.model_copy(update={"answerable": False})})


def test_the_first_ones_of_a_type_have_their_share_of_unanswerable_questions() -> None:
    """LongMemEval's unanswerable questions stand at the end of their types."""
    of = grouped(temporal=70, single_hop=30)
    of[60:70] = map(unanswerable, of[60:70])
    few = select(of, BenchmarkConfig(limit=20))
    assert [case.gold.answerable for case in few.cases] == [True] * 12 + [False] * 2 + [True] * 6
    assert few.sample.description == (
        "the first 20 questions would all be temporal, "
        "so 20 in proportion to the types and their unanswerable questions instead"
    )
    least = select(of, BenchmarkConfig(limit=2))
    assert [case.id for case in least.cases] == ["q0", "q70"], "half of a type is not unanswerable"
    assert known(least.sample.description).endswith("their unanswerable questions instead, no unanswerable question")


def test_a_choice_that_leaves_out_all_unanswerable_questions_says_so() -> None:
    of = grouped(temporal=20, single_hop=20)
    of[19] = unanswerable(of[19])
    assert select(of, BenchmarkConfig(limit=30)).sample.description == "the first 30 questions"
    of[19], of[39] = of[39], unanswerable(of[39])
    first = select(of, BenchmarkConfig(limit=30)).sample
    assert first.description == "the first 30 questions, no unanswerable question"
    drawn = select(of, BenchmarkConfig(sample=1)).sample
    assert drawn.description == "a sample of 1 question of each type (seed 0), no unanswerable question"
    others = select(of, BenchmarkConfig(question_type=("temporal",), limit=3)).sample
    assert others.description == "only the types temporal, the first 3 questions", "there is none of that type"


def test_ties_fall_to_the_type_that_comes_first_in_the_benchmark() -> None:
    of = grouped(multi_hop=20, single_hop=20, temporal=20)
    assert seats(of, 4) == {"temporal": 2, "single-hop": 1, "multi-hop": 1}
    assert seats(of, 5) == {"temporal": 2, "single-hop": 2, "multi-hop": 1}
    assert seats(of, 4, ("multi-hop", "single-hop", "temporal"))["multi-hop"] == 2


def test_the_first_ones_stay_the_first_ones_where_that_says_something() -> None:
    of = grouped(temporal=20, single_hop=20)
    assert chosen(of, limit=21) == [case.id for case in of[:21]], "two types"
    assert chosen(of, limit=1) == ["q0"], "one question is of one type anyhow"
    assert chosen(of, limit=3, question_type=("temporal",)) == ["q0", "q1", "q2"], "one type was asked for"
    assert chosen(of, limit=2, sample=3) != chosen(of, sample=3)[:2], "a sample of several types is shared out too"
    assert chosen(of, limit=100) == [case.id for case in of]


def test_what_is_said_of_a_choice_is_what_an_estimate_needs() -> None:
    of = [case.model_copy(update={"cluster": f"c{number // 6}"}) for number, case in enumerate(cases())]
    whole = select(of, BenchmarkConfig(), TYPES).sample
    assert whole == SampleRecord(
        description=None, population=dict.fromkeys(TYPES, 20), types=TYPES, clusters=10, chosen=60, drawn=False
    )
    assert list(whole.population) == list(TYPES)
    drawn = select(of, BenchmarkConfig(sample=4, sample_seed=9), TYPES).sample
    assert (drawn.description, drawn.chosen, drawn.drawn) == ("a sample of 4 questions of each type (seed 9)", 12, True)
    assert select(of, BenchmarkConfig(sample=4, limit=5), TYPES).sample.drawn is False
    assert select(of, BenchmarkConfig(sample=4, limit=50), TYPES).sample.drawn is True, "nothing was cut off"
    some = select(of[:30], BenchmarkConfig(question_type=("multi-hop",), limit=3), TYPES).sample
    assert (some.description, some.types, some.clusters) == (
        "only the types multi-hop, the first 3 questions",
        TYPES[2:],
        5,
    )
    assert some.population == dict.fromkeys(TYPES, 10), "the benchmark's, whatever was asked for"
    assert select(of, BenchmarkConfig(limit=60), TYPES).sample.description is None
    assert select(of, BenchmarkConfig(sample=20), TYPES).sample.description is None


def test_what_changes_the_haystacks_is_told_too() -> None:
    assert describe_selection(BenchmarkConfig(as_of=True)) == "without sessions dated after the question"
    assert describe_selection(BenchmarkConfig(context_size=(30,))) == "haystacks of 30 conversations"
    assert describe_selection(BenchmarkConfig(context_size=(2, 5, 30), limit=1)) == (
        "at most 1 question, haystacks of 2, 5 or 30 conversations"
    )
    assert describe_selection(BenchmarkConfig(context_size=(1,))) == "haystacks of 1 conversation"


def test_a_type_that_no_benchmark_has_is_refused_with_the_nearest_one() -> None:
    check_types(BenchmarkConfig(question_type=("temporal", "multi-hop")), TYPES)
    with pytest.raises(UnknownNameError, match=r"unknown question type 'temporel'\. Did you mean 'temporal'"):
        check_types(BenchmarkConfig(question_type=("temporel",)), TYPES)


def clustered(haystacks: int = 10) -> list[Case]:
    return [
        case.model_copy(update={"haystack": f"h{number % haystacks}", "cluster": f"c{number % haystacks}"})
        for number, case in enumerate(cases(120))
    ]


def test_the_two_parts_share_no_haystack_and_leave_nothing_out() -> None:
    whole = clustered()
    parts = {name: select(whole, BenchmarkConfig(part=name), TYPES) for name in ("tune", "holdout")}
    haystacks = {name: {case.haystack for case in part.cases} for name, part in parts.items()}
    assert (len(haystacks["tune"]), len(haystacks["holdout"])) == (6, 4)
    assert not haystacks["tune"] & haystacks["holdout"]
    assert sum(len(part.cases) for part in parts.values()) == len(whole)
    assert parts["holdout"].sample.description == "the holdout part (4 of 10 clusters, seed 0)"


def test_another_seed_divides_otherwise_and_the_order_of_the_data_does_not() -> None:
    whole = clustered()
    mixed = random.Random(5).sample(whole, len(whole))
    assert set(chosen(mixed, part="tune")) == set(chosen(whole, part="tune"))
    assert len({tuple(chosen(whole, part="tune", part_seed=seed)) for seed in range(5)}) > 1


def test_one_haystack_is_divided_by_questions_within_each_type() -> None:
    tuned, held = (chosen(cases(), part=name) for name in ("tune", "holdout"))
    assert sorted((*tuned, *held)) == sorted(chosen(cases()))
    assert (len(tuned), len(held)) == (36, 24)
    assert len(chosen(cases(), part="tune", question_type=("temporal",))) == 12


def test_a_part_is_described() -> None:
    assert describe_selection(BenchmarkConfig(part="holdout", part_seed=3)) == "only the holdout part (seed 3)"
