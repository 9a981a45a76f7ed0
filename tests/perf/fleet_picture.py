"""Lines over two logarithmic scales, in colours that can be read on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

WIDTH, HEIGHT, LEFT, TOP, GAP, RIGHT = 300, 220, 60, 44, 190, 130
COLOURS = (("#2563eb", "#93c5fd"), ("#b45309", "#fbbf24"), ("#047857", "#6ee7b7"), ("#6b7280", "#9ca3af"))
"""Of each line, on light and on dark."""

Lines = Mapping[str, Sequence[float]]


def picture(across: Sequence[int], panels: Mapping[str, tuple[Lines, Mapping[float, str]]]) -> str:
    """An SVG with a panel for each title: lines of values for the first of `across`, and the marks of the scale."""
    parts = [part for number, title in enumerate(panels) for part in _panel(number, title, across, *panels[title])]
    width, height = LEFT + len(panels) * (WIDTH + GAP) - GAP + RIGHT, TOP + HEIGHT + 50
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return (
        "\n".join([head, _style(), f'<rect class="page" width="{width}" height="{height}"/>', *parts, "</svg>"]) + "\n"
    )


def _style() -> str:
    def colours(which: int) -> str:
        lines = (
            f".l{number}{{stroke:{pair[which]}}} .t{number}{{fill:{pair[which]}}}"
            for number, pair in enumerate(COLOURS)
        )
        page, text, grid = (("#ffffff", "#374151", "#e5e7eb"), ("#0d1117", "#d1d5db", "#30363d"))[which]
        return f".page{{fill:{page}}} text{{fill:{text}}} .grid{{stroke:{grid}}} {' '.join(lines)}"

    text = "text{font:11px sans-serif} polyline{fill:none;stroke-width:2}"
    return f"<style>{text} {colours(0)} @media (prefers-color-scheme:dark){{{colours(1)}}}</style>"


def _scale(low: float, high: float, start: float, length: float) -> Callable[[float], float]:
    first, last = math.log10(low), math.log10(high)
    return lambda value: start + length * (math.log10(value) - first) / (last - first)


def _panel(number: int, title: str, across: Sequence[int], lines: Lines, marks: Mapping[float, str]) -> list[str]:
    left = LEFT + number * (WIDTH + GAP)
    x = _scale(across[0], across[-1], left, WIDTH)
    y = _scale(min(marks), max(marks), TOP + HEIGHT, -HEIGHT)
    parts = [_text(left, TOP - 20, title, "start")]
    for value, name in marks.items():
        parts.append(f'<line class="grid" x1="{left}" y1="{y(value):.1f}" x2="{left + WIDTH}" y2="{y(value):.1f}"/>')
        parts.append(_text(left - 6, y(value) + 4, name, "end"))
    named = (one for one in across if math.log10(one).is_integer())
    parts += [_text(x(value), TOP + HEIGHT + 18, f"{value:,}", "middle") for value in named]
    parts.append(_text(left + WIDTH / 2, TOP + HEIGHT + 36, "places", "middle"))
    free = -math.inf
    for which, (name, values) in sorted(enumerate(lines.items()), key=lambda line: y(line[1][1][-1])):
        points = [(x(place), y(max(value, min(marks)))) for place, value in zip(across, values, strict=False)]
        parts.append(f'<polyline class="l{which}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>')
        free = max(free + 14, points[-1][1] + 4)  # names of lines that end at the same height stand below each other
        parts.append(_text(left + WIDTH + 6, free, name, "start", f"t{which}"))
    return parts


def _text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'
