"""Paired bootstraps: clusters, or questions, are drawn with replacement, each with what both sides made of it.

Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, chapters 8 and 13 (percentile intervals); clusters are
drawn whole. The draws are the same each time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from reports.metrics import hull, student_quantile

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray

DRAWS = 1000
FEWEST_DRAWS, MOST_VALUES = 200, 5_000_000
"""Percentiles of many questions have fewer draws: each sorts all of them."""
SEED = 20261130


def bootstrap_means(changes: Iterable[tuple[str, float]]) -> tuple[float, float]:
    """The 95 % interval of the mean of (cluster, difference) over drawn clusters; over questions if there is one."""
    import numpy as np

    random = np.random.default_rng(SEED)
    totals: dict[str, tuple[float, int]] = {}
    every = list(changes)
    alone = len({cluster for cluster, _ in every}) == 1
    for place, (cluster, value) in enumerate(every):
        key = str(place) if alone else cluster
        total, size = totals.get(key, (0.0, 0))
        totals[key] = total + value, size + 1
    sums, sizes = (np.array(column, dtype=float) for column in zip(*totals.values(), strict=True))
    means = np.concatenate(
        [
            sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1)
            for draws in _portions(len(sums))
            for chosen in (random.integers(0, len(sums), (draws, len(sums))),)
        ]
    )
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _portions(size: int, count: int = DRAWS) -> list[int]:
    """How many of `count` draws of `size` to hold at once: memory is flat in the size of the data."""
    most = max(1, 1_000_000 // size)
    return [most] * (count // most) + [count % most] * (count % most > 0)


def bootstrap_percentiles(
    clusters: Sequence[str], first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], percent: float
) -> tuple[float, float, tuple[float, float]]:
    """A percentile of all values of either side, and the 95 % interval of second minus first.

    Each question has the same number of values on a side. The interval is the hull of two, so that clusters which
    happen to agree do not make the difference certain. Over questions it has the percentiles of the draws. Over
    clusters, which are few, it is Student's with the standard error of the draws, as for means: percentiles of the
    draws of ten clusters hold the truth too seldom. One cluster, or a cluster for each question, has the first alone.
    """
    import numpy as np

    random = np.random.default_rng(SEED)
    before, after = np.array(first, dtype=float), np.array(second, dtype=float)
    places: dict[str, list[int]] = {}
    for place, cluster in enumerate(clusters):
        places.setdefault(cluster, []).append(place)
    grouped, n = [np.array(one) for one in places.values()], len(clusters)

    def percentile(side: NDArray[float64], chosen: NDArray[int64]) -> NDArray[float64]:
        # sorting and interpolating is a tenth of what np.percentile takes for a few values
        ordered = np.sort(side[chosen].reshape(*chosen.shape[:-1], -1), axis=-1)
        part, whole = math.modf(percent / 100 * (ordered.shape[-1] - 1))
        low, high = ordered[..., int(whole)], ordered[..., min(int(whole) + 1, ordered.shape[-1] - 1)]
        return np.atleast_1d(low + part * (high - low))

    def changes(draws: Iterable[NDArray[int64]]) -> NDArray[float64]:
        return np.concatenate([percentile(after, chosen) - percentile(before, chosen) for chosen in draws])

    count = max(FEWEST_DRAWS, min(DRAWS, MOST_VALUES // n))
    every = np.arange(n)
    values = float(percentile(before, every)[0]), float(percentile(after, every)[0])
    low, high = np.quantile(changes(random.integers(0, n, (draws, n)) for draws in _portions(n, count)), (0.025, 0.975))
    ends = float(low), float(high)
    if 1 < (groups := len(grouped)) < n:
        drawn = (random.integers(0, groups, groups) for _ in range(count))
        spread = float(np.std(changes(np.concatenate([grouped[one] for one in each]) for each in drawn)))
        half = student_quantile(groups - 1) * spread * math.sqrt(groups / (groups - 1))
        ends = hull(ends, (values[1] - values[0] - half, values[1] - values[0] + half))
    return *values, ends
