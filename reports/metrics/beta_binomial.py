"""Interval for the mean share of clusters whose difficulty varies: profile likelihood of the beta-binomial model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from math import lgamma
from operator import mul
from typing import NamedTuple

CORRELATIONS = tuple(0.5 / 2**k for k in range(10))
"""Intra-cluster correlations that are considered. Far above 0.5 every haystack would be all right or all wrong."""

_FARTHEST = 18.0
"""Log-odds beyond which a share is 0 or 1 for every purpose here."""
_CLOSE = 1e-3
"""How exactly the ends are found, in standard errors."""

Counts = tuple[float, float]
"""How many questions of a cluster are right, and how many there are; fractions where questions are weighted."""


class _Peak(NamedTuple):
    """Where the likelihood is largest under one correlation."""

    likelihood: _Likelihood
    logit: float
    value: float
    width: float
    """Roughly the standard error of `logit`: the unit of steps."""


class _Likelihood:
    """Log-likelihood of a mean share, given as log-odds, under one intra-cluster correlation.

    The share of a cluster has the beta distribution with a = s m and b = s (1 - m), m the mean and s = 1 / rho - 1.
    """

    def __init__(self, clusters: Sequence[Counts], correlation: float) -> None:
        self._sum = 1 / correlation - 1
        self._clusters = len(clusters)
        self._right = _counted(right for right, _ in clusters)
        self._wrong = _counted(size - right for right, size in clusters)
        sizes = _counted(size for _, size in clusters)
        self._constant = self._clusters * lgamma(self._sum) - _log_gammas(sizes, self._sum)

    def __call__(self, logit: float) -> float:
        a, b = self._sum / (1 + math.exp(-logit)), self._sum / (1 + math.exp(logit))
        shared = self._clusters * (lgamma(a) + lgamma(b))
        return _log_gammas(self._right, a) + _log_gammas(self._wrong, b) - shared + self._constant


def profile_interval(clusters: Iterable[Counts], quantile: float) -> tuple[float, float]:
    """Interval for the mean share over clusters of (right, n); `quantile` is Student's with one degree less than these.

    The number right in a cluster is beta-binomial (Skellam 1948, J. Royal Statistical Society B 10; Williams 1975,
    Biometrics 31). The interval holds every mean that is likely enough under some correlation of `CORRELATIONS`: a
    profile likelihood (Venzon & Moolgavkar 1988, Applied Statistics 37). With G clusters, likely enough is a
    log-likelihood within G / 2 log(1 + quantile² / (G - 1)) of the largest, which is exact for the mean of G normal
    variables (the likelihood ratio then is that function of Student's t) and quantile² / 2 for many clusters.

    It does not rest on the variance between the observed clusters, which a few clusters near 0 or 1 seldom show.
    Depends on neither the order of the clusters nor on what is called right.
    """
    forward = sorted(clusters)
    mirrored = sorted((size - right, size) for right, size in forward)
    low, high = _logits(min(forward, mirrored), quantile)
    if mirrored < forward:
        low, high = -high, -low
    return 1 / (1 + math.exp(-low)), 1 / (1 + math.exp(-high))


def _logits(clusters: Sequence[Counts], quantile: float) -> tuple[float, float]:
    peaks = [_peak(clusters, correlation) for correlation in CORRELATIONS]
    within = len(clusters) / 2 * math.log1p(quantile**2 / (len(clusters) - 1))
    limit = max(peak.value for peak in peaks) - within
    likely = [peak for peak in peaks if peak.value > limit]
    return min(_end(peak, limit, -1) for peak in likely), max(_end(peak, limit, 1) for peak in likely)


def _peak(clusters: Sequence[Counts], correlation: float) -> _Peak:
    """Climb by parabolas from the mean of the clusters, each weighed by what it knows under this correlation."""
    weights = [size / (1 + (size - 1) * correlation) for _, size in clusters]
    known = math.fsum(weights)
    mean = math.fsum(weight * right / size for weight, (right, size) in zip(weights, clusters, strict=True))
    start = (mean + 0.05) / (known + 0.1)
    logit, width = math.log(start / (1 - start)), 0.5 / math.sqrt(start * (1 - start) * known + 0.1)
    likelihood = _Likelihood(clusters, correlation)
    for _ in range(4):
        below, here, above = likelihood(logit - width), likelihood(logit), likelihood(logit + width)
        bend = below - 2 * here + above
        step = (below - above) / (2 * bend) if bend < 0 else math.copysign(4, above - below)
        if abs(step) < 0.2:
            break
        logit = _uphill(likelihood, logit, width * max(-4.0, min(4.0, step)), here)
    value, logit = max((below, logit - width), (here, logit), (above, logit + width))
    return _Peak(likelihood, logit, value, width)


def _uphill(likelihood: _Likelihood, logit: float, step: float, here: float) -> float:
    """`logit` and a step, halved while it leads below `here`: a parabola may point far beyond a narrow peak."""
    for _ in range(6):
        if likelihood(logit + step) >= here:
            break
        step /= 2
    return logit + step


def _end(peak: _Peak, limit: float, side: int) -> float:
    """Where the likelihood falls to `limit` on one side of its peak.

    By the Illinois variant of the false position (Dowell & Jarratt 1971, BIT 11) on the signed root of the likelihood,
    which is nearly straight.
    """

    def beyond(logit: float) -> float:
        return math.sqrt(max(0.0, 2 * (peak.value - peak.likelihood(logit)))) - reach

    reach = math.sqrt(2 * (peak.value - limit))
    step = 2 * peak.width * reach
    inner, inner_beyond, outer = peak.logit, -reach, peak.logit + side * step
    while (outer_beyond := beyond(outer)) < 0:
        if abs(outer) > _FARTHEST:
            return outer
        step *= 2
        inner, inner_beyond, outer = outer, outer_beyond, outer + side * step
    while abs(outer - inner) > _CLOSE**2:
        middle = inner - inner_beyond * (outer - inner) / (outer_beyond - inner_beyond)
        middle_beyond = beyond(middle)
        if abs(middle_beyond) < _CLOSE:
            return middle
        if middle_beyond < 0:
            inner, inner_beyond, outer_beyond = middle, middle_beyond, outer_beyond / 2
        else:
            outer, outer_beyond, inner_beyond = middle, middle_beyond, inner_beyond / 2
    return outer


def _counted(numbers: Iterable[float]) -> tuple[list[float], list[int]]:
    """Distinct numbers, and how often each occurs: what thousands of clusters cost is bounded by their size."""
    counts = Counter(numbers)
    return list(counts), list(counts.values())


def _log_gammas(numbers: tuple[list[float], list[int]], more: float) -> float:
    values, times = numbers
    total: float = sum(map(mul, times, map(lgamma, [value + more for value in values])))
    return total
