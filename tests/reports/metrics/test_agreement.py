"""What several judges say: each for itself, their agreement beyond chance, and how steady each of them is."""

from __future__ import annotations

import json
import math
import random
import statistics
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.metrics.agreement import cohen, cohen_kappa, fleiss, judge_noise
from reports.report.build import build_report
from reports.report.model import Report, without_clock_fields
from reports.show.summary import closing_table
from reports.store.records import JudgeRecord, QuestionRecord, RecordedVote, Step, StepError
from reports.store.votes import majority
from tests.reports.made_records import asked, benchmark, case, container, failed, run, waiting
from vocabulary import Usage, Verdict, VerdictLabel, Vote

LABELS: tuple[VerdictLabel, ...] = ("correct", "wrong", "abstained")
labels = st.sampled_from(LABELS)


# --- kappa ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(labels, labels), min_size=1, max_size=60))
def test_cohens_kappa_is_that_of_scikit_learn(pairs: list[tuple[VerdictLabel, VerdictLabel]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    found = cohen(Counter(pairs))
    first, second = zip(*pairs, strict=True)
    assert found.n == len(pairs)
    assert found.agreed == pytest.approx(sum(one == other for one, other in pairs) / len(pairs))
    assert cohen_kappa(first, second) == found.value
    if len({*first, *second}) == 1:
        assert found.value is None
        assert found.reason == "all labels are identical"
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn warns where it divides by zero
            theirs = cohen_kappa_score(first, second)
        assert found.value == pytest.approx(theirs, abs=1e-12)
        assert found.reason is None


def test_cohens_kappa_of_a_textbook_table() -> None:
    """Two readers of 50 proposals: both yes 20, both no 15, P = 0.7, E = 0.5."""
    table = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    assert cohen(table).value == pytest.approx(0.4, abs=1e-15)


PSYCHIATRISTS = (
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
)  # fmt: skip
"""Fourteen raters, ten subjects, five categories: the worked example that textbooks pass on, kappa 0.210."""


def test_fleiss_kappa_of_a_worked_example() -> None:
    patterns = Counter(tuple(label for label, n in enumerate(row) for _ in range(n)) for row in PSYCHIATRISTS)
    found = fleiss(patterns)
    assert found.n == 10
    assert found.agreed == pytest.approx(0.378, abs=5e-4)
    assert found.value == pytest.approx(0.210, abs=5e-4)


def fleiss_by_hand(items: Sequence[tuple[VerdictLabel, ...]]) -> float:
    """The definition, pair by pair: agreement within items against agreement of any two labels, drawn with return."""
    within = [[one == other for one, other in combinations(item, 2)] for item in items]
    agreed = sum(sum(pairs) / len(pairs) for pairs in within) / len(items)
    given_labels = [label for item in items for label in item]
    chance = sum(one == other for one, other in product(given_labels, repeat=2)) / len(given_labels) ** 2
    return (agreed - chance) / (1 - chance)


@given(
    st.integers(2, 5).flatmap(lambda raters: st.lists(st.tuples(*[labels] * raters), min_size=1, max_size=12)),
    st.randoms(use_true_random=False),
)
def test_fleiss_kappa_is_its_definition_in_whatever_order(
    items: list[tuple[VerdictLabel, ...]], chance: random.Random
) -> None:
    found = fleiss(Counter(items))
    chance.shuffle(items)
    assert fleiss(Counter(items)) == found
    if len({label for item in items for label in item}) == 1:
        assert (found.value, found.agreed, found.n) == (None, 1.0, len(items))
        assert found.reason
    else:
        assert found.value == pytest.approx(fleiss_by_hand(items), abs=1e-9)


def test_what_nobody_labelled_has_no_kappa() -> None:
    for found in (cohen({}), fleiss({})):
        assert (found.value, found.agreed, found.n) == (None, None, 0)
        assert found.reason == "no answer was labelled by every judge"


def test_labels_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \[2, 3\]"):
        fleiss({("correct", "wrong"): 1, ("correct", "wrong", "wrong"): 1})
    with pytest.raises(ValueError, match=r"two or more: got \[1\]"):
        fleiss({("correct",): 3})
    with pytest.raises(ValueError, match="zip"):
        cohen_kappa(["correct"], [])


def test_a_grader_that_changes_its_mind() -> None:
    found = judge_noise({("wrong", "wrong"): 6, ("wrong", "correct"): 1, ("abstained", "wrong"): 1}, [0.1, 0.2])
    assert (found.changed, found.n, found.repeats) == (0.25, 8, 2)
    assert judge_noise({}, [0.1, 0.2]).changed is None


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_the_standard_deviation_is_that_of_a_sample(values: list[float]) -> None:
    found = judge_noise({}, values).accuracy_sd
    assert math.isclose(found, float(np.std(values, ddof=1)), rel_tol=1e-6, abs_tol=1e-9)


# --- the majority --------------------------------------------------------------------------------------------------


@given(st.lists(labels, min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_correct_needs_more_than_half_of_the_votes(votes: list[VerdictLabel], chance: random.Random) -> None:
    found = majority(votes)
    assert (found == "correct") == (votes.count("correct") > len(votes) / 2)
    assert found in votes, "somebody said so"
    chance.shuffle(votes)
    assert majority(votes) == found


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        (("correct", "wrong"), "wrong"),
        (("correct", "abstained"), "abstained"),
        (("correct", "correct", "wrong", "abstained"), "wrong"),
        (("wrong", "abstained"), "wrong"),
        (("correct", "correct", "wrong"), "correct"),
    ],
)
def test_a_tie_is_not_correct(votes: tuple[VerdictLabel, ...], label: VerdictLabel) -> None:
    assert majority(votes) == label


def test_no_votes_have_no_majority() -> None:
    with pytest.raises(ValueError, match="no majority"):
        majority([])


# --- in the report -------------------------------------------------------------------------------------------------

TWO = (JudgeRecord(name="a", protocol="strict/1", model="a-1"), JudgeRecord(name="b", protocol="strict/1", model=None))


def voted(number: int, votes: dict[str, list[VerdictLabel]], *, fault: bool = False) -> QuestionRecord:
    """A question with these votes of each judge; without a verdict if one more vote failed."""
    recorded = tuple(
        RecordedVote(
            vote=Vote(judge=name, repeat=repeat, label=label, explanation="", model=f"{name}-served"),
            service_ms=10.0 + repeat,
        )
        for name, given_labels in votes.items()
        for repeat, label in enumerate(given_labels)
    )
    every = [one.vote.label for one in recorded]
    plain = failed(case(number), "judge", "ModelError") if fault else asked(case(number), majority(every))
    update: dict[str, object] = {"votes": recorded}
    if not fault:
        label = majority(every)
        update["verdict"] = Verdict(label=label, explanation="", votes=tuple(one.vote for one in recorded))
    return plain.model_copy(update=update)


def reported(records: list[QuestionRecord], judges: tuple[JudgeRecord, ...] = TWO) -> Report:
    return build_report(run(benchmarks=(benchmark(judges=judges, answer_prompt="locomo/1"),)), records, [container()])


def as_json(report: Report) -> Any:  # Any: parsed JSON
    return json.loads(report.model_dump_json())["results"][0]


def test_each_judge_has_its_own_accuracy_over_the_same_denominator() -> None:
    result = as_json(
        reported(
            [
                voted(1, {"a": ["correct"], "b": ["correct"]}),
                voted(2, {"a": ["correct"], "b": ["wrong"]}),
                voted(3, {"a": ["wrong"], "b": ["wrong"]}),
                voted(4, {"a": ["correct"]}, fault=True),
                waiting(case(5)),
            ]
        )
    )
    assert result["accuracy"]["correct"] == 1
    assert result["questions"]["errors"] == 1
    first, second = result["judges"]
    assert (first["name"], first["protocol"], first["model"], first["models_served"]) == (
        "a", "strict/1", "a-1", ["a-served"],
    )  # fmt: skip
    assert (first["votes"], first["accuracy"]["correct"], first["accuracy"]["n"]) == (4, 3, 5), "a vote that was given"
    assert (second["votes"], second["accuracy"]["correct"], second["accuracy"]["n"]) == (3, 1, 5)
    assert first["accuracy"]["ci95"][0] < first["accuracy"]["value"] < first["accuracy"]["ci95"][1]
    assert first["latency_ms"]["n"] == 4
    assert (first["by_repeat"], first["noise"]) == ([], None)
    assert result["answer_prompt"] == "locomo/1"


def test_the_verdicts_of_several_are_those_of_their_majority() -> None:
    judge = as_json(reported([voted(1, {"a": ["correct"], "b": ["correct"]})]))["judge"]
    assert (judge["name"], judge["protocol"], judge["model"]) == ("majority of a, b", "strict/1", None)
    lenient = (TWO[0], TWO[1].model_copy(update={"protocol": "lenient/2"}))
    judge = as_json(reported([voted(1, {"a": ["correct"], "b": ["correct"]})], lenient))["judge"]
    assert judge["protocol"] == "strict/1, lenient/2"


def test_agreement_is_over_what_both_labelled() -> None:
    from sklearn.metrics import cohen_kappa_score

    table: dict[tuple[VerdictLabel, VerdictLabel], int] = {
        ("correct", "correct"): 5, ("correct", "wrong"): 2, ("wrong", "wrong"): 3, ("abstained", "abstained"): 1,
    }  # fmt: skip
    rows = [pair for pair, count in table.items() for _ in range(count)]
    records = [voted(number, {"a": [one], "b": [other]}) for number, (one, other) in enumerate(rows)]
    records += [voted(50, {"a": ["wrong"]}, fault=True), waiting(case(51))]
    agreement = as_json(reported(records))["agreement"]
    (pair,) = agreement["pairs"]
    assert (pair["first"], pair["second"], pair["n"], agreement["n"]) == ("a", "b", 11, 11)
    assert pair["agreed"] == pytest.approx(9 / 11, abs=1e-6)
    assert pair["cohen_kappa"] == pytest.approx(cohen_kappa_score(*zip(*rows, strict=True)), abs=1e-6)
    assert agreement["fleiss_kappa"] == pytest.approx(fleiss_by_hand(rows), abs=1e-6)
    assert pair["reason"] is agreement["reason"] is None


def test_judges_that_say_the_same_of_everything_have_no_kappa_and_a_reason() -> None:
    agreement = as_json(reported([voted(n, {"a": ["correct"], "b": ["correct"]}) for n in range(4)]))["agreement"]
    assert agreement["fleiss_kappa"] is agreement["pairs"][0]["cohen_kappa"] is None
    assert agreement["pairs"][0]["agreed"] == 1.0
    assert "all labels are identical" == agreement["reason"] == agreement["pairs"][0]["reason"]


def test_repeats_show_a_judges_own_noise() -> None:
    votes: list[list[VerdictLabel]] = [
        ["correct", "correct", "correct"],
        ["correct", "wrong", "correct"],
        ["wrong", "wrong", "wrong"],
        ["wrong", "abstained", "wrong"],
    ]
    records = [voted(number, {"a": one}) for number, one in enumerate(votes)]
    records.append(voted(9, {"a": ["correct", "correct"]}, fault=True))
    result = as_json(reported(records, TWO[:1]))
    (judge,) = result["judges"]
    assert result["judge"]["name"] == "a"
    assert result["agreement"] is None
    assert judge["votes"] == 14
    assert judge["accuracy"]["correct"] == 3
    assert [one["correct"] for one in judge["by_repeat"]] == [3, 2, 2]
    assert {one["n"] for one in judge["by_repeat"]} == {5}
    noise = judge["noise"]
    assert (noise["repeats"], noise["n"], noise["changed"]) == (3, 4, 0.5)
    assert noise["accuracy_sd"] == pytest.approx(statistics.stdev([0.6, 0.4, 0.4]), abs=1e-6)


def test_a_single_judge_stands_in_the_list_too() -> None:
    fault = Step(phase="judge", error=StepError(type="JudgeError", message="said nothing"))
    records = [asked(case(1)), asked(case(2), "wrong"), failed(case(3)), asked(case(4), None, steps=(fault,))]
    result = as_json(build_report(run(), records, [container()]))
    (judge,) = result["judges"]
    assert (judge["name"], judge["votes"], judge["noise"]) == (result["judge"]["name"], 2, None)
    assert judge["accuracy"] == result["accuracy"]
    assert judge["latency_ms"] == result["latency_ms"]["judge"]
    assert result["agreement"] is None
    assert result["answer_prompt"] == ""


def test_what_was_not_to_be_judged_has_no_accuracy_of_a_judge() -> None:
    report = build_report(run(until="search"), [waiting(case(1))], [])
    assert [judge.accuracy for judge in report.results[0].judges] == [None]


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_questions_does_not_show(chance: random.Random) -> None:
    records = [
        voted(number, {"a": [LABELS[number % 3], "wrong"], "b": [LABELS[number % 2], "correct"]})
        for number in range(9)
    ]  # fmt: skip
    whole = reported(records).model_dump_json()
    chance.shuffle(records)
    assert without_clock_fields(json.loads(reported(records).model_dump_json())) == without_clock_fields(
        json.loads(whole)
    )


def test_the_table_has_a_line_for_each_judge_and_their_kappa() -> None:
    records = [
        voted(number, {"a": [LABELS[number % 2]] * 2, "b": [LABELS[number % 3], "correct"]}) for number in range(12)
    ]
    table = closing_table(reported(records)).replace("\n  ", " ")
    (line,) = [line for line in table.splitlines() if line.startswith("judge a")]
    assert line.startswith("judge a: 0.500 [")
    assert "2 votes a question, which differ for 0.0%, standard deviation of accuracy 0.000" in line
    (line,) = [line for line in table.splitlines() if line.startswith("judge b")]
    assert "differ for 66.7%" in line
    assert "kappa of the judges, n=12: a and b " in table
    assert "kappa" not in closing_table(reported([asked(case(1))], TWO[:1]))
    assert "judge a" not in closing_table(reported([asked(case(1))], TWO[:1]))


def test_what_votes_used_is_no_secret() -> None:
    record = voted(1, {"a": ["correct"], "b": ["wrong"]})
    used = Usage(input_tokens=7, output_tokens=1)
    steps = (*record.steps[:2], Step(phase="judge", usage=used + used, attempts=3))
    result = as_json(reported([record.model_copy(update={"steps": steps})]))
    assert result["usage"]["judge"]["input_tokens"] == 14
    assert result["usage"]["judge"]["calls"] == 2
    assert result["calls"]["retries"] == 2
