"""Charts as values that the macros in ``charts.html.j2`` draw as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from reports.pages.axis import Axis

WIDTH, HEIGHT = 520, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 14, 44
_NAMES, _ROW = 150, 26
_LONGEST = 20
_STEP = 14
"""Between the intervals of a row."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A point. `kind` is the style and the shape it is drawn in; `text` is what a pointer on it shows."""

    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True)
class Scatter:
    """Points over two axes. `title` and `description` are for readers who do not see it.

    `ticks` are marks on the lower edge: x of what has no y, with the text that a pointer shows. `line` joins points in
    its order, as steps if `stepped`. `band` is a range of y that is shaded, `level` a value of y that is marked.
    `whole` is for an x that counts.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    dots: Sequence[Dot]
    ticks: Sequence[tuple[float, str]] = ()
    line: Sequence[tuple[float, float]] = ()
    stepped: bool = False
    band: tuple[float, float] | None = None
    level: float | None = None
    whole: bool = False
    width, height, left, right = WIDTH, HEIGHT, _LEFT, WIDTH - _RIGHT
    top, bottom = _TOP, HEIGHT - _BOTTOM

    @cached_property
    def x(self) -> Axis:
        """The horizontal axis."""
        values = [*(dot.x for dot in self.dots), *(x for x, _ in self.ticks)]
        return Axis.over(values, self.left, self.right, whole=self.whole)

    @cached_property
    def y(self) -> Axis:
        """The vertical axis."""
        marked = [*(self.band or ()), *([] if self.level is None else [self.level])]
        return Axis.over([*(dot.y for dot in self.dots), *marked], self.bottom, self.top)

    @property
    def path(self) -> str:
        """The line as SVG has it."""
        parts: list[str] = []
        for x, y in self.line:
            if not parts:
                parts.append(f"M{self.x.at(x)} {self.y.at(y)}")
            elif self.stepped:
                parts.append(f"H{self.x.at(x)}V{self.y.at(y)}")
            else:
                parts.append(f"L{self.x.at(x)} {self.y.at(y)}")
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class Bar:
    """A row: a value with its interval, as far as that is known. An infinite end is drawn to the edge."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: str = ""

    @property
    def shown(self) -> str:
        """The name, cut to the room that there is for it."""
        return self.name if len(self.name) <= _LONGEST else self.name[: _LONGEST - 1] + "…"


@dataclass(frozen=True)
class Bars:
    """Rows over one axis, on which `zero` is marked. `filled` draws bars from there, otherwise points are drawn."""

    title: str
    description: str
    label: str
    rows: Sequence[Bar]
    filled: bool = False
    zero: float = 0.0
    width, left, right, row = WIDTH, _NAMES, WIDTH - _RIGHT, _ROW

    @property
    def height(self) -> int:
        """The height of the drawing."""
        return len(self.rows) * _ROW + _TOP + _BOTTOM

    @property
    def bottom(self) -> int:
        """Where the axis lies."""
        return self.height - _BOTTOM

    @cached_property
    def x(self) -> Axis:
        """The axis."""
        values = [end for row in self.rows for end in (row.value, row.low, row.high) if end is not None]
        return Axis.over([self.zero, *values], self.left, self.right)

    def middle(self, place: int) -> float:
        """The height at which a row lies, counted from 0."""
        return _TOP + (place + 0.5) * _ROW


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together, joined by a line. `kind` is the style and the shape they are drawn in."""

    name: str
    kind: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Lines:
    """Series of shares, from 0 to 1. `ticks` are the marks of the x axis, from its first to its last.

    `marked` draws a mark on each point.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    ticks: Sequence[tuple[str, float]]
    marked: bool = False
    width, height, left, right = WIDTH, HEIGHT, _LEFT, WIDTH - _RIGHT
    top, bottom = _TOP, HEIGHT - _BOTTOM

    @cached_property
    def x(self) -> Axis:
        """The horizontal axis."""
        low, high = self.ticks[0][1], self.ticks[-1][1]
        return Axis(low, high if high > low else low + 1, self.left + 6, self.right - 8)

    @cached_property
    def y(self) -> Axis:
        """The vertical axis."""
        return Axis(0.0, 1.0, self.bottom, self.top)

    def path(self, series: Series) -> str:
        """The line of `series` as SVG has it."""
        return "M" + "L".join(f"{self.x.at(x)} {self.y.at(y)}" for x, y in series.points)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value of a series with its interval, in a row of `Intervals`."""

    kind: str
    value: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Intervals:
    """Rows of several intervals each, over one axis of shares."""

    title: str
    description: str
    label: str
    rows: Sequence[tuple[str, Sequence[Interval]]]
    width, left, right, top = WIDTH, _NAMES, WIDTH - _RIGHT, _TOP

    @cached_property
    def x(self) -> Axis:
        """The axis."""
        return Axis(0.0, 1.0, self.left, self.right)

    @cached_property
    def placed(self) -> list[tuple[str, float, list[tuple[Interval, float]]]]:
        """The rows with the heights of their middles, and those of their intervals."""
        found, top = list[tuple[str, float, list[tuple[Interval, float]]]](), float(_TOP)
        for name, intervals in self.rows:
            height = 14 + _STEP * len(intervals)
            first = top + 7 + _STEP / 2
            heights = [(one, first + _STEP * place) for place, one in enumerate(intervals)]
            found.append((name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…", top + height / 2, heights))
            top += height
        return found

    @property
    def bottom(self) -> int:
        """Where the axis lies."""
        return _TOP + sum(14 + _STEP * len(intervals) for _name, intervals in self.rows)

    @property
    def height(self) -> int:
        """The height of the drawing."""
        return self.bottom + _BOTTOM
