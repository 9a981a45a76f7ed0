"""How sure a share is and whether two shares differ, when questions about one haystack are not independent.

LoCoMo asks 1,986 questions about 10 conversations: an interval that takes them for independent tries is too narrow.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist

from schema import Word

ALPHA = 0.05
"""Intervals are at 1 - ALPHA, and a p-value below it counts."""
DRAWS = 10_000
SEED = 20240229
ENOUGH_CLUSTERS = 6
"""Clusters from which a difference can be told: with 5, even if all agree, a sign test has p = 2 / 2**5 > 0.05."""

_Z = NormalDist().inv_cdf(1 - ALPHA / 2)


class Proportion(Word):
    """A share of questions with its 95 % interval.

    `value` is `correct` / `n`, between 0 and 1; it and `ci95` (low, high) are None where `n` is 0. `method` says in
    words how the interval was made.
    """

    value: float | None
    correct: int
    n: int
    ci95: tuple[float, float] | None
    method: str


class PairedComparison(Word):
    """Two providers on the same questions.

    `first` and `second` are their shares of correct questions, `difference` is first minus second with its 95 %
    interval. `b` counts the questions that only the first has right, `c` those that only the second has. `p_value` is
    that of the exact McNemar test. `different` is True only where that test and the interval both say so. Where `n` is
    0 the shares, their difference and the p-value are None.
    """

    n: int
    first: float | None
    second: float | None
    difference: float | None
    ci95: tuple[float, float] | None
    b: int
    c: int
    p_value: float | None
    different: bool
    method: str


class ExactMean:
    """The mean of numbers that come one at a time: the same to the last digit in whatever order they come.

    Keeps the exact sum in a few floats that do not overlap (Shewchuk 1997, "Adaptive Precision Floating-Point
    Arithmetic"; `math.fsum` does the same for a list), so memory does not grow with `n`.
    """

    def __init__(self) -> None:
        self.n = 0
        self._partials: list[float] = []

    def add(self, value: float) -> None:
        """Take one more number in. Raises `ValueError` if it is not finite."""
        if not math.isfinite(value):
            raise ValueError(f"cannot average {value!r}: only finite numbers have a mean")
        partials = []
        for partial in self._partials:
            large, small = (value, partial) if abs(value) >= abs(partial) else (partial, value)
            value = large + small
            lost = small - (value - large)
            if lost:
                partials.append(lost)
        self._partials = [*partials, value]
        self.n += 1

    @property
    def value(self) -> float | None:
        """The mean so far, None if nothing was added."""
        return math.fsum(self._partials) / self.n if self.n else None


def interval(correct_by_cluster: Mapping[str, tuple[int, int]] | Iterable[tuple[int, int]]) -> Proportion:
    """The share of correct questions, with an interval that respects clusters.

    Takes (correct, n) of each cluster; a question that ended in an error is in `n` and not in `correct`. Where every
    question is a cluster of its own this is Wilson's score interval (1927). Otherwise it is Wilson's with the effective
    sample size n / `design_effect` and Student's t with clusters - 1 degrees of freedom in place of the normal quantile
    (Korn & Graubard 1998; Franco, Little, Louis & Slud 2019, J. Survey Statistics and Methodology 7). One cluster alone
    says nothing about others: its interval is Wilson's, and `method` says what it leaves out.

    Raises `ValueError` where a cluster's counts are impossible.
    """
    clusters = _checked(correct_by_cluster)
    correct, n = sum(right for right, _ in clusters), sum(size for _, size in clusters)
    if n == 0:
        return Proportion(value=None, correct=0, n=0, ci95=None, method="no questions")
    quantile, effective, method = _Z, float(n), "wilson"
    if len(clusters) == 1 and n > 1:
        method = "wilson, one cluster: the interval covers only this haystack"
    elif n > len(clusters):
        estimated = design_effect(clusters)
        effect = max(1.0, estimated or 1.0)
        quantile, effective = student_quantile(len(clusters) - 1), n / effect
        told = f"design effect {effect:.2f}" if estimated is not None else "design effect unknown, 1 assumed"
        method = f"wilson, clustered by haystack ({len(clusters)} clusters, {told})"
    return Proportion(
        value=correct / n, correct=correct, n=n, ci95=wilson(correct / n, quantile**2 / effective), method=method
    )


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


def compare(outcomes: Iterable[tuple[str, bool, bool]]) -> PairedComparison:
    """Compare two providers on the same questions: (cluster, first is correct, second is correct) for each question.

    The test is McNemar's, exact: under the null hypothesis the questions that only one of them has right fall to either
    side like a fair coin. It takes questions for independent, so a bootstrap of the difference that draws whole
    clusters (10,000 draws, fixed seed, expanded percentile interval) must exclude 0 too before `different` is True, and
    2 to 5 clusters are too few for it. One cluster alone is drawn from by question, which says nothing about other
    haystacks. The result is the same in every order of the questions, and mirrored if first and second change places.
    """
    surplus, sizes, cells = Counter[str](), Counter[str](), Counter[tuple[bool, bool]]()
    for cluster, first, second in outcomes:
        surplus[cluster] += first - second
        sizes[cluster] += 1
        cells[first, second] += 1
    n, both, b, c = cells.total(), cells[True, True], cells[True, False], cells[False, True]
    if n == 0:
        return PairedComparison(
            n=0, first=None, second=None, difference=None, ci95=None, b=0, c=0, p_value=None, different=False,
            method="no questions",
        )  # fmt: skip
    units = [(surplus[cluster], size) for cluster, size in sizes.items()]
    method = f"exact McNemar; bootstrap of {len(units)} clusters, {DRAWS} draws"
    enough = True
    if len(units) == 1:
        units = [(1, 1)] * b + [(-1, 1)] * c + [(0, 1)] * (n - b - c)
        method = f"exact McNemar; bootstrap of questions, {DRAWS} draws; covers only this haystack"
    elif len(units) < ENOUGH_CLUSTERS:
        enough = False
        method += f"; fewer than {ENOUGH_CLUSTERS} clusters cannot show a difference"
    p_value, (low, high) = _mcnemar(b, c), _bootstrap(units)
    different = enough and p_value < ALPHA and not low <= 0 <= high
    return PairedComparison(
        n=n, first=(both + b) / n, second=(both + c) / n, difference=(b - c) / n, ci95=(low, high), b=b, c=c,
        p_value=p_value, different=different, method=method,
    )  # fmt: skip


def wilson(value: float, ratio: float) -> tuple[float, float]:
    """Wilson's interval around a share; `ratio` is the quantile squared by the sample size, all that it depends on."""
    middle = (value + ratio / 2) / (1 + ratio)
    half = math.sqrt(ratio * value * (1 - value) + ratio * ratio / 4) / (1 + ratio)
    low = 0.0 if value == 0 else max(0.0, middle - half)
    high = 1.0 if value == 1 else min(1.0, middle + half)
    return min(low, value), max(high, value)


def student_quantile(degrees: int) -> float:
    """The quantile of Student's t that 95 % intervals reach to on either side."""
    from scipy.special import stdtrit  # a third of a second to import, and most reports of one haystack do without

    return float(stdtrit(degrees, 1 - ALPHA / 2))


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

    In whole numbers, so exact; `scipy.stats.binomtest` gives the same and takes a second to import.
    """
    n, term, tail = b + c, 1, 0
    for k in range(min(b, c) + 1):
        tail += term
        term = term * (n - k) // (k + 1)
    return min(1.0, 2 * tail / (1 << n))


def _bootstrap(units: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Interval of sum(surplus) / sum(size) over units (surplus, size) drawn with replacement.

    The percentiles are set further out where units are few, by Student's t and sqrt(G / (G - 1)): the expanded
    percentile interval (Hesterberg 2015, The American Statistician 69). A single unit says nothing: -1 to 1.

    Equal units are drawn together, as counts of a multinomial: the same distribution, in memory that does not grow with
    their number. They are put into one order and one orientation first, so that the draws cannot depend on either.
    """
    if len(units) == 1:
        return -1.0, 1.0
    import numpy as np

    forward = sorted(Counter(units).items())
    mirrored = sorted(((-surplus, size), times) for (surplus, size), times in forward)
    ordered, sign = (forward, 1) if forward <= mirrored else (mirrored, -1)
    values = np.array([unit for unit, _ in ordered], dtype=np.int64)
    shares = np.array([times for _, times in ordered], dtype=np.float64) / len(units)
    drawn = np.random.default_rng(SEED).multinomial(len(units), shares, size=DRAWS) @ values
    beyond = NormalDist().cdf(-student_quantile(len(units) - 1) * math.sqrt(len(units) / (len(units) - 1)))
    ends = sorted(sign * float(end) for end in np.quantile(drawn[:, 0] / drawn[:, 1], [beyond, 1 - beyond]))
    return ends[0] + 0.0, ends[1] + 0.0  # + 0.0: no negative zero
