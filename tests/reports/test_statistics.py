"""Intervals and tests against scipy, against formulas written another way, and against simulated truth."""

import itertools
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, t

from reports.statistics import ExactMean, PairedComparison, compare, design_effect, interval

untimed = settings(deadline=None)

LOCOMO_SIZES = (199, 105, 193, 260, 242, 158, 190, 239, 196, 204)

counts = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
clusters = st.lists(counts, min_size=1, max_size=12)
outcomes = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.booleans(), st.booleans()),
    max_size=60,
)


class TestExactMean:
    @untimed
    @given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.randoms(use_true_random=False))
    def test_is_the_rounded_exact_sum_by_n_in_every_order(self, values, random):
        exact = float(sum(map(Fraction, values))) / len(values)
        for _ in range(3):
            random.shuffle(values)
            mean = ExactMean()
            for value in values:
                mean.add(value)
            assert mean.value == exact
            assert mean.n == len(values)

    def test_sums_what_plain_addition_loses(self):
        mean = ExactMean()
        for value in (1e16, 1.0, -1e16, 1.0):
            mean.add(value)
        assert mean.value == 0.5

    def test_memory_does_not_grow_with_the_number_of_values(self):
        mean = ExactMean()
        for k in range(1, 5000):
            mean.add(1 / k)
        assert len(mean._partials) < 10

    def test_of_nothing_is_none(self):
        assert ExactMean().value is None

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_refuses_what_has_no_mean(self, value):
        with pytest.raises(ValueError, match="only finite numbers"):
            ExactMean().add(value)


class TestIntervalOfIndependentQuestions:
    @untimed
    @given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_is_wilsons(self, case):
        correct, n = case
        found = interval([(1, 1)] * correct + [(0, 1)] * (n - correct))
        expected = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
        assert found.ci95 == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert (found.value, found.correct, found.n, found.method) == (correct / n, correct, n, "wilson")

    def test_of_no_questions_has_no_value(self):
        found = interval({})
        assert (found.value, found.correct, found.n, found.ci95) == (None, 0, 0, None)
        assert interval({"empty": (0, 0)}) == found

    def test_of_one_haystack_is_wilsons_and_says_what_it_covers(self):
        found = interval({"conv-26": (120, 199)})
        assert found.ci95 == interval([(1, 1)] * 120 + [(0, 1)] * 79).ci95
        assert found.method == "wilson, one cluster: the interval covers only this haystack"

    @pytest.mark.parametrize("impossible", [(3, 2), (-1, 2), (0, -1)])
    def test_refuses_impossible_counts(self, impossible):
        with pytest.raises(ValueError, match="cannot have"):
            interval([impossible])


