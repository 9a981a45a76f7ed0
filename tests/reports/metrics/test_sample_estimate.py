"""Estimates from samples against formulas written another way, and against populations whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.metrics.figures import Estimate
from reports.metrics.sample_estimate import estimate_whole
from reports.metrics.statistics import interval

Asked = Sequence[tuple[str, str, bool]]
"""(question type, cluster, correct) of each question."""


def estimated(asked: Asked, population: dict[str, int], clusters: int) -> Estimate:
    made = estimated_or_why_not(asked, population, clusters)
    assert isinstance(made, Estimate)
    return made


def estimated_or_why_not(asked: Asked, population: dict[str, int], clusters: int) -> Estimate | str:
    counts: dict[str, dict[str, tuple[int, int]]] = {}
    for kind, cluster, correct in asked:
        right, n = counts.setdefault(kind, {}).get(cluster, (0, 0))
        counts[kind][cluster] = right + correct, n + 1
    return estimate_whole(counts, population, clusters)


def alone(kind: str, correct: int, wrong: int) -> list[tuple[str, str, bool]]:
    """Questions with a haystack each."""
    return [(kind, f"{kind}{number}", number < correct) for number in range(correct + wrong)]


def variance_in(of: Estimate, degrees: int, spread: float) -> float:
    """The variance that the interval was made from, by solving Wilson's equation at its upper end.

    `spread` is p (1 - p) of the share that the effective sample size refers to.
    """
    high = of.ci95[1]
    ratio = (high - of.value) ** 2 / (high * (1 - high))
    return ratio * spread / float(scipy.stats.t.ppf(0.975, degrees)) ** 2


class TestStratified:
    def test_types_weigh_what_they_weigh_in_the_population(self) -> None:
        made = estimated([*alone("many", 9, 1), *alone("few", 1, 9)], {"many": 90, "few": 10}, 100)
        assert made.value == pytest.approx(0.9 * 0.9 + 0.1 * 0.1)
        assert made.n == 100
        assert made.method == "wilson, stratified by type (20 of 100 questions)"

    def test_variance_is_cochrans_with_the_finite_population_correction(self) -> None:
        population = {"a": 40, "b": 100, "c": 60}
        answers = {"a": [1] * 7 + [0] * 3, "b": [1] * 5 + [0] * 15, "c": [1] * 2 + [0] * 4}
        asked = [(kind, f"{kind}{at}", bool(y)) for kind, all_ in answers.items() for at, y in enumerate(all_)]
        made = estimated(asked, population, 200)
        expected = 0.0
        for kind, size in population.items():
            y = np.array(answers[kind])
            expected += (size / 200) ** 2 * (1 - len(y) / size) * y.var(ddof=1) / len(y)
        value = 0.2 * 0.7 + 0.5 * 0.25 + 0.3 / 3
        assert made.value == pytest.approx(value)
        assert variance_in(made, 36 - 3, value * (1 - value)) == pytest.approx(expected)

    def test_a_type_that_was_asked_whole_adds_no_variance(self) -> None:
        one = estimated([*alone("a", 5, 5), *alone("b", 3, 7)], {"a": 10, "b": 1000}, 1010)
        value = (10 * 0.5 + 1000 * 0.3) / 1010
        expected = (1000 / 1010) ** 2 * (1 - 10 / 1000) * 0.21 / 9
        assert variance_in(one, 18, value * (1 - value)) == pytest.approx(expected)

    @pytest.mark.parametrize("n", [2, 5, 20])
    def test_answers_all_alike_still_leave_doubt(self, n: int) -> None:
        population = {"a": 10**6}
        right, wrong = (estimated(alone("a", *pair), population, 10**6).ci95 for pair in ((n, 0), (0, n)))
        quantile = float(scipy.stats.t.ppf(0.975, n - 1))
        assert right == pytest.approx((n / (n + quantile**2), 1.0), rel=1e-4), "Wilson's at 1, with Student's t"
        assert wrong == pytest.approx((0.0, 1 - right[0]))

    def test_one_question_of_each_type_is_not_taken_for_certain(self) -> None:
        made = estimated([("a", "1", True), ("b", "2", True), ("c", "3", False)], dict.fromkeys("abc", 50), 150)
        low, high = made.ci95
        assert high - low > 0.5

    def test_questions_about_the_only_haystack_there_is_are_a_sample_of_its_questions(self) -> None:
        in_one = [(kind, "h", correct) for kind, _cluster, correct in alone("a", 6, 4)]
        made = estimated(in_one, {"a": 50}, 1)
        apart = estimated(alone("a", 6, 4), {"a": 50}, 50)
        assert (made.value, made.ci95) == (apart.value, apart.ci95)
        assert made.method.endswith("the interval covers only this haystack")


def in_clusters(of: Asked, population: dict[str, int]) -> float:
    """The linearised variance between clusters, question by question."""
    whole = sum(population.values())
    sums: dict[str, float] = {}
    for kind, size in population.items():
        mine = [(cluster, correct) for one, cluster, correct in of if one == kind]
        share = sum(correct for _, correct in mine) / len(mine)
        reached = len({cluster for cluster, _ in mine})
        for cluster, correct in mine:
            weight = (size / whole) / len(mine)
            residual = weight * (correct - share) * math.sqrt(reached / (reached - 1))
            sums[cluster] = sums.get(cluster, 0.0) + residual
    return sum(total**2 for total in sums.values())


class TestClustered:
    ASKED = tuple(
        (kind, cluster, number < right)
        for cluster, rights in {"h1": (5, 4), "h2": (1, 0), "h3": (4, 5), "h4": (0, 2)}.items()
        for kind, right in zip("ab", rights, strict=True)
        for number in range(5)
    )

    def test_variance_is_that_of_sums_over_clusters(self) -> None:
        population = {"a": 300, "b": 100}
        made = estimated(self.ASKED, population, 10)
        value = 0.75 * 10 / 20 + 0.25 * 11 / 20
        assert made.value == pytest.approx(value)
        assert variance_in(made, 3, value * (1 - value)) == pytest.approx(in_clusters(self.ASKED, population))
        assert made.method == (
            "wilson and beta-binomial, stratified by type, clustered by haystack (40 of 400 questions, 4 clusters)"
        )

    def test_one_type_gives_the_interval_of_an_accuracy(self) -> None:
        """Without weights and correction it is what `interval` says, but for (n - 1) / n in the reference variance."""
        asked = [one for one in self.ASKED if one[0] == "a"]
        made = estimated(asked, {"a": 10**6}, 10)
        same = interval({"h1": (5, 5), "h2": (1, 5), "h3": (4, 5), "h4": (0, 5)})
        assert same is not None
        assert made.value == same.value
        assert made.ci95 == pytest.approx(same.ci95, abs=0.02)

    def test_clusters_that_agree_are_not_surer_than_independent_questions(self) -> None:
        asked = [("a", f"h{number % 4}", number < 10) for number in range(20) for _ in range(2)]
        even = estimated(asked, {"a": 400}, 4)
        assert variance_in(even, 3, 0.25) == pytest.approx(0.25 / (40 - 1))

    def test_a_type_asked_in_one_of_several_haystacks_keeps_its_own_variance(self) -> None:
        asked = [*self.ASKED, *(("c", "h1", number < 2) for number in range(4))]
        made = estimated(asked, {"a": 300, "b": 100, "c": 200}, 10)
        two = {"a": 300, "b": 100}
        expected = in_clusters(self.ASKED, two) * (400 / 600) ** 2 + (200 / 600) ** 2 * 0.25 / 3
        value = 0.5 * 10 / 20 + 11 / 20 / 6 + 0.5 / 3
        assert variance_in(made, 3, value * (1 - value)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("asked", "clusters", "reason"),
    [
        (alone("a", 3, 3), 100, "no question was asked of the type b"),
        ([*alone("a", 30, 20), *alone("b", 25, 25)], 100, "nothing to estimate: all questions were asked"),
        ([("a", "h", True), ("b", "h", False)], 10, "all questions are about one haystack of 10"),
        ([], 100, "no question was asked of the type a, b"),
    ],
)
def test_where_nothing_can_be_told_it_says_why(asked: Asked, clusters: int, reason: str) -> None:
    assert estimated_or_why_not(asked, {"a": 50, "b": 50}, clusters) == reason


def test_one_question_says_nothing() -> None:
    assert estimated_or_why_not(alone("a", 1, 0), {"a": 50}, 50) == "one question says nothing about others"


def test_more_than_there_is_cannot_have_been_asked() -> None:
    with pytest.raises(ValueError, match="6 questions of the type 'a' were asked, of 5"):
        estimated(alone("a", 3, 3), {"a": 5}, 5)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("uvwxyz"), st.booleans()), min_size=1, max_size=40),
    st.sampled_from([1, 6, 300]),
    st.randoms(use_true_random=False),
)
def test_lies_between_0_and_1_contains_the_value_and_knows_no_order(
    asked: list[tuple[str, str, bool]], clusters: int, random: np.random.Generator
) -> None:
    population = {kind: 100 for kind, _cluster, _correct in asked}
    if clusters == 1:
        asked = [(kind, "u", correct) for kind, _cluster, correct in asked]
    made = estimated_or_why_not(asked, population, clusters)
    random.shuffle(asked)
    assert estimated_or_why_not(asked, population, clusters) == made
    if isinstance(made, Estimate):
        low, high = made.ci95
        assert 0 <= low <= made.value <= high <= 1
        assert low < high


SIZES = {"user": 70, "assistant": 56, "preference": 30, "multi": 133, "update": 78, "temporal": 133}
SHARES = {"user": 0.9, "assistant": 0.95, "preference": 0.7, "multi": 0.4, "update": 0.8, "temporal": 0.3}


@pytest.mark.parametrize("size", [2, 5, 20])
def test_covers_what_asking_all_questions_would_have_given(size: int) -> None:
    """A benchmark of LongMemEval's sizes, a haystack for each question, drawn from again and again."""
    random = np.random.default_rng(8)
    runs, covered, unweighted = 800, 0, 0
    for _ in range(runs):
        truths = {kind: random.random(n) < SHARES[kind] for kind, n in SIZES.items()}
        truth = sum(int(all_.sum()) for all_ in truths.values()) / 500
        asked = [
            (kind, f"{kind}{at}", bool(all_[at]))
            for kind, all_ in truths.items()
            for at in random.permutation(len(all_))[:size]
        ]
        made = estimated(asked, SIZES, 500)
        covered += made.ci95[0] <= truth <= made.ci95[1]
        share = interval([(correct, 1) for _kind, _cluster, correct in asked])
        assert share is not None
        pooled = share.ci95
        unweighted += pooled[0] <= truth <= pooled[1]
    assert covered / runs > 0.93
    if size == 20:
        assert unweighted / runs < 0.8, "the plain share of a sample with as many of each type is of another benchmark"


