"""A comparison as a page of HTML that stands alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reports.compare.model import Compared, Comparisons
from reports.compare.words import FLIPS, change, label, left_out_lines, n_words, notes, number, p_value, title
from reports.differences import Difference
from reports.pages import Bar, Bars, render

_TEMPLATE = Path(__file__).parent / "comparison.html.j2"
_STYLE = Path(__file__).parent / "comparison.css"
_KINDS = {"better": "better", "worse": "worse"}


def comparison_page(comparisons: Comparisons) -> str:
    """The page, as HTML."""
    return render(
        _TEMPLATE,
        styles=[_STYLE],
        comparisons=comparisons.comparisons,
        not_compared=comparisons.not_compared,
        headline=headline,
        charts_of=lambda one: list(_charts(one)),
        flips=lambda one: {words: getattr(one.flips, name) for name, words in FLIPS.items()},
        title_of=title, n_words=n_words, left_out=left_out_lines, notes=notes,
        number=number, change=change, p_value=p_value, label=label,
    )  # fmt: skip


def headline(one: Compared) -> tuple[str, str]:
    """The verdict on the first figure in words, and the style of it."""
    if not one.differences:
        return "Nothing was measured on both sides", ""
    first = one.differences[0]
    words = f"{label(first.figure)} {number(first.figure, first.first)} → {number(first.figure, first.second)}"
    return f"{words}: {first.verdict}", _KINDS.get(first.verdict, "")


def _charts(one: Compared) -> Iterator[Bars]:
    whole = [each for each in one.differences if not each.figure.endswith("_ms") and each.figure not in _ABSOLUTE]
    for figure in ("accuracy", "recall@10"):
        rows = [("all", each) for each in whole if each.figure == figure]
        rows += [(name, each) for name, part in one.by_type.items() for each in part if each.figure == figure]
        if rows:
            words = "; ".join(f"{name} {change(each)}, {each.verdict}" for name, each in rows)
            yield Bars(
                f"Change of {figure} against the baseline", words, f"change of {figure}, points, with 95 % intervals",
                [_bar(name, each) for name, each in rows],
            )  # fmt: skip


_ABSOLUTE = ("context_tokens", "usd")


def _bar(name: str, difference: Difference) -> Bar:
    low, high = (None, None) if difference.ci95 is None else (end * 100 for end in difference.ci95)
    return Bar(name, difference.change * 100, low, high, _KINDS.get(difference.verdict, ""))
