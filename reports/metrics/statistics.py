"""How sure a share is and whether two shares differ, when questions about one haystack are not independent.

LoCoMo asks 1,986 questions about 10 conversations: an interval that takes them for independent tries is too narrow.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from statistics import NormalDist
from typing import Literal

from reports.metrics.beta_binomial import profile_interval
from reports.metrics.figures import Accuracy, Comparison

ALPHA = 0.05
"""Intervals are at 1 - ALPHA, and a p-value below it counts."""
ENOUGH_CLUSTERS = 6
"""Clusters from which a difference can be shown: with 5, even if all agree, a sign test has p = 2 / 2**5 > 0.05."""

_BITS = 1074
_Z = NormalDist().inv_cdf(1 - ALPHA / 2)


class ExactMean:
    """The mean of numbers that come one at a time: the same to the last digit in whatever order they come.

    Every finite float is a multiple of 2**-1074, so their sum is kept exactly as a whole number of these.
    """

    __slots__ = ("_sum", "n")

    def __init__(self) -> None:
        self.n = 0
        self._sum = 0

    def add(self, value: float, times: int = 1) -> None:
        """Take a number in, as often as it came. Raises `ValueError` if it is not finite."""
        self._sum += times * _units(value)
        self.n += times

    @property
    def value(self) -> float | None:
        """The mean so far, None if nothing was added."""
        return self._sum / (1 << _BITS) / self.n if self.n else None


@lru_cache(maxsize=1024)
def _units(value: float) -> int:
    """`value` in units of 2**-1074; few values come again and again."""
    if not math.isfinite(value):
        raise ValueError(f"cannot average {value!r}: only finite numbers have a mean")
    numerator, denominator = value.as_integer_ratio()
    return numerator << (_BITS + 1 - denominator.bit_length())


def interval(correct_by_cluster: Mapping[str, tuple[int, int]] | Iterable[tuple[int, int]]) -> Accuracy | None:
    """The share of correct questions, with an interval that respects clusters; None of no questions.

    Takes (correct, n) of each cluster; a question that ended in an error is in `n` and not in `correct`. Where every
    question is a cluster of its own this is Wilson's score interval (1927). Otherwise it is the hull of two. One is
    Wilson's with the effective sample size n / `design_effect` and Student's t with clusters - 1 degrees of freedom in
    place of the normal quantile (Korn & Graubard 1998; Franco, Little, Louis & Slud 2019, J. Survey Statistics and
    Methodology 7), which holds for many clusters however they differ; the other `profile_interval`, which holds for few
    clusters near 0 or 1. ``tests/perf/coverage.py`` shows both. One cluster alone says nothing about others: its
    interval is Wilson's, and `method` says what it leaves out.

    Raises `ValueError` where a cluster's counts are impossible.
    """
    clusters = _checked(correct_by_cluster)
    correct, n = sum(right for right, _ in clusters), sum(size for _, size in clusters)
    if n == 0:
        return None
    value, method = correct / n, "wilson"
    ci95 = wilson(value, _Z**2 / n)
    if len(clusters) == 1 and n > 1:
        method = "wilson, one cluster: the interval covers only this haystack"
    elif n > len(clusters):
        effect, quantile = design_effect(clusters), student_quantile(len(clusters) - 1)
        ci95 = hull(wilson(value, quantile**2 * max(1.0, effect or 1.0) / n), profile_interval(clusters, quantile))
        shown = "unknown" if effect is None else f"{max(1.0, effect):.2f}"
        method = f"wilson and beta-binomial, clustered by haystack ({len(clusters)} clusters, design effect {shown})"
    return Accuracy(value=value, correct=correct, n=n, ci95=ci95, method=method)


def design_effect(clusters: Sequence[tuple[int, int]]) -> float | None:
    """How many times larger the variance of a share is than if its questions were independent (Kish 1965).

    The variance is the linearised one of the ratio sum(correct) / sum(n) between clusters ("ultimate cluster", with
    G / (G - 1)), as in Miller 2024, arXiv 2411.00640; the reference is p (1 - p) / (n - 1). None where it cannot be
    estimated: fewer than two clusters, or a share of 0 or 1. May be below 1.
    """
    correct, n, groups = sum(right for right, _ in clusters), sum(size for _, size in clusters), len(clusters)
    if groups < 2 or correct in (0, n):
        return None
    # Whole numbers up to the last division: the result cannot depend on the order of the clusters.
    squares = sum((right * n - correct * size) ** 2 for right, size in clusters)
    return (groups * (n - 1) * squares) / ((groups - 1) * n * n * correct * (n - correct))


def compare(
    outcomes: Iterable[tuple[str, bool, bool]],
    *,
    benchmark: str,
    first: str,
    second: str,
    metric: Literal["accuracy", "hit@10"] = "accuracy",
) -> Comparison | None:
    """Compare two providers on the same questions: (cluster, first is correct, second is correct) for each question.

    None where there is no question.

    The test is McNemar's, exact: under the null hypothesis the questions that only one of them has right fall to either
    side like a fair coin. It takes questions for independent, so the interval of the difference, which takes clusters
    for independent, must exclude 0 too before `different` is True, and 2 to 5 clusters never show one. The interval of
    one cluster alone says nothing about other haystacks. The result is the same in every order of the questions, and
    mirrored if first and second change places.
    """
    surplus, sizes, cells = Counter[str](), Counter[str](), Counter[tuple[bool, bool]]()
    for (cluster, mine, theirs), times in Counter(outcomes).items():
        surplus[cluster] += times * (mine - theirs)
        sizes[cluster] += times
        cells[mine, theirs] += times
    n, both, b, c = cells.total(), cells[True, True], cells[True, False], cells[False, True]
    if n == 0:
        return None
    clusters = [(surplus[cluster], size) for cluster, size in sizes.items()]
    enough, method = True, f"exact McNemar; paired t over {len(clusters)} clusters"
    if len(clusters) == 1:
        method = "exact McNemar; Bonett-Price; covers only this haystack"
    elif len(clusters) < ENOUGH_CLUSTERS:
        enough = False
        method += f"; fewer than {ENOUGH_CLUSTERS} clusters cannot show a difference"
    p_value, (low, high) = _mcnemar(b, c), _difference_interval(clusters, b, c)
    different = enough and p_value < ALPHA and not low <= 0 <= high
    return Comparison(
        benchmark=benchmark, first=first, second=second, metric=metric, n=n,
        first_value=(both + b) / n, second_value=(both + c) / n, difference=(b - c) / n, ci95=(low, high),
        only_first=b, only_second=c, p_value=p_value, different=different, method=method,
    )  # fmt: skip


def paired_interval(differences: Iterable[tuple[str, float]]) -> tuple[float, tuple[float, float]]:
    """The mean of (cluster, first minus second) over questions, and its 95 % interval.

    The hull of two Student intervals: of the ratio over clusters with its linearised variance (Cochran 1977, *Sampling
    Techniques*, section 6.3; Miller 2024, arXiv 2411.00640), and over questions as if each were independent, so that
    clusters which happen to agree do not make the difference certain. One cluster has the second alone, and it covers
    only that haystack. Unlike `compare` it takes scores of any kind, and says nothing of whether clusters are enough.

    Raises `ValueError` where there is no question.
    """
    pairs = list(differences)
    if not pairs:
        raise ValueError("no question that both were asked: nothing to compare")
    clusters: dict[str, tuple[float, int]] = {}
    for cluster, difference in pairs:
        total, size = clusters.get(cluster, (0.0, 0))
        clusters[cluster] = total + difference, size + 1
    n, value = len(pairs), math.fsum(difference for _, difference in pairs) / len(pairs)
    spread = math.fsum((difference - value) ** 2 for _, difference in pairs)
    halves = [_half(n, n, spread)]
    if 1 < len(clusters) < n:
        squares = math.fsum((total - value * size) ** 2 for total, size in clusters.values())
        halves.append(_half(len(clusters), n, squares))
    half = max(halves)
    return value, (value - half, value + half)


def _half(groups: int, n: int, squares: float) -> float:
    """Half of the interval of a ratio whose residuals over `groups` have this sum of `squares`."""
    if groups < 2:
        return math.inf
    return student_quantile(groups - 1) * math.sqrt(groups * squares / ((groups - 1) * n**2))


def wilson(value: float, ratio: float) -> tuple[float, float]:
    """Wilson's interval around a share; `ratio` is the quantile squared by the sample size, all that it depends on."""
    middle = (value + ratio / 2) / (1 + ratio)
    half = math.sqrt(ratio * value * (1 - value) + ratio * ratio / 4) / (1 + ratio)
    low = 0.0 if value == 0 else max(0.0, middle - half)
    high = 1.0 if value == 1 else min(1.0, middle + half)
    return min(low, value), max(high, value)


