"""An axis of a chart: where values lie on it, and which are written beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high`, drawn from `start` to `end` (units of the drawing; `end` may be the smaller)."""

    low: float
    high: float
    start: float
    end: float
    whole: bool = False

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float, *, whole: bool = False) -> Axis:
        """An axis that holds all of `values` and a little more, except that a `whole` one begins at its first value."""
        known = [value for value in values if math.isfinite(value)] or [0.0]
        low, high = min(known), max(known)
        margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
        return cls(low - (0.5 if whole else margin), high + (0.5 if whole else margin), start, end, whole)

    def at(self, value: float) -> float:
        """Where `value` lies; one beyond an end lies at that end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[tuple[str, float]]:
        """Round values as texts, with their places: five or so."""
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.99)
        if self.whole:
            step = max(1.0, round(step))
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        numbers = [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]
        return [(f"{number + 0.0:.{digits}f}", self.at(number)) for number in numbers]
