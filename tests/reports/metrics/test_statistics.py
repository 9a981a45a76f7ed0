"""Intervals and tests against scipy, against formulas written another way, and against simulated truth."""

import math
import sys
from collections.abc import Iterable
from fractions import Fraction
from random import Random

import numpy as np
import pytest
import scipy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reports.metrics.beta_binomial import CORRELATIONS, profile_interval
from reports.metrics.figures import Comparison
from reports.metrics.statistics import ExactMean, compare, design_effect, interval, student_quantile
from tests.known import known
from tests.perf.coverage import ACCURACIES, PAIRS, SIZES, Difficulty, Pairs, accuracy_cell, beta, pairs_cell
from tests.processes import run as run_process

untimed = settings(deadline=None)
Outcome = tuple[str, bool, bool]


counts = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
clusters = st.lists(counts, min_size=1, max_size=12)
outcomes = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.booleans(), st.booleans()),
    min_size=1,
    max_size=60,
)


class TestExactMean:
    @untimed
    @given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.randoms(use_true_random=False))
    def test_is_the_rounded_exact_sum_by_n_in_every_order(self, values: list[float], random: Random) -> None:
        exact = float(sum(map(Fraction, values))) / len(values)
        for _ in range(3):
            random.shuffle(values)
            mean = ExactMean()
            for value in values:
                mean.add(value)
            assert mean.value == exact
            assert mean.n == len(values)

    @untimed
    @given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 9)), min_size=1, max_size=20))
    def test_a_number_that_came_several_times_is_added_as_often(self, counted: list[tuple[float, int]]) -> None:
        exact = sum(Fraction(value) * times for value, times in counted)
        mean = ExactMean()
        for value, times in counted:
            mean.add(value, times)
        assert mean.n == sum(times for _value, times in counted)
        assert mean.value == float(exact) / mean.n

    def test_sums_what_plain_addition_loses(self) -> None:
        mean = ExactMean()
        for value in (1e16, 1.0, -1e16, 1.0):
            mean.add(value)
        assert mean.value == 0.5

    def test_memory_does_not_grow_with_the_number_of_values(self) -> None:
        mean = ExactMean()
        for k in range(1, 5000):
            mean.add(1 / k)
        assert mean._sum.bit_length() < 1100

    def test_of_nothing_is_none(self) -> None:
        assert ExactMean().value is None

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_refuses_what_has_no_mean(self, value: float) -> None:
        with pytest.raises(ValueError, match="only finite numbers"):
            ExactMean().add(value)


class TestIntervalOfIndependentQuestions:
    @untimed
    @given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_is_wilsons(self, case: tuple[int, int]) -> None:
        correct, n = case
        found = known(interval([(1, 1)] * correct + [(0, 1)] * (n - correct)))
        expected = scipy.stats.binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
        assert found.ci95 == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert (found.value, found.correct, found.n, found.method) == (correct / n, correct, n, "wilson")

    def test_of_no_questions_has_no_value(self) -> None:
        assert interval({}) is None
        assert interval({"empty": (0, 0)}) is None

    def test_of_one_haystack_is_wilsons_and_says_what_it_covers(self) -> None:
        found = known(interval({"conv-26": (120, 199)}))
        assert found.ci95 == known(interval([(1, 1)] * 120 + [(0, 1)] * 79)).ci95
        assert found.method == "wilson, one cluster: the interval covers only this haystack"

    @pytest.mark.parametrize("impossible", [(3, 2), (-1, 2), (0, -1)])
    def test_refuses_impossible_counts(self, impossible: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="cannot have"):
            interval([impossible])