class TestIntervalOfClusters:
    @untimed
    @given(clusters)
    def test_design_effect_is_the_linearised_variance_over_that_of_independent_questions(self, groups):
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

    def test_design_effect_of_questions_on_their_own_is_one(self):
        assert design_effect([(1, 1)] * 7 + [(0, 1)] * 5) == pytest.approx(1, rel=1e-14)

    def test_design_effect_of_identical_copies_is_the_cluster_size(self):
        copies = [(4, 4)] * 30 + [(0, 4)] * 70
        assert design_effect(copies) == pytest.approx(4, rel=0.01)

    @untimed
    @given(clusters)
    def test_solves_wilsons_equation_with_students_t_and_the_effective_size(self, groups):
        found = interval(groups)
        if len(groups) == 1 or found.n == len(groups):
            return
        effective = found.n / max(1.0, design_effect(groups) or 1.0)
        quantile = t.ppf(0.975, len(groups) - 1)
        for bound in found.ci95:
            if 0 < bound < 1:
                assert abs(found.value - bound) == pytest.approx(
                    quantile * math.sqrt(bound * (1 - bound) / effective), abs=1e-9
                )

    @untimed
    @given(clusters)
    def test_lies_between_0_and_1_contains_the_value_and_is_never_narrower_than_wilson(self, groups):
        found = interval(groups)
        low, high = found.ci95
        plain = interval([(1, 1)] * found.correct + [(0, 1)] * (found.n - found.correct)).ci95
        assert 0 <= low <= found.value <= high <= 1
        assert low < high
        assert low <= plain[0] + 1e-12
        assert high >= plain[1] - 1e-12

    @untimed
    @given(clusters)
    def test_mirrors_when_right_and_wrong_change_places(self, groups):
        low, high = interval(groups).ci95
        mirrored = interval([(n - correct, n) for correct, n in groups]).ci95
        assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)

    @untimed
    @given(st.lists(counts, min_size=2, max_size=8))
    def test_narrows_when_more_haystacks_say_the_same(self, groups):
        def width(times):
            low, high = interval(groups * times).ci95
            return high - low

        assert width(1) > width(2) > width(5)

    @untimed
    @given(clusters, st.randoms(use_true_random=False))
    def test_is_the_same_in_every_order_to_the_last_digit(self, groups, random):
        first = interval(groups)
        random.shuffle(groups)
        assert interval(groups) == first
        assert interval({str(place): group for place, group in enumerate(groups)}) == first

    @pytest.mark.parametrize("right", [0, 1])
    def test_of_none_or_all_correct_is_one_sided(self, right):
        found = interval([(right * size, size) for size in LOCOMO_SIZES])
        low, high = found.ci95
        assert (low == 0.0 and 0 < high < 0.01) if right == 0 else (high == 1.0 and 0.99 < low < 1)
        assert found.method == "wilson, clustered by haystack (10 clusters, design effect unknown, 1 assumed)"

    def test_says_how_it_was_made(self):
        found = interval({"a": (90, 100), "b": (50, 100), "c": (70, 100)})
        effect = design_effect([(90, 100), (50, 100), (70, 100)])
        assert effect == pytest.approx(19.0, abs=0.1)
        assert found.method == f"wilson, clustered by haystack (3 clusters, design effect {effect:.2f})"

    def test_covers_the_truth_where_a_plain_wilson_interval_does_not(self):
        # Ten conversations of LoCoMo's sizes; how hard each is comes from a beta distribution of mean 0.6 (sd 0.11).
        truth, trials = 0.6, 1000
        random = np.random.default_rng(7)
        sizes = np.array(LOCOMO_SIZES)
        correct = random.binomial(sizes, random.beta(truth * 20, (1 - truth) * 20, size=(trials, 10)))
        clustered = plain = 0
        for right in correct.tolist():
            low, high = interval(zip(right, LOCOMO_SIZES, strict=True)).ci95
            clustered += low <= truth <= high
            low, high = interval([(sum(right), sum(LOCOMO_SIZES))]).ci95
            plain += low <= truth <= high
        assert 0.92 <= clustered / trials <= 0.98
        assert plain / trials < 0.6

    def test_covers_independent_questions_without_being_much_wider(self):
        truth, trials = 0.6, 1000
        correct = np.random.default_rng(8).binomial(LOCOMO_SIZES, truth, size=(trials, 10))
        covered = 0
        for right in correct.tolist():
            low, high = interval(zip(right, LOCOMO_SIZES, strict=True)).ci95
            covered += low <= truth <= high
            assert high - low < 0.12
        assert covered / trials >= 0.94


def paired(**questions: tuple[int, int, int]) -> PairedComparison:
    """Compare, with (only first, only second, both) counts for each cluster."""
    return compare(
        (cluster, first, second)
        for cluster, (b, c, both) in questions.items()
        for first, second in [(True, False)] * b + [(False, True)] * c + [(True, True)] * both
    )