def hull(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The smallest interval that has both in it."""
    return min(one[0], other[0]), max(one[1], other[1])


@cache
def student_quantile(degrees: int) -> float:
    """The quantile of Student's t that 95 % intervals reach to on either side.

    With t = sqrt(degrees) tan(angle), P(|T| < t) is a finite sum in powers of cos(angle) (Abramowitz & Stegun 1964,
    26.7.3 and 26.7.4). It is concave, so Newton's method climbs to 1 - ALPHA from the normal quantile, which is less.
    """
    odd = degrees % 2
    slope = 2 / math.sqrt(math.pi) * math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2))
    angle, step = math.atan(_Z / math.sqrt(degrees)), math.inf
    while step > 0:
        sine, cosine = math.sin(angle), math.cos(angle)
        powers = range(1 + odd, degrees - 2, 2)
        terms = accumulate(powers, lambda term, power: term * cosine**2 * power / (power + 1), initial=sine)  # noqa: B023
        within = math.fsum(terms)
        if odd:
            within = 2 / math.pi * (angle + (cosine * within if degrees > 1 else 0.0))
        before, angle = angle, angle + (1 - ALPHA - within) / (slope * cosine ** (degrees - 1))
        step = angle - before
    return math.sqrt(degrees) * math.tan(angle)


def _checked(clusters: Mapping[str, tuple[int, int]] | Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    checked = []
    for correct, n in clusters.values() if isinstance(clusters, Mapping) else clusters:
        if not 0 <= correct <= n:
            raise ValueError(
                f"a cluster cannot have {correct} correct of {n}: give (correct, n) with 0 <= correct <= n"
            )
        if n:
            checked.append((correct, n))
    return checked


def _mcnemar(b: int, c: int) -> float:
    """Two-sided binomial test of `b` against `c` with p = 1/2.

    In whole numbers, so exact; `scipy.stats.binomtest` gives the same.
    """
    n, term, tail = b + c, 1, 0
    for k in range(min(b, c) + 1):
        tail += term
        term = term * (n - k) // (k + 1)
    return min(1.0, 2 * tail / (1 << n))


def _difference_interval(clusters: Sequence[tuple[int, int]], b: int, c: int) -> tuple[float, float]:
    """Interval of sum(surplus) / sum(n) over clusters of (surplus, n), of whose questions `b` and `c` are discordant.

    The hull of two. One takes clusters for independent: the paired t interval of the ratio with its linearised variance
    (Cochran 1977, *Sampling Techniques*, section 6.3; Miller 2024, arXiv 2411.00640). The other takes questions for
    independent: Bonett & Price 2012, J. Educational and Behavioral Statistics 37, so that clusters which happen to
    agree do not make the difference certain. One cluster has the second alone.
    """
    n, groups = sum(size for _, size in clusters), len(clusters)
    value, first, second = (b - c) / n, (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = _Z * math.sqrt((first + second - (first - second) ** 2) / (n + 2))
    low, high = first - second - half, first - second + half
    if groups > 1:
        # whole numbers up to the last division: the result cannot depend on the order of the clusters
        squares = sum((surplus * n - (b - c) * size) ** 2 for surplus, size in clusters)
        half = student_quantile(groups - 1) * math.sqrt(groups * squares / ((groups - 1) * n**4))
        low, high = hull((low, high), (value - half, value + half))
    return max(-1.0, min(low, value)), min(1.0, max(high, value))