class TestIntervalOfClusters:
    @untimed
    @given(clusters)
    def test_design_effect_is_the_linearised_variance_over_that_of_independent_questions(
        self, groups: list[tuple[int, int]]
    ) -> None:
        effect = design_effect(groups)
        right, size = np.array(groups, dtype=float).T
        p = right.sum() / size.sum()
        if len(groups) == 1 or p in (0, 1):
            assert effect is None
            return
        linearised = (right - p * size) / size.sum()
        assert linearised.sum() == pytest.approx(0, abs=1e-12)
        variance = len(groups) * linearised.var(ddof=1)
        assert effect == pytest.approx(variance / (p * (1 - p) / (size.sum() - 1)), rel=1e-9, abs=1e-12)

    def test_design_effect_of_questions_on_their_own_is_one(self) -> None:
        assert design_effect([(1, 1)] * 7 + [(0, 1)] * 5) == pytest.approx(1, rel=1e-14)

    def test_design_effect_of_identical_copies_is_the_cluster_size(self) -> None:
        copies = [(4, 4)] * 30 + [(0, 4)] * 70
        assert design_effect(copies) == pytest.approx(4, rel=0.01)

    @untimed
    @given(clusters)
    def test_is_the_hull_of_wilson_with_the_effective_size_and_the_profile(self, groups: list[tuple[int, int]]) -> None:
        found = known(interval(groups))
        if len(groups) == 1 or found.n == len(groups):
            return
        effective = found.n / max(1.0, design_effect(groups) or 1.0)
        quantile = student_quantile(len(groups) - 1)
        profile = profile_interval(groups, quantile)
        for side, bound in zip((min, max), found.ci95, strict=True):
            of_profile = side(profile)
            if bound == pytest.approx(of_profile, abs=1e-12) or bound in (0, 1):
                continue
            assert side(bound, of_profile) == bound
            assert abs(found.value - bound) == pytest.approx(
                quantile * math.sqrt(bound * (1 - bound) / effective), abs=1e-9
            )

    @untimed
    @given(clusters)
    def test_lies_between_0_and_1_contains_the_value_and_is_never_narrower_than_wilson(
        self, groups: list[tuple[int, int]]
    ) -> None:
        found = known(interval(groups))
        low, high = found.ci95
        plain = known(interval([(1, 1)] * found.correct + [(0, 1)] * (found.n - found.correct))).ci95
        assert 0 <= low <= found.value <= high <= 1
        assert low < high
        assert low <= plain[0] + 1e-12
        assert high >= plain[1] - 1e-12

    @untimed
    @given(clusters)
    def test_mirrors_when_right_and_wrong_change_places(self, groups: list[tuple[int, int]]) -> None:
        low, high = known(interval(groups)).ci95
        mirrored = known(interval([(n - correct, n) for correct, n in groups])).ci95
        assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)

    @untimed
    @given(st.lists(counts, min_size=2, max_size=8))
    def test_narrows_when_more_haystacks_say_the_same(self, groups: list[tuple[int, int]]) -> None:
        def width(times: int) -> float:
            low, high = known(interval(groups * times)).ci95
            return high - low

        assert width(1) > width(2) > width(5)

    @pytest.mark.long
    @untimed
    @given(clusters, st.randoms(use_true_random=False))
    def test_is_the_same_in_every_order_to_the_last_digit(self, groups: list[tuple[int, int]], random: Random) -> None:
        first = interval(groups)
        random.shuffle(groups)
        assert interval(groups) == first
        assert interval({str(place): group for place, group in enumerate(groups)}) == first

    @pytest.mark.parametrize("right", [0, 1])
    def test_of_none_or_all_correct_is_one_sided(self, right: int) -> None:
        found = known(interval([(right * size, size) for size in SIZES]))
        low, high = found.ci95
        assert (low == 0.0 and 0 < high < 0.05) if right == 0 else (high == 1.0 and 0.95 < low < 1)
        assert found.method == "wilson and beta-binomial, clustered by haystack (10 clusters, design effect unknown)"

    def test_says_how_it_was_made(self) -> None:
        found = known(interval({"a": (90, 100), "b": (50, 100), "c": (70, 100)}))
        effect = design_effect([(90, 100), (50, 100), (70, 100)])
        assert effect == pytest.approx(19.0, abs=0.1)
        assert found.method == (
            f"wilson and beta-binomial, clustered by haystack (3 clusters, design effect {effect:.2f})"
        )

    def test_covers_the_truth_where_a_plain_wilson_interval_does_not(self) -> None:
        # Ten conversations of LoCoMo's sizes; how hard each is comes from a beta distribution of mean 0.6 (sd 0.11).
        truth, trials = 0.6, 1000
        random = np.random.default_rng(7)
        sizes = np.array(SIZES)
        correct = random.binomial(sizes, random.beta(truth * 20, (1 - truth) * 20, size=(trials, 10)))
        clustered = plain = 0
        for right in correct.tolist():
            low, high = known(interval(zip(right, SIZES, strict=True))).ci95
            clustered += low <= truth <= high
            low, high = known(interval([(sum(right), sum(SIZES))])).ci95
            plain += low <= truth <= high
        assert 0.92 <= clustered / trials <= 0.98
        assert plain / trials < 0.6

    def test_covers_independent_questions_without_being_much_wider(self) -> None:
        truth, trials = 0.6, 1000
        correct = np.random.default_rng(8).binomial(SIZES, truth, size=(trials, 10))
        covered = 0
        for right in correct.tolist():
            low, high = known(interval(zip(right, SIZES, strict=True))).ci95
            covered += low <= truth <= high
            assert high - low < 0.12
        assert covered / trials >= 0.94

    @pytest.mark.long
    @pytest.mark.parametrize("difficulty", [*ACCURACIES[:-2]], ids=lambda difficulty: difficulty.name)
    def test_covers_ten_haystacks_however_near_to_0_or_1(self, difficulty: Difficulty) -> None:
        assert accuracy_cell(difficulty, 10, runs=300).covered >= 0.92, "0.93 less the noise of 300 runs"

    def test_covers_what_clustered_wilson_alone_does_not(self) -> None:
        cell = accuracy_cell(beta(0.97, 0.11), 10, runs=300)
        assert cell.beside < 0.75
        assert cell.covered > 0.93


