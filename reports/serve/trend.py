"""Accuracy over time: a chart for each provider on a benchmark, of runs whose accuracies may be compared."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from reports.pages import Axis
from reports.serve.runs import PairRow, RunRow, Settings

_WIDTH, _HEIGHT = 520, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 18, 14, 40


@dataclass(frozen=True, slots=True)
class Point:
    """A finished run."""

    run_id: str
    started: datetime
    pair: PairRow

    @property
    def text(self) -> str:
        """What a pointer on it shows."""
        pair = self.pair
        return f"{self.started:%Y-%m-%d %H:%M} {self.run_id}: {pair.value or 0:.1%} [{pair.low:.1%}, {pair.high:.1%}]"


@dataclass(frozen=True)
class Trend:
    """Runs with the same settings in the order of their beginning; there are two or more."""

    provider: str
    benchmark: str
    settings: Settings
    points: tuple[Point, ...]
    width, height, left, right = _WIDTH, _HEIGHT, _LEFT, _WIDTH - _RIGHT
    top, bottom = _TOP, _HEIGHT - _BOTTOM

    @property
    def title(self) -> str:
        """What it is about."""
        return f"{self.provider} on {self.benchmark}"

    @property
    def description(self) -> str:
        """The same for readers who do not see it."""
        first, last = self.points[0], self.points[-1]
        return f"Accuracy of {len(self.points)} runs with 95 % intervals. First: {first.text}. Last: {last.text}."

    @cached_property
    def x(self) -> Axis:
        """Time, in seconds since 1970."""
        return Axis.over([point.started.timestamp() for point in self.points], self.left, self.right)

    @cached_property
    def y(self) -> Axis:
        """Accuracy in percent."""
        ends = [100 * end for point in self.points for end in (point.pair.low, point.pair.high)]
        return Axis.over(ends, self.bottom, self.top)

    @property
    def days(self) -> list[tuple[str, float]]:
        """Marks of the time axis: days, or times where all is on one day; four or so."""
        first, last = self.points[0].started.astimezone(UTC), self.points[-1].started.astimezone(UTC)
        if first.date() == last.date():
            return [(f"{moment:%H:%M:%S}", self.x.at(moment.timestamp())) for moment in dict.fromkeys((first, last))]
        days = (last.date() - first.date()).days
        step = math.ceil(days / 4)
        start = datetime(first.year, first.month, first.day, tzinfo=UTC)
        marks = [start + timedelta(days=number) for number in range(0, days + 1, step)]
        within = [moment for moment in marks if self.x.low <= moment.timestamp() <= self.x.high]
        return [(f"{moment:%Y-%m-%d}", self.x.at(moment.timestamp())) for moment in within or [last]]

    @property
    def path(self) -> str:
        """The line as SVG has it."""
        places = [(point.started.timestamp(), 100 * (point.pair.value or 0)) for point in self.points]
        return "M" + "L".join(f"{self.x.at(x)} {self.y.at(y)}" for x, y in places)


def trends_of(rows: Iterable[RunRow]) -> list[Trend]:
    """The trends that finished runs make, by benchmark and provider; a second look at wrong answers is in none."""
    found: dict[tuple[str, str, Settings], list[Point]] = {}
    for row in rows:
        if row.state == "finished" and row.started and not row.second_look_at:
            for pair in row.pairs:
                if pair.value is not None:
                    key = (pair.benchmark, pair.provider, pair.settings)
                    found.setdefault(key, []).append(Point(row.id, row.started, pair))
    return [
        Trend(provider, benchmark, settings, tuple(sorted(points, key=lambda point: point.started)))
        for (benchmark, provider, settings), points in sorted(found.items())
        if len(points) > 1
    ]
