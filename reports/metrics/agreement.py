"""How far graders agree beyond what chance would give: Cohen's and Fleiss' kappa, and how steady a grader is.

Both kappas are (P - E) / (1 - E): the share of agreement P that was seen, beyond the share E that would be seen if each
label were drawn by chance as often as it was given. Labels are names without order: to differ is to differ wholly.
Counts are whole numbers and the arithmetic is exact, so the order of the questions does not show in the last digit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from statistics import stdev
from typing import TypeVar

from reports.metrics.figures import JudgeNoise
from reports.metrics.statistics import student_quantile
from vocabulary import Word

Label = TypeVar("Label", bound=Hashable)


class Kappa(Word):
    """Agreement over `n` items; 1 is perfect, 0 what chance gives, below 0 less than that.

    `agreed` is the share P: of the items (Cohen), of the pairs of graders (Fleiss); None where `n` is 0. `value` is
    None where kappa is not defined, and `reason` then says why.
    """

    value: float | None
    agreed: float | None
    n: int
    reason: str | None = None


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Cohen's kappa of two graders' labels of the same items in the same order; None where it is not defined.

    Raises `ValueError` where they are not equally many.
    """
    return cohen(Counter(zip(first, second, strict=True))).value


def cohen(pairs: Mapping[tuple[Label, Label], int]) -> Kappa:
    """Agreement of two graders, from how often they gave each pair of labels.

    E is the chance that both give the same label if each keeps to its own shares of labels (Cohen 1960, "A Coefficient
    of Agreement for Nominal Scales", Educational and Psychological Measurement 20).
    """
    n = sum(pairs.values())
    first: Counter[Label] = Counter()
    second: Counter[Label] = Counter()
    for (one, other), count in pairs.items():
        first[one] += count
        second[other] += count
    if n == 0:
        return _undefined(None, 0)
    agreed = Fraction(sum(count for (one, other), count in pairs.items() if one == other), n)
    chance = Fraction(sum(first[label] * second[label] for label in first), n * n)
    return _kappa(agreed, chance, n)


def cohen_interval(clusters: Sequence[Mapping[tuple[Label, Label], int]]) -> tuple[float, float] | None:
    """The 95 % interval of `cohen`'s kappa, from the pairs of labels in each cluster; None where it is not defined.

    By the delete-one jackknife over clusters with Student's t (Efron & Tibshirani 1993, *An Introduction to the
    Bootstrap*, chapter 11); over items where there is one cluster, and then it covers only that one.
    """
    pairs: Counter[tuple[Label, Label]] = Counter()
    for cluster in clusters:
        pairs.update(cluster)
    parts = [(Counter(cluster), 1) for cluster in clusters]
    if len(parts) == 1:
        parts = [(Counter({pair: 1}), count) for pair, count in pairs.items()]
    value, groups = cohen(pairs).value, sum(times for _, times in parts)
    left = [(cohen(pairs - part).value, times) for part, times in parts]
    if value is None or groups < 2 or any(one is None for one, _ in left):
        return None
    mean = math.fsum((one or 0.0) * times for one, times in left) / groups
    spread = math.fsum(((one or 0.0) - mean) ** 2 * times for one, times in left)
    half = student_quantile(groups - 1) * math.sqrt(spread * (groups - 1) / groups)
    return max(-1.0, value - half), min(1.0, value + half)


def fleiss(patterns: Mapping[tuple[Label, ...], int]) -> Kappa:
    """Agreement of m graders, from how often they gave each combination of labels, all of the same length m >= 2.

    P is the mean share of the m (m - 1) / 2 pairs that agree on an item; E is the chance that two labels are the same,
    drawn from all that were given (Fleiss 1971, "Measuring Nominal Scale Agreement Among Many Raters", Psychological
    Bulletin 76). Raises `ValueError` where the combinations are not of one length, or of fewer than two.
    """
    n = sum(patterns.values())
    if n == 0:
        return _undefined(None, 0)
    sizes = {len(pattern) for pattern in patterns}
    if len(sizes) > 1 or min(sizes) < 2:
        raise ValueError(f"each item needs the same number of labels, two or more: got {sorted(sizes)}")
    (m,) = sizes
    given: Counter[Label] = Counter()
    pairs = 0
    for pattern, count in patterns.items():
        labels = Counter(pattern)
        pairs += count * sum(times * (times - 1) for times in labels.values())
        for label, times in labels.items():
            given[label] += count * times
    agreed = Fraction(pairs, n * m * (m - 1))
    chance = Fraction(sum(times * times for times in given.values()), (n * m) ** 2)
    return _kappa(agreed, chance, n)


def judge_noise(patterns: Mapping[tuple[Label, ...], int], accuracies: Sequence[float]) -> JudgeNoise:
    """How a judge differs from itself: its labels of each item by repeat, and its accuracy of each repeat."""
    n = sum(patterns.values())
    changed = sum(count for pattern, count in patterns.items() if len(set(pattern)) > 1)
    return JudgeNoise(repeats=len(accuracies), n=n, changed=changed / n if n else None, accuracy_sd=stdev(accuracies))


def _kappa(agreed: Fraction, chance: Fraction, n: int) -> Kappa:
    if chance == 1:
        return _undefined(agreed, n)
    return Kappa(value=float((agreed - chance) / (1 - chance)), agreed=float(agreed), n=n)


def _undefined(agreed: Fraction | None, n: int) -> Kappa:
    reason = "all labels are identical" if n else "no answer was labelled by every judge"
    return Kappa(value=None, agreed=None if agreed is None else float(agreed), n=n, reason=reason)