class TestProfile:
    @settings(deadline=None, max_examples=30)
    @given(st.lists(counts, min_size=2, max_size=6))
    @example([(2, 135), (2, 140)])
    def test_has_the_means_that_are_likely_enough_under_some_correlation(self, groups: list[tuple[int, int]]) -> None:
        """Against scipy's beta-binomial distribution on a fine grid of means."""
        right, size = np.array(groups).T
        means = 1 / (1 + np.exp(-np.linspace(-14, 14, 2801)))
        sums = 1 / np.array(CORRELATIONS) - 1
        a, b = np.multiply.outer(means, sums), np.multiply.outer(1 - means, sums)
        logpmf = scipy.stats.betabinom.logpmf(right, size[:, None, None].T, a[..., None], b[..., None])
        likelihood = logpmf.sum(axis=-1).max(axis=1)
        quantile = scipy.stats.t.ppf(0.975, len(groups) - 1)
        within = len(groups) / 2 * math.log(1 + quantile**2 / (len(groups) - 1))
        likely = means[likelihood >= likelihood.max() - within]
        assert profile_interval(groups, quantile) == pytest.approx((likely.min(), likely.max()), abs=0.004)

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.tuples(st.floats(0, 1), st.floats(1, 60)), min_size=2, max_size=6))
    def test_weighted_questions_follow_the_same_likelihood(self, shares: list[tuple[float, float]]) -> None:
        """Samples weigh questions: against scipy's gamma function, as the distribution takes whole numbers alone."""
        groups = [(share * size, size) for share, size in shares]
        means = 1 / (1 + np.exp(-np.linspace(-14, 14, 2801)))
        a, b = (np.multiply.outer(share, 1 / np.array(CORRELATIONS) - 1) for share in (means, 1 - means))
        gammaln = scipy.special.gammaln
        each = [gammaln(x + a) + gammaln(n - x + b) - gammaln(n + a + b) for x, n in groups]
        shared = len(groups) * (gammaln(a) + gammaln(b) - gammaln(a + b))
        likelihood = (sum(each) - shared).max(axis=1)
        quantile = scipy.stats.t.ppf(0.975, len(groups) - 1)
        within = len(groups) / 2 * math.log(1 + quantile**2 / (len(groups) - 1))
        likely = means[likelihood >= likelihood.max() - within]
        assert profile_interval(groups, quantile) == pytest.approx((likely.min(), likely.max()), abs=0.004)


