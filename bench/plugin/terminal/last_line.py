"""pytest's last line: what came of the questions first, and of the whole run where this session is a part of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.plugin.outcomes import WORDS
from bench.plugin.terminal.width import terminal_width
from reports.report import Report

_ORDER = {word: place for place, word in enumerate(("failed", *WORDS))}
_TIMED = 30
"""How long the rest of the line may be: the time, and the rules on both sides."""
_Part = tuple[str, dict[str, bool]]


def show_last_line(terminal: pytest.TerminalReporter, whole: Report | None) -> None:
    """Let the last line read "12 correct, 4 wrong, 3 abstained, 1 error", whatever came first.

    With the report of a `whole` run: "whole run: 12 correct, 8 wrong, this part: 2 correct, 1 wrong", or, where that is
    too long, "all: 12 correct, 8 wrong, now: 3".
    """
    as_pytest = terminal.build_summary_stats_line

    def in_order() -> tuple[list[_Part], str]:
        parts, colour = as_pytest()
        parts = sorted(parts, key=lambda part: _ORDER.get(_word(part[0]), len(_ORDER)))
        if whole is None:
            return parts, colour
        every = list(_outcomes(whole))
        line = [*_labelled("whole run", every), *_labelled("this part", parts)]
        if sum(len(text) + 2 for text, _markup in line) + _TIMED > terminal_width():
            line = [*_labelled("all", every), (f"now: {_asked(terminal)}", {})]
        return line, colour

    terminal.build_summary_stats_line = in_order  # type: ignore[method-assign]  # pytest has no hook for this line


def _asked(terminal: pytest.TerminalReporter) -> int:
    """How many questions this session has asked."""
    return sum(len(terminal.stats.get(word, ())) for word in WORDS)


def _labelled(label: str, parts: list[_Part]) -> Iterator[_Part]:
    for place, (text, markup) in enumerate(parts):
        yield (text if place else f"{label}: {text}"), markup


def _outcomes(report: Report) -> Iterator[_Part]:
    outcomes = [result.questions.outcomes for result in report.results]
    for word in ("correct", "wrong", "abstained", "error"):
        number = sum(getattr(one, word) for one in outcomes)
        if number:
            yield f"{number} {word}{'s' if word == 'error' and number > 1 else ''}", WORDS[word][1]
    if unjudged := sum(one.unjudged for one in outcomes):
        yield f"{unjudged} without a verdict", {}


def _word(part: str) -> str:
    return part.split()[-1].removesuffix("s") if part.endswith("errors") else part.split()[-1]
