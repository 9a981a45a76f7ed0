"""What a sample of a benchmark's questions says of all of them: each type weighs what it weighs in the benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from reports.metrics.beta_binomial import profile_interval
from reports.metrics.figures import Estimate
from reports.metrics.statistics import hull, student_quantile, wilson

Counts = Mapping[str, Mapping[str, tuple[int, int]]]
"""(correct, n) of what was asked, by question type and cluster."""


@dataclass(frozen=True, slots=True)
class _Stratum:
    """What was asked of one type, which is `weight` of the population."""

    weight: float
    asked_share: float
    clusters: Mapping[str, tuple[int, int]]
    correct: int
    n: int

    @property
    def share(self) -> float:
        return self.correct / self.n

    @property
    def guarded(self) -> float:
        """The share with a success and a failure added: never 0 or 1, so that few answers alike prove nothing."""
        return (self.correct + 1) / (self.n + 2)


def estimate_whole(counts: Counts, population: Mapping[str, int], clusters: int) -> Estimate | str:
    """Estimate the share of correct questions in a `population` (questions by type) that lie in so many `clusters`.

    Where nothing can be estimated the result is the reason.

    The value is the post-stratified mean, sum of N_h p_h / N (Cochran 1977, *Sampling Techniques*, sections 5.2 and
    5A.9). The variance is

    - of a stratified sample of questions, sum of W_h² (1 - n_h / N_h) s_h² / n_h, with the finite population correction
      (Cochran 1977, section 5.4), where every question of the population is a cluster of its own, or all are in one;
    - linearised, between clusters, otherwise (Särndal, Swensson & Wretman 1992, *Model Assisted Survey Sampling*,
      sections 5.5 and 7.6): the residual of a question is W_h / n_h (y - p_h) sqrt(G_h / (G_h - 1)), G_h the clusters
      that its type was asked in; residuals are summed in each cluster, and the squares of these sums are added. There
      is no finite population correction, for clusters are not what was drawn, and it is never below the variance of
      independent questions: the interval then holds for haystacks like these too, as that of an accuracy does.

    A type whose answers are all alike, or that was asked in one of several clusters, would seem to vary not at all: its
    variance is that of (x + 1) / (n + 2) instead. The interval is Wilson's with the sample size that a simple random
    sample of this variance would have, and Student's t (Korn & Graubard 1998; Franco et al. 2019), so it stays between
    0 and 1. Its degrees of freedom are questions less types, at least one a type, or clusters less one. In clusters it
    is the hull of that and `profile_interval` of the weighted questions, as that of an accuracy is.

    There is no estimate where a type of the population was not asked, where the whole population was asked (the share
    is known then), where one question was asked, or where all are about one of several clusters. Raises `ValueError`
    where more was asked than there is.
    """
    whole, weighing = sum(population.values()), {name: size for name, size in population.items() if size}
    strata = _strata(counts, weighing)
    asked = sum(stratum.n for stratum in strata.values())
    reached = len({cluster for stratum in strata.values() for cluster in stratum.clusters})
    if reason := _reason_for_none(list(weighing), strata, asked == whole, asked, reached, clusters):
        return reason
    by_question = clusters in (1, whole)
    independent = math.fsum(_stratum_variance(stratum, corrected=by_question) for stratum in strata.values())
    if by_question:
        variance, degrees = independent, sum(max(1, one.n - 1) for one in strata.values())
        method = f"wilson, stratified by type ({asked} of {whole} questions)"
        if clusters == 1 < whole:
            method += ": the interval covers only this haystack"
    else:
        variance, degrees = max(independent, _between_clusters(strata)), reached - 1
        method = (
            "wilson and beta-binomial, stratified by type, clustered by haystack "
            f"({asked} of {whole} questions, {reached} clusters)"
        )
    value = float(sum(Fraction(weighing[name] * one.correct, one.n * whole) for name, one in strata.items()))
    guarded = math.fsum(one.weight * (one.guarded if _tells_nothing(one) else one.share) for one in strata.values())
    quantile = student_quantile(degrees)
    ci95 = wilson(value, quantile**2 * variance / (guarded * (1 - guarded)))
    if not by_question:
        ci95 = hull(ci95, profile_interval(_weighted(strata, asked), quantile))
    return Estimate(value=value, ci95=ci95, n=whole, method=method)


def _strata(counts: Counts, population: Mapping[str, int]) -> dict[str, _Stratum]:
    whole = sum(population.values())
    strata = {}
    for name in sorted(counts):
        correct, n = (sum(pair[place] for pair in counts[name].values()) for place in (0, 1))
        if n > population.get(name, 0):
            raise ValueError(f"{n} questions of the type {name!r} were asked, of {population.get(name, 0)}")
        if n:
            size = population[name]
            strata[name] = _Stratum(size / whole, n / size, counts[name], correct, n)
    return strata


def _reason_for_none(
    types: list[str], strata: Mapping[str, _Stratum], everything: bool, asked: int, reached: int, clusters: int
) -> str | None:
    if everything:
        return "nothing to estimate: all questions were asked"
    if missing := [name for name in types if name not in strata]:
        return f"no question was asked of the type {', '.join(missing)}"
    if asked == 1:
        return "one question says nothing about others"
    if reached == 1 < clusters:
        return f"all questions are about one haystack of {clusters}"
    return None


def _weighted(strata: Mapping[str, _Stratum], asked: int) -> list[tuple[float, float]]:
    """(correct, n) of each cluster, a question of a type counting as its weight says; n adds up to `asked`."""
    parts: dict[str, list[tuple[float, float]]] = {}
    for stratum in strata.values():
        each = stratum.weight * asked / stratum.n
        for cluster, (correct, n) in stratum.clusters.items():
            parts.setdefault(cluster, []).append((each * correct, each * n))
    return [(math.fsum(correct for correct, _ in of), math.fsum(n for _, n in of)) for of in parts.values()]


def _tells_nothing(stratum: _Stratum) -> bool:
    return stratum.correct in (0, stratum.n)


def _stratum_variance(stratum: _Stratum, *, corrected: bool) -> float:
    """Of what this type adds to the mean, its questions taken for independent."""
    left = 1 - stratum.asked_share if corrected else 1.0
    if _tells_nothing(stratum):
        return stratum.weight**2 * left * stratum.guarded * (1 - stratum.guarded) / stratum.n
    return stratum.weight**2 * left * stratum.share * (1 - stratum.share) / (stratum.n - 1)


def _between_clusters(strata: Mapping[str, _Stratum]) -> float:
    residuals: dict[str, list[float]] = {}
    unknown = []
    for stratum in strata.values():
        reached = len(stratum.clusters)
        if _tells_nothing(stratum) or reached == 1:
            unknown.append(_stratum_variance(stratum, corrected=False))
            continue
        weight = stratum.weight / stratum.n * math.sqrt(reached / (reached - 1))
        for cluster, (correct, n) in stratum.clusters.items():
            # in whole numbers up to the last division: a cluster with just the mean share adds exactly nothing
            off = (correct * stratum.n - n * stratum.correct) / stratum.n
            residuals.setdefault(cluster, []).append(weight * off)
    return math.fsum([*unknown, *(math.fsum(parts) ** 2 for parts in residuals.values())])