class TestStudentsQuantile:
    @pytest.mark.parametrize("degrees", [*range(1, 300), 499, 1_000, 1_999, 10_000, 20_001])
    def test_is_that_of_scipy(self, degrees: int) -> None:
        expected = scipy.stats.t.ppf(0.975, degrees)
        assert student_quantile(degrees) == pytest.approx(expected, rel=1e-10), "scipy 1.14 is no more exact"

    def test_of_one_and_two_degrees_is_known_in_closed_form(self) -> None:
        assert student_quantile(1) == pytest.approx(math.tan(0.475 * math.pi), rel=1e-14)
        assert student_quantile(2) == pytest.approx(0.95 * math.sqrt(2 / (1 - 0.95**2)), rel=1e-14)


def compared(outcomes: Iterable[Outcome]) -> Comparison:
    return known(compare(outcomes, benchmark="locomo", first="bm25", second="dense"))


def paired(**questions: tuple[int, int, int]) -> Comparison:
    """Compare, with (only first, only second, both) counts for each cluster."""
    return compared(
        (cluster, first, second)
        for cluster, (b, c, both) in questions.items()
        for first, second in [(True, False)] * b + [(False, True)] * c + [(True, True)] * both
    )


class TestCompare:
    @untimed
    @given(outcomes)
    def test_p_value_is_the_binomial_test_of_the_discordant_questions(self, questions: list[Outcome]) -> None:
        found = compared(questions)
        b = sum(first and not second for _, first, second in questions)
        c = sum(second and not first for _, first, second in questions)
        assert (found.only_first, found.only_second, found.n) == (b, c, len(questions))
        expected = scipy.stats.binomtest(b, b + c).pvalue if b + c else 1.0
        assert found.p_value == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize(("b", "c"), [(700, 500), (5000, 4800), (1, 2000)])
    def test_p_value_of_many_questions(self, b: int, c: int) -> None:
        assert paired(a=(b, c, 0)).p_value == pytest.approx(
            scipy.stats.binomtest(b, b + c).pvalue, rel=1e-9, abs=1e-300
        )

    @untimed
    @given(outcomes, st.randoms(use_true_random=False))
    def test_is_the_same_in_every_order_and_with_other_names(self, questions: list[Outcome], random: Random) -> None:
        found = compared(questions)
        renamed = [(f"conv-{'hgfedcba'.index(cluster)}", first, second) for cluster, first, second in questions]
        random.shuffle(renamed)
        assert compared(renamed) == found

    @untimed
    @given(outcomes)
    def test_mirrors_when_the_providers_change_places(self, questions: list[Outcome]) -> None:
        found, mirrored = (
            compared(questions),
            compared([(cluster, second, first) for cluster, first, second in questions]),
        )
        assert (mirrored.only_first, mirrored.only_second, mirrored.p_value) == (
            found.only_second,
            found.only_first,
            found.p_value,
        )
        assert mirrored.different == found.different
        assert mirrored.difference == -found.difference
        assert mirrored.ci95 == (-found.ci95[1], -found.ci95[0])
        assert found.difference == pytest.approx(found.first_value - found.second_value, abs=1e-12)

    @untimed
    @given(outcomes)
    def test_calls_a_difference_only_what_both_tests_call_one(self, questions: list[Outcome]) -> None:
        found = compared(questions)
        if found.different:
            assert found.p_value < 0.05
            assert found.ci95[0] > 0 or found.ci95[1] < 0

    @untimed
    @given(outcomes)
    def test_interval_is_the_hull_of_t_over_clusters_and_bonett_price(self, questions: list[Outcome]) -> None:
        found = compared(questions)
        difference = {
            cluster: np.array([a - b for one, a, b in questions if one == cluster]) for cluster, *_ in questions
        }
        n, groups = len(questions), len(difference)
        p12, p21 = (found.only_first + 1) / (n + 2), (found.only_second + 1) / (n + 2)
        half = scipy.stats.norm.ppf(0.975) * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / (n + 2))
        ends = [p12 - p21 - half, p12 - p21 + half, found.difference]
        if groups > 1:
            residuals = np.array([(of - found.difference).sum() / n for of in difference.values()])
            half = scipy.stats.t.ppf(0.975, groups - 1) * math.sqrt(groups * residuals.var(ddof=1))
            ends += [found.difference - half, found.difference + half]
        assert found.ci95 == pytest.approx((max(-1, min(ends)), min(1, max(ends))), abs=1e-9)

    @pytest.mark.long
    @pytest.mark.parametrize("clusters", [2, 3, 4, 5])
    @pytest.mark.parametrize("pairs", PAIRS, ids=lambda pairs: pairs.name)
    def test_interval_of_few_clusters_covers_the_difference(self, pairs: Pairs, clusters: int) -> None:
        assert pairs_cell(pairs, clusters, runs=150).covered > 0.88, "0.93 less the noise of 150 runs"

    def test_sees_a_difference_that_all_haystacks_show(self) -> None:
        found = paired(**{f"c{k}": (20 + k, 5, 60) for k in range(10)})
        assert found.different
        assert found.ci95[0] > 0

    def test_does_not_take_one_odd_haystack_for_a_difference(self) -> None:
        found = paired(one=(60, 0, 100), **{f"c{k}": (10, 10, 140) for k in range(9)})
        assert found.p_value < 0.001
        assert found.ci95[0] <= 0 <= found.ci95[1]
        assert not found.different

    def test_needs_six_clusters_to_speak_of_haystacks(self) -> None:
        few, enough = (paired(**{f"c{k}": (20, 1, 50) for k in range(groups)}) for groups in (5, 6))
        assert not few.different
        assert few.method.endswith("fewer than 6 clusters cannot show a difference")
        assert enough.different

    def test_speaks_of_one_haystack_alone_when_there_is_one(self) -> None:
        found = paired(one=(60, 10, 100))
        assert found.different
        assert found.method.endswith("covers only this haystack")

    def test_same_answers_are_no_difference(self) -> None:
        found = paired(a=(0, 0, 30), b=(0, 0, 20))
        assert (found.difference, found.p_value, found.different) == (0.0, 1.0, False)
        assert found.ci95 == pytest.approx((-0.053, 0.053), abs=0.001), "50 questions are not all that might be asked"

    def test_one_question_says_nothing(self) -> None:
        found = compared([("a", True, False)])
        assert (found.difference, found.p_value, found.different) == (1.0, 1.0, False)
        assert found.ci95 == pytest.approx((-0.73, 1.0), abs=0.01)

    def test_no_questions_have_no_difference(self) -> None:
        assert compare([], benchmark="locomo", first="bm25", second="dense") is None

    def test_seldom_finds_a_difference_where_there_is_none(self) -> None:
        # Each conversation favours one side or the other (sd 0.11), neither on the whole: McNemar alone is misled.
        random = np.random.default_rng(5)
        misled = called = 0
        for _ in range(200):
            questions: dict[str, tuple[int, int, int]] = {}
            for size in SIZES:
                discordant = int(random.binomial(size, 0.25))
                b = int(random.binomial(discordant, random.beta(10, 10)))
                questions[f"c{len(questions)}"] = (b, discordant - b, size - discordant)
            found = paired(**questions)
            misled += found.p_value < 0.05
            called += found.different
        assert misled / 200 > 0.15
        assert called / 200 < 0.09


def test_statistics_need_neither_numpy_nor_scipy() -> None:
    code = """
import sys
from reports.metrics.statistics import compare, interval
interval([(1, 1), (0, 1)])
interval([(3, 9), (2, 4)])
compare([("a", True, False), ("b", True, True)], benchmark="b", first="f", second="s")
sys.exit(bool({"numpy", "scipy"} & set(sys.modules)))
"""
    assert run_process([sys.executable, "-c", code]).returncode == 0
