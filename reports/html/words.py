"""What a page says of a run in words and short figures."""

from __future__ import annotations

from collections.abc import Iterator

from reports.report import CorrectedKey, Report, Result

NOTHING = "-"
FLOOR, CEILING = "none", "oracle"
"""The baselines that any memory system lies between."""
_MOST = 4
"""Accuracies in a headline."""


def percent(share: float) -> str:
    """A share, as people read it."""
    return f"{share * 100:.1f} %"


def recall_at_10(result: Result | CorrectedKey) -> str:
    """Recall@10 of messages, else of sessions."""
    levels = result.shown_retrieval
    level = levels.message or levels.session
    value = level.recall["10"] if level else None
    return NOTHING if value is None else f"{value:.3f}" + ("" if levels.message else " (sessions)")


def headline(report: Report) -> tuple[str, str]:
    """The verdict of the run in a few words, and its kind: "better", "worse" or ""."""
    if report.run.finished is None:
        return "The run is not finished", "worse"
    if report.gate is not None:
        return ("The gate is met", "better") if report.gate.met else ("The gate is missed", "worse")
    if not report.results:
        return "No question was selected", ""
    judged = [result for result in report.results if result.accuracy]
    systems = [result for result in judged if not role(result.provider.name)]
    shown = judged if len(judged) <= _MOST else sorted(systems, key=_accuracy, reverse=True)
    if shown:
        more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
        accuracies = [_short(result, several=_several(report)) for result in shown[:_MOST]]
        return f"Correct: {', '.join(accuracies)}{more}", ""
    return ", ".join(dict.fromkeys(_who(result, several=_several(report)) for result in report.results)), ""


def sentences(report: Report) -> Iterator[str]:
    """The verdict of the run, a sentence for each thing."""
    several = _several(report)
    for result in report.results:
        yield _in_full(result, several=several)
    systems = {result.provider.name for result in report.results if not role(result.provider.name)}
    for one in report.comparisons:
        if len(systems) > 1 and not {one.first, one.second} <= systems:
            continue  # where the floor and the ceiling are, the table says
        where = f" on {one.benchmark}" if several else ""
        better, worse = (one.first, one.second) if one.difference > 0 else (one.second, one.first)
        low, high = sorted(abs(end) * 100 for end in one.ci95)
        p = "p < 0.001" if one.p_value < 0.001 else f"p = {one.p_value:.3f}"
        if one.different:
            yield (
                f"{better} is better than {worse}{where} in {one.metric} by {abs(one.difference) * 100:.1f} points "
                f"(95 % interval {low:.1f} to {high:.1f}, {p})."
            )
        else:
            ends = " to ".join(f"{end * 100:+.1f}" for end in one.ci95)
            yield (
                f"No difference in {one.metric} between {one.first} and {one.second}{where} is shown "
                f"({one.difference * 100:+.1f} points, 95 % interval {ends}, {p})."
            )


def warnings(report: Report) -> list[str]:
    """Each warning once, with the results that it is about where these are not all."""
    found: dict[str, list[str]] = {}
    for result in report.results:
        for text in (*result.warnings, *result.clock_warnings, *filter(None, [result.conformance.summary])):
            found.setdefault(text, []).append(f"{result.provider.name} on {result.benchmark.name}")
    every = len(report.results)
    return [text if len(where) == every else f"{', '.join(where)}: {text}" for text, where in found.items()]


def role(provider: str) -> str:
    """What a baseline stands for, in brackets; empty for others."""
    return {FLOOR: " (floor)", CEILING: " (ceiling)"}.get(provider, "")


def _several(report: Report) -> bool:
    return len({result.benchmark.name for result in report.results}) > 1


def _short(result: Result, *, several: bool) -> str:
    assert result.accuracy is not None
    return f"{_who(result, several=several)} {percent(result.accuracy.value)}"


def _who(result: Result, *, several: bool) -> str:
    where = f" on {result.benchmark.name}" if several else ""
    return f"{result.provider.name}{role(result.provider.name)}{where}"


def _accuracy(result: Result) -> float:
    return result.accuracy.value if result.accuracy else 0.0


def _in_full(result: Result, *, several: bool) -> str:
    questions, accuracy = result.questions, result.accuracy
    who = _who(result, several=several)
    if accuracy is None:
        return f"{who}: {questions.selected:,} questions, nothing was judged; recall@10 {recall_at_10(result)}."
    low, high = accuracy.ci95
    outcomes = {name: count for name, count in questions.outcomes if name != "correct" and count}
    rest = ", ".join(f"{count:,} {_noun(name, count)}" for name, count in outcomes.items())
    text = (
        f"{who}: {percent(accuracy.value)} of {accuracy.n:,} questions correct, 95 % interval {percent(low)} to "
        f"{percent(high)}"
    )
    sample = result.benchmark.sample
    if sample is not None and sample.estimate is not None:
        low, high = sample.estimate.ci95
        ends = f"{percent(low)} to {percent(high)}"
        text += f"; estimated for all {sample.estimate.n:,}: {percent(sample.estimate.value)}, {ends}"
    return f"{text}{f'; {rest}' if rest else ''}."


def _noun(outcome: str, count: int) -> str:
    return "errors" if outcome == "error" and count != 1 else outcome
