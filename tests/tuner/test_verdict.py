"""What is called better, worse, tied: intervals against scipy, and how often luck is taken for a difference."""

from __future__ import annotations

import random

import pytest
import scipy

from reports.metrics import paired_interval
from reports.report import QuestionScores
from tuner.objectives import Objective
from tuner.trials import Trial
from tuner.verdict import judge, rank

ACCURACY = Objective("accuracy", "maximize")
RECALL = Objective("recall@10", "maximize")


def scores(values: list[float], metric: str = "accuracy", clusters: int = 0) -> list[QuestionScores]:
    return [
        QuestionScores(f"q{number}", f"c{number % clusters if clusters else number}", "t", {metric: value}, ((), None))
        for number, value in enumerate(values)
    ]


def trial(number: int, value: float, **metrics: float) -> Trial:
    return Trial(number, {"x": number}, {"accuracy": value, **metrics}, f"run-{number}", feasible=True)


def test_the_interval_of_independent_questions_is_scipys() -> None:
    drawn = random.Random(1)
    first, second = ([drawn.random() for _ in range(40)] for _ in range(2))
    value, (low, high) = paired_interval((str(n), a - b) for n, (a, b) in enumerate(zip(first, second, strict=True)))
    reference = scipy.stats.ttest_rel(first, second)
    interval = reference.confidence_interval(0.95)
    assert [low, high] == pytest.approx([interval.low, interval.high])
    assert low < value < high


def test_clusters_of_one_size_have_the_interval_of_their_means() -> None:
    drawn = random.Random(2)
    shifts = [drawn.gauss(0.1, 0.2) for _ in range(6)]
    pairs = [(str(cluster), shift + drawn.gauss(0, 0.01)) for cluster, shift in enumerate(shifts) for _ in range(20)]
    means = [sum(d for name, d in pairs if name == str(cluster)) / 20 for cluster in range(6)]
    interval = scipy.stats.ttest_1samp(means, 0).confidence_interval(0.95)
    _, found = paired_interval(pairs)
    assert [*found] == pytest.approx([interval.low, interval.high])


def test_one_question_proves_nothing() -> None:
    assert paired_interval([("c", 1.0)])[1] == (float("-inf"), float("inf"))
    with pytest.raises(ValueError, match="no question"):
        paired_interval([])


def test_luck_is_called_a_difference_in_one_of_twenty_studies_at_most() -> None:
    drawn, called = random.Random(3), 0
    for _study in range(400):
        one, other = ([float(drawn.random() < 0.6) for _ in range(120)] for _ in range(2))
        verdict = judge(ACCURACY, 1, (0.0, scores(one, clusters=4)), (0.0, scores(other, clusters=4)), looks=1)
        called += verdict.better or verdict.worse
    assert called <= 400 * 0.05


def test_a_gain_is_called_better_and_a_loss_worse() -> None:
    low, high = [float(n % 4 == 0) for n in range(200)], [float(n % 4 < 2) for n in range(200)]
    better = judge(RECALL, 7, (0.25, scores(low, "recall@10")), (0.5, scores(high, "recall@10")), looks=1)
    assert better.better
    assert "better by 25.0 [" in better.sentence()
    worse = judge(RECALL, 7, (0.5, scores(high, "recall@10")), (0.25, scores(low, "recall@10")), looks=2)
    assert worse.worse
    assert "keep the default. The holdout part was looked at 2 times" in worse.sentence()


def test_what_has_no_value_for_each_question_has_no_interval() -> None:
    latency = Objective("p95.search_ms", "minimize")
    verdict = judge(latency, 1, (20.0, scores([1.0])), (10.0, scores([1.0])), looks=1)
    assert (verdict.gain, verdict.low, verdict.better) == (10.0, None, False)
    assert "has no interval" in verdict.sentence()


def test_the_cheapest_of_those_that_cannot_be_told_apart_is_recommended() -> None:
    dear, cheap = trial(1, 0.50, usd=2.0), trial(2, 0.49, usd=1.0)
    bad = trial(3, 0.10, usd=0.0)
    values = {1: [1.0] * 50 + [0.0] * 50, 2: [1.0] * 49 + [0.0] * 51, 3: [1.0] * 10 + [0.0] * 90}
    known = {number: scores(list(drawn)) for number, drawn in values.items()}
    ranking = rank([bad, cheap, dear], ACCURACY, known, noise=0.0)
    assert [one.number for one in ranking.trials] == [1, 2, 3]
    assert [one.number for one in ranking.tied] == [1, 2]
    assert ranking.recommended is cheap


def test_what_differs_by_less_than_the_noise_is_tied() -> None:
    known = {1: scores([1.0] * 100), 2: scores([1.0] * 80 + [0.0] * 20)}
    trials = [trial(1, 1.0), trial(2, 0.8)]
    assert len(rank(trials, ACCURACY, known, noise=0.0).tied) == 1
    assert len(rank(trials, ACCURACY, known, noise=0.2).tied) == 2


def test_a_trial_that_breaks_a_constraint_is_not_ranked() -> None:
    broken = Trial(1, {}, {"accuracy": 1.0}, "run", feasible=False)
    assert rank([broken], ACCURACY, {1: []}, 0.0).recommended is None


def test_a_trial_that_measured_worse_than_the_defaults_is_not_recommended_for_its_price() -> None:
    half = [float(n % 2) for n in range(4)]
    known = {0: scores(half), 1: scores([0.0, 0.0, 1.0, 0.0]), 2: scores([1.0, 1.0, 1.0, 0.0])}
    trials = [trial(0, 0.5, context_tokens=50), trial(1, 0.25, context_tokens=1), trial(2, 0.75, context_tokens=90)]
    ranking = rank(trials, ACCURACY, known, noise=0.0)
    assert [one.number for one in ranking.tied] == [2, 0, 1]
    assert ranking.recommended is trials[0]