def test_covers_haystacks_like_these_where_questions_share_them() -> None:
    """Ten conversations whose difficulty differs; the truth is that of all conversations that might have been."""
    random = np.random.default_rng(11)
    runs, covered, unclustered = 400, 0, 0
    shares = {"a": 0.4, "b": 0.7}
    population = {"a": 500, "b": 1500}
    truth = 0.25 * 0.4 + 0.75 * 0.7
    for _ in range(runs):
        ease = random.normal(0, 0.12, 10)
        asked = [
            (kind, f"h{where}", bool(random.random() < share + ease[where]))
            for kind, share in shares.items()
            for where in random.integers(0, 10, 60)
        ]
        made = estimated(asked, population, 10)
        apart = [(kind, str(number), correct) for number, (kind, _cluster, correct) in enumerate(asked)]
        naive = estimated(apart, population, 2000)
        covered += made.ci95[0] <= truth <= made.ci95[1]
        unclustered += naive.ci95[0] <= truth <= naive.ci95[1]
    assert covered / runs > 0.93
    assert unclustered / runs < 0.92


def test_covers_haystacks_that_are_nearly_all_right_and_seldom_all_wrong() -> None:
    """A mean of 0.97 and a standard deviation of 0.11: most samples show no haystack that is hard."""
    random = np.random.default_rng(12)
    runs, covered = 300, 0
    for _ in range(runs):
        shares = random.beta(1.363, 0.0422, 10)
        asked = [
            (kind, f"h{where}", bool(random.random() < shares[where]))
            for kind in "ab"
            for where in np.repeat(np.arange(10), 12)
        ]
        low, high = estimated(asked, {"a": 500, "b": 1500}, 10).ci95
        covered += low <= 0.97 <= high
    assert covered / runs > 0.93
