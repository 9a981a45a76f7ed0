"""What the times of one step come to: mean, percentiles, maximum, and how much their number lets one read from them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from schema import Word

NEEDED = {"p90": 10, "p95": 20, "p99": 100}
"""How many values a percentile needs before one whole value lies beyond it."""


class LatencySummary(Word):
    """Times in milliseconds; all None where `n` is 0. `note` says which percentiles `n` is too small for, else None."""

    n: int
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    max: float | None
    note: str | None = None


def summarise(values_ms: Iterable[float]) -> LatencySummary:
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
        return LatencySummary(n=0, mean=None, p50=None, p90=None, p95=None, p99=None, max=None)
    import numpy as np  # here: a tenth of a second that a run without a report need not spend

    p50, p90, p95, p99 = (float(quantile) for quantile in np.percentile(values, (50, 90, 95, 99), method="linear"))
    mean = math.fsum(values) / len(values)
    return LatencySummary(
        n=len(values), mean=mean, p50=p50, p90=p90, p95=p95, p99=p99, max=float(values[-1]), note=caution(len(values))
    )


def caution(n: int) -> str | None:
    """What to keep in mind about percentiles of `n` values; None where there are enough, or none at all."""
    weak = [name for name, needed in NEEDED.items() if n < needed]
    if not weak or n == 0:
        return None
    if n == 1:
        return "one value: every percentile is that value"
    return f"{', '.join(weak)} of {n} values {'is its' if len(weak) == 1 else 'are their'} largest few"
