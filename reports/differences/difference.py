"""The difference of one figure between two sides that were asked the same questions, and what the tests say of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev
from typing import Literal, NamedTuple

from reports.differences.resampling import bootstrap_means, bootstrap_percentiles
from reports.metrics import ENOUGH_CLUSTERS, Block, compare, hull, paired_interval, student_quantile

PERCENTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
FEWEST = {"p50": 2, "p90": 10, "p95": 20, "p99": 100}
"""Values from which a percentile has any beyond it."""
_Z = NormalDist().inv_cdf(0.975)
_POWER = NormalDist().inv_cdf(0.8)


class Pair(NamedTuple):
    """A question that both sides were asked: a value for each repeat of a side that has one."""

    cluster: str
    first: tuple[float, ...]
    second: tuple[float, ...]


class Difference(Block):
    """A figure of the second side against the first, the baseline."""

    figure: str
    n: int
    """Questions with a value on both sides."""
    clusters: int
    first: float
    second: float
    change: float
    """Second minus first."""
    ci95: tuple[float, float] | None
    """Null where there is too little to know."""
    bootstrap95: tuple[float, float] | None
    """The same interval by a paired bootstrap over clusters; for percentiles, `ci95` is of this kind."""
    only_first: int | None
    """Questions that only the first has right, or hits; null for other figures and for repeats."""
    only_second: int | None
    p_value: float | None
    """Exact McNemar test; null as above."""
    verdict: Literal["better", "worse", "no difference shown"]
    detectable: float | None
    """The change that 80 % of such comparisons would show; null where none could."""
    repeats: tuple[int, int]
    """Runs on either side."""
    noise: tuple[float | None, float | None]
    """Standard deviation of the figure between the repeats of a side; null for one run."""
    method: str


def lower_is_better(figure: str) -> bool:
    """Whether a rise of the figure is a loss: times, tokens and money."""
    return figure.endswith("_ms") or figure in ("context_tokens", "usd")


def compare_figure(figure: str, pairs: Sequence[Pair], *, resample: bool = True) -> Difference | None:
    """What `pairs` say of a figure; None where there are none.

    `figure` is a name of `Marks.value` for means, or with a percentile before it, as in "p95.search_ms". "better" and
    "worse" stand only where the interval excludes 0, exact McNemar agrees where it applies, and there are enough
    clusters; so neither is more than the test shows. `resample` is False to leave out the bootstrap of means.
    """
    if not pairs:
        return None
    statistic = figure.partition(".")[0]
    if statistic in PERCENTILES:
        return _of_percentiles(figure, pairs, statistic)
    return _of_means(figure, pairs, resample=resample)


def _of_means(figure: str, pairs: Sequence[Pair], *, resample: bool) -> Difference:
    clusters = len({pair.cluster for pair in pairs})
    changes = [(pair.cluster, fmean(pair.second) - fmean(pair.first)) for pair in pairs]
    first, second = fmean(fmean(pair.first) for pair in pairs), fmean(fmean(pair.second) for pair in pairs)
    repeats = max(len(pair.first) for pair in pairs), max(len(pair.second) for pair in pairs)
    binary = figure == "accuracy" or figure.startswith("hit@")
    only_first = only_second = p_value = None
    shown = True
    if binary and repeats == (1, 1):
        outcomes = ((pair.cluster, pair.second[0] > 0, pair.first[0] > 0) for pair in pairs)
        found = compare(outcomes, benchmark="", first="", second="")
        assert found is not None
        interval, method, shown, p_value = found.ci95, found.method, found.different, found.p_value
        only_first, only_second = found.only_second, found.only_first
    else:
        _, interval = paired_interval(changes)
        method = f"paired t over {clusters} clusters" if 1 < clusters < len(pairs) else "paired t over questions"
    noise = _noise(pairs, 0, repeats[0]), _noise(pairs, 1, repeats[1])
    if between := _between_runs(second - first, noise, repeats):
        interval = hull(interval, between)
        method += "; and Welch's over runs"
    return _difference(
        figure, pairs, first, second, interval, shown=shown, repeats=repeats, noise=noise, method=method,
        bootstrap=bootstrap_means(changes) if resample else None,
        only_first=only_first, only_second=only_second, p_value=p_value,
    )  # fmt: skip


def _of_percentiles(figure: str, pairs: Sequence[Pair], statistic: str) -> Difference | None:
    repeats = max(len(pair.first) for pair in pairs), max(len(pair.second) for pair in pairs)
    pairs = [pair for pair in pairs if (len(pair.first), len(pair.second)) == repeats]
    if not pairs:
        return None
    first, second, interval = bootstrap_percentiles(
        [pair.cluster for pair in pairs],
        [pair.first for pair in pairs],
        [pair.second for pair in pairs],
        PERCENTILES[statistic],
    )
    enough = len(pairs) >= FEWEST[statistic]
    method = "paired bootstrap over clusters and over questions"
    return _difference(
        figure, pairs, first, second, interval if enough else None, repeats=repeats,
        method=method if enough else f"{statistic} of {len(pairs)} values is its largest few", bootstrap=interval,
    )  # fmt: skip


def _difference(
    figure: str, pairs: Sequence[Pair], first: float, second: float, interval: tuple[float, float] | None, *,
    repeats: tuple[int, int], method: str, bootstrap: tuple[float, float] | None, shown: bool = True,
    noise: tuple[float | None, float | None] = (None, None),
    only_first: int | None = None, only_second: int | None = None, p_value: float | None = None,
) -> Difference:  # fmt: skip
    clusters = len({pair.cluster for pair in pairs})
    if interval is not None and not all(map(math.isfinite, interval)):
        interval = None
    enough = clusters == 1 or clusters >= ENOUGH_CLUSTERS
    if not enough and "fewer than" not in method:
        method += f"; fewer than {ENOUGH_CLUSTERS} clusters cannot show a difference"
    change = second - first
    verdict: Literal["better", "worse", "no difference shown"] = "no difference shown"
    if interval is not None and enough and shown and not interval[0] <= 0 <= interval[1]:
        verdict = "worse" if (change > 0) == lower_is_better(figure) else "better"
    return Difference(
        figure=figure, n=len(pairs), clusters=clusters, first=first, second=second, change=change, ci95=interval,
        bootstrap95=bootstrap, only_first=only_first, only_second=only_second, p_value=p_value, verdict=verdict,
        detectable=_detectable(figure, interval, len(pairs)) if enough else None,
        repeats=repeats, noise=noise, method=method,
    )  # fmt: skip


def _detectable(figure: str, interval: tuple[float, float] | None, n: int) -> float | None:
    """The change that is shown in 80 % of comparisons like this one.

    The multiplier of Bloom 1995, *Evaluation Review* 19: (quantile of the test + quantile of the power) standard
    errors. The observed interval gives the standard error, of which 1.96 takes the least for granted. A share that
    changes by d has d of its questions change, which alone is a variance of about d / n, also where no question has
    changed yet: d = k sqrt(se^2 + d / n) is solved for d.
    """
    if interval is None:
        return None
    error, factor = (interval[1] - interval[0]) / 2 / _Z, _Z + _POWER
    own = 0.0 if lower_is_better(figure) else factor**2 / n
    return (own + math.sqrt(own**2 + 4 * (factor * error) ** 2)) / 2


def _noise(pairs: Sequence[Pair], side: int, repeats: int) -> float | None:
    """The standard deviation of the mean between repeats, over questions that all of them have."""
    values = [pair.second if side else pair.first for pair in pairs]
    if repeats < 2 or any(len(one) < repeats for one in values):
        return None
    return stdev(fmean(column) for column in zip(*values, strict=True))


def _between_runs(
    change: float, noise: tuple[float | None, float | None], repeats: tuple[int, int]
) -> tuple[float, float] | None:
    """Welch's interval of the difference, taking runs for what varies; a side with one run varies like the other.

    Welch 1947, *Biometrika* 34; degrees of freedom by Satterthwaite, rounded down.
    """
    known = [one for one in noise if one is not None]
    if not known:
        return None
    spread = [known[0] if one is None else one for one in noise]
    parts = [one * one / runs for one, runs in zip(spread, repeats, strict=True)]
    if not sum(parts):
        return change, change
    own = [(part, runs - 1) for part, runs, one in zip(parts, repeats, noise, strict=True) if one is not None and part]
    borrowed = len(known) == 1
    degrees = max(repeats) - 1 if borrowed or not own else math.floor(sum(parts) ** 2 / sum(p * p / d for p, d in own))
    half = student_quantile(max(1, degrees)) * math.sqrt(sum(parts))
    return change - half, change + half