class TestCompare:
    @untimed
    @given(outcomes)
    def test_p_value_is_the_binomial_test_of_the_discordant_questions(self, questions):
        found = compare(questions)
        b = sum(first and not second for _, first, second in questions)
        c = sum(second and not first for _, first, second in questions)
        assert (found.b, found.c, found.n) == (b, c, len(questions))
        if questions:
            expected = binomtest(b, b + c).pvalue if b + c else 1.0
            assert found.p_value == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize(("b", "c"), [(700, 500), (5000, 4800), (1, 2000)])
    def test_p_value_of_many_questions(self, b, c):
        assert paired(a=(b, c, 0)).p_value == pytest.approx(binomtest(b, b + c).pvalue, rel=1e-9, abs=1e-300)

    @untimed
    @given(outcomes, st.randoms(use_true_random=False))
    def test_is_the_same_in_every_order_and_with_other_names(self, questions, random):
        found = compare(questions)
        renamed = [(f"conv-{'hgfedcba'.index(cluster)}", *outcome) for cluster, *outcome in questions]
        random.shuffle(renamed)
        assert compare(renamed) == found

    @untimed
    @given(outcomes)
    def test_mirrors_when_the_providers_change_places(self, questions):
        found, mirrored = (
            compare(questions),
            compare([(cluster, second, first) for cluster, first, second in questions]),
        )
        assert (mirrored.b, mirrored.c, mirrored.p_value) == (found.c, found.b, found.p_value)
        assert mirrored.different == found.different
        if questions:
            assert mirrored.difference == -found.difference
            assert mirrored.ci95 == (-found.ci95[1], -found.ci95[0])
            assert found.difference == pytest.approx(found.first - found.second, abs=1e-12)

    @untimed
    @given(outcomes)
    def test_calls_a_difference_only_what_both_tests_call_one(self, questions):
        found = compare(questions)
        if found.different:
            assert found.p_value < 0.05
            assert found.ci95[0] > 0 or found.ci95[1] < 0

    @pytest.mark.parametrize("groups", [6, 10])
    def test_interval_is_the_cluster_bootstraps(self, groups):
        """Against every possible draw of clusters for 6, and a bootstrap that draws clusters one by one for 10."""
        random = np.random.default_rng(3)
        surplus, size = random.integers(-5, 15, groups), random.integers(15, 40, groups)
        found = paired(
            **{
                f"c{place}": (max(s, 0), max(-s, 0), n - abs(s))
                for place, (s, n) in enumerate(zip(surplus.tolist(), size.tolist(), strict=True))
            }
        )
        if groups == 6:
            draws = np.array(list(itertools.product(range(groups), repeat=groups)))
        else:
            draws = random.integers(0, groups, (100_000, groups))
        values = surplus[draws].sum(axis=1) / size[draws].sum(axis=1)
        beyond = norm.cdf(-t.ppf(0.975, groups - 1) * math.sqrt(groups / (groups - 1)))
        expected = np.quantile(values, [beyond, 1 - beyond])
        assert found.ci95 == pytest.approx(expected, abs=0.02)
        assert found.difference == surplus.sum() / size.sum()

    def test_sees_a_difference_that_all_haystacks_show(self):
        found = paired(**{f"c{k}": (20 + k, 5, 60) for k in range(10)})
        assert found.different
        assert found.ci95[0] > 0

    def test_does_not_take_one_odd_haystack_for_a_difference(self):
        found = paired(one=(60, 0, 100), **{f"c{k}": (10, 10, 140) for k in range(9)})
        assert found.p_value < 0.001
        assert found.ci95[0] <= 0 <= found.ci95[1]
        assert not found.different

    def test_needs_six_clusters_to_speak_of_haystacks(self):
        few, enough = (paired(**{f"c{k}": (20, 1, 50) for k in range(groups)}) for groups in (5, 6))
        assert not few.different
        assert few.method.endswith("fewer than 6 clusters cannot show a difference")
        assert enough.different

    def test_speaks_of_one_haystack_alone_when_there_is_one(self):
        found = paired(one=(60, 10, 100))
        assert found.different
        assert found.method.endswith("covers only this haystack")

    def test_same_answers_are_no_difference(self):
        found = paired(a=(0, 0, 30), b=(0, 0, 20))
        assert (found.difference, found.ci95, found.p_value, found.different) == (0.0, (0.0, 0.0), 1.0, False)

    def test_one_question_says_nothing(self):
        found = compare([("a", True, False)])
        assert (found.difference, found.ci95, found.p_value, found.different) == (1.0, (-1.0, 1.0), 1.0, False)

    def test_no_questions_have_no_difference(self):
        found = compare([])
        assert (found.n, found.difference, found.ci95, found.p_value, found.different) == (0, None, None, None, False)

    def test_seldom_finds_a_difference_where_there_is_none(self):
        # Each conversation favours one side or the other (sd 0.11), neither on the whole: McNemar alone is misled.
        random = np.random.default_rng(5)
        misled = called = 0
        for _ in range(200):
            questions = {}
            for size in LOCOMO_SIZES:
                discordant = int(random.binomial(size, 0.25))
                b = int(random.binomial(discordant, random.beta(10, 10)))
                questions[f"c{len(questions)}"] = (b, discordant - b, size - discordant)
            found = paired(**questions)
            misled += found.p_value < 0.05
            called += found.different
        assert misled / 200 > 0.15
        assert called / 200 < 0.09


def test_needs_neither_numpy_nor_scipy_until_it_must():
    code = (
        "import sys; from reports.statistics import interval; interval([(1, 1), (0, 1)]); interval([(3, 9)]); "
        "sys.exit(bool({'numpy', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
