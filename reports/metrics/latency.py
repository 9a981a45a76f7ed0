"""What the times of one step come to: mean, percentiles, maximum, and how much their number lets one read from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from reports.metrics.figures import Latency

NEEDED = {"p90": 10, "p95": 20, "p99": 100}
"""How many values a percentile needs before one whole value lies beyond it."""


def summarise(values_ms: Iterable[float]) -> Latency:
    """Summarise service times in milliseconds.

    A percentile between two values is interpolated linearly: with the values sorted and numbered from 0, quantile q
    lies at q (n - 1) (Hyndman & Fan 1996, type 7; numpy's default, "inclusive" in the standard library's `statistics`).

    Raises `ValueError` for a time that is negative or not finite.
    """
    values = sorted(values_ms)
    for value in values:
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{value!r} ms is no time: service times are finite and not negative")
    if not values:
        return Latency(n=0, mean=None, p50=None, p90=None, p95=None, p99=None, max=None, note=None)
    n = len(values)
    p50, p90, p95, p99 = (_quantile(values, percent) for percent in (50, 90, 95, 99))
    mean = math.fsum(values) / n
    return Latency(n=n, mean=mean, p50=p50, p90=p90, p95=p95, p99=p99, max=values[-1], note=caution(n))


def _quantile(ordered: Sequence[float], percent: int) -> float:
    below, beyond = divmod(percent * (len(ordered) - 1), 100)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    return low + (high - low) * beyond / 100


def caution(n: int) -> str | None:
    """What to keep in mind about percentiles of `n` values; None where there are enough, or none at all."""
    weak = [name for name, needed in NEEDED.items() if n < needed]
    if not weak or n == 0:
        return None
    if n == 1:
        return "one value: every percentile is that value"
    return f"{', '.join(weak)} of {n} values {'is its' if len(weak) == 1 else 'are their'} largest few"
