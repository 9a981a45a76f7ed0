"""The charts of a run: accuracy by type, recall, search latency, and what context and money buy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reports.html.words import CEILING, FLOOR, percent, role
from reports.metrics import Accuracy
from reports.pages import Dot, Interval, Intervals, Lines, Scatter, Series
from reports.report import Result

_MOST = 6
"""Kinds of series with a colour and shape of their own; more providers share them."""
_POINTS = 100
"""Of a distribution: enough for a drawing."""


@dataclass(frozen=True, slots=True)
class BenchmarkCharts:
    """The charts of one benchmark, and which kind of series each provider is. None: there is nothing to draw."""

    benchmark: str
    key: Sequence[tuple[str, str]]
    accuracy: Intervals | None
    recall: Lines | None
    latency: Lines | None
    context: Scatter | None
    cost: Scatter | None


def charts_of(results: Sequence[Result], search_ms: Mapping[tuple[str, str], Sequence[float]]) -> list[BenchmarkCharts]:
    """The charts of each benchmark; `search_ms` has the times of searches by provider and benchmark."""
    names = list(dict.fromkeys(result.benchmark.name for result in results))
    kinds = _kinds(list(dict.fromkeys(result.provider.name for result in results)))
    return [_charts(name, [one for one in results if one.benchmark.name == name], kinds, search_ms) for name in names]


def _charts(
    name: str,
    results: Sequence[Result],
    kinds: Mapping[str, str],
    search_ms: Mapping[tuple[str, str], Sequence[float]],
) -> BenchmarkCharts:
    times = {one.provider.name: sorted(search_ms.get((one.provider.name, name), ())) for one in results}
    return BenchmarkCharts(
        name,
        [(one.provider.name + role(one.provider.name), kinds[one.provider.name]) for one in results],
        _accuracy(results, kinds),
        _recall(results, kinds),
        _latency({provider: found for provider, found in times.items() if found}, kinds),
        _against("context tokens", {one.provider.name: one.context.tokens_mean for one in results}, results, kinds),
        _against(
            "US dollars", {one.provider.name: one.cost.usd if one.cost else None for one in results}, results, kinds
        ),
    )


def _kinds(providers: Sequence[str]) -> dict[str, str]:
    systems = [name for name in providers if not role(name)]
    return {
        **{name: f"s{number % _MOST}" for number, name in enumerate(systems)}, FLOOR: "floor", CEILING: "ceiling",
    }  # fmt: skip


def _accuracy(results: Sequence[Result], kinds: Mapping[str, str]) -> Intervals | None:
    rows: dict[str, list[Interval]] = {}
    for result in results:
        parts = {"all questions": result.accuracy, **{name: part.accuracy for name, part in result.by_type.items()}}
        for name, accuracy in parts.items():
            if accuracy is not None and (name == "all questions" or len(result.by_type) > 1):
                rows.setdefault(name, []).append(_interval(result.provider.name, name, accuracy, kinds))
    if not rows:
        return None
    text = " ".join(f"{one.text}." for intervals in rows.values() for one in intervals)
    return Intervals("Accuracy by question type", text, "accuracy, 95 % interval", list(rows.items()))


def _interval(provider: str, name: str, accuracy: Accuracy, kinds: Mapping[str, str]) -> Interval:
    low, high = accuracy.ci95
    text = f"{provider}, {name}: {percent(accuracy.value)}, {percent(low)} to {percent(high)}, n={accuracy.n}"
    return Interval(kinds[provider], accuracy.value, low, high, text)


def _recall(results: Sequence[Result], kinds: Mapping[str, str]) -> Lines | None:
    series, cutoffs, said = [], set[int](), []
    for result in results:
        levels = result.shown_retrieval
        level = levels.message or levels.session
        known = {int(k): value for k, value in level.recall.items() if value is not None} if level else {}
        if known:
            name = result.provider.name + ("" if levels.message else " (sessions)")
            series.append((name, kinds[result.provider.name], known))
            cutoffs |= known.keys()
            said.append(f"{name}: " + ", ".join(f"{percent(value)} at {k}" for k, value in known.items()))
    if not series:
        return None
    places = {k: float(place) for place, k in enumerate(sorted(cutoffs))}  # evenly, as the cut-offs were chosen
    return Lines(
        "Recall by cut-off", ". ".join(said) + ".", "k", "recall@k",
        [Series(name, kind, [(places[k], value) for k, value in known.items()]) for name, kind, known in series],
        [(str(k), place) for k, place in places.items()], marked=True,
    )  # fmt: skip


def _latency(times: Mapping[str, Sequence[float]], kinds: Mapping[str, str]) -> Lines | None:
    """The share of searches that took at most so long. Times below a hundredth of a millisecond count as that."""
    if not times:
        return None
    lowest, highest = (max(end(end(one) for one in times.values()), 0.01) for end in (min, max))
    first, last = (
        math.floor(math.log10(lowest)),
        max(math.ceil(math.log10(highest)), math.floor(math.log10(lowest)) + 1),
    )
    said = [
        f"{name}: half within {_at(one, 0.5):.3g} ms, 95 % within {_at(one, 0.95):.3g} ms"
        for name, one in times.items()
    ]
    series = [
        Series(
            name, kinds[name], [(math.log10(max(_at(one, q / _POINTS), 0.01)), q / _POINTS) for q in range(_POINTS + 1)]
        )
        for name, one in times.items()
    ]
    ticks = [(f"{10.0**power:g}", float(power)) for power in range(first, last + 1)]
    return Lines(
        "Distribution of search times", ". ".join(said) + ".", "milliseconds, logarithmic", "share of searches",
        series, ticks,
    )  # fmt: skip


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[round(share * (len(ordered) - 1))]


def _against(
    what: str, spent: Mapping[str, float | None], results: Sequence[Result], kinds: Mapping[str, str]
) -> Scatter | None:
    """Accuracy against what was spent on it, with a line through the systems that none is better than in both."""
    points = [
        (value, one.accuracy.value, one.provider.name)
        for one in results
        if one.accuracy and (value := spent[one.provider.name]) is not None
    ]
    if len(points) < 2:
        return None
    front: list[tuple[float, float]] = []
    for value, accuracy, name in sorted(points, key=lambda point: (point[0], -point[1])):
        if not role(name) and (not front or accuracy > front[-1][1]):
            front.append((value, accuracy))
    texts = [f"{name}: {percent(accuracy)} correct, {value:,.4g} {what}" for value, accuracy, name in points]
    dots = [
        Dot(value, accuracy, kinds[name], text) for (value, accuracy, name), text in zip(points, texts, strict=True)
    ]
    return Scatter(f"Accuracy against {what}", ". ".join(texts) + ".", what, "accuracy", dots, line=front)
