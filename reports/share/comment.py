"""The comment of a pull request: what a run scored, what changed against the baseline, which questions flipped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Literal

from reports.compare import Compared, Comparisons
from reports.differences import Difference
from reports.report import Report, Result, gate_lines
from reports.share.markdown import code, plain, table
from reports.share.summary import NOTHING, accuracy_cell, cost_cell, recall_cell
from vocabulary import visible

_MOST_FLIPS = 20
"""Ids that are listed of each kind: a comment has at most 65,536 characters."""
_MOST_LINES = 20
_FLIPS = {
    "right_to_wrong": "right → wrong",
    "right_to_error": "right → error",
    "wrong_to_error": "wrong → error",
    "wrong_to_right": "wrong → right",
    "error_to_right": "error → right",
    "error_to_wrong": "error → wrong",
}
_HEADINGS = ("provider", "benchmark", "n", "accuracy [95 %]", "against the baseline", "recall@10", "search p95", "cost")
_MARKS: dict[Literal["better", "worse", "no difference shown"], str] = {"better": "▲ ", "worse": "▼ "}


def marker(key: str) -> str:
    """The hidden first line that the comment is known by; `key` tells it from those of other jobs."""
    return f"<!-- memory-benchmark: {re.sub(r'[^A-Za-z0-9._/ -]|--+', '-', key)[:200]} -->"


def comment(
    report: Report, key: str, comparisons: Comparisons | None, uncompared: str | None = None, details: str | None = None
) -> Iterator[str]:
    """The lines of the comment.

    `comparisons` are with the baseline; where there are none, `uncompared` says why. `details` is the address of the
    job.
    """
    compared = {(one.second.provider, one.benchmark): one for one in comparisons.comparisons} if comparisons else {}
    gate = report.gate
    verdict = {None: "no gate", True: "✅ gate met", False: "❌ gate missed"}[gate.met if gate else None]
    yield marker(key)
    yield f"### Memory benchmark: {verdict}"
    yield ""
    yield from table(
        _HEADINGS,
        [_row(one, compared.get((one.provider.name, one.benchmark.name))) for one in report.results],
        right=(2, 5, 6, 7),
    )
    if gate:
        yield from ("", *(f"- {plain(line)}" for line in gate_lines(gate)[:_MOST_LINES]))
    if uncompared:
        yield from ("", f"Not compared with the baseline: {plain(uncompared)}")
    for one in compared.values():
        yield from _flips(one)
    if errors := sum(result.questions.errors for result in report.results):
        yield from ("", f"{errors} {'question' if errors == 1 else 'questions'} ended in an error:")
        yield from (f"- {line}" for line in _errors(report))
    git = report.run.git
    commit = f", suite {code(git.commit[:10])}" if git else ""
    link = f" · [job]({details})" if details and re.fullmatch(r"https?://[^\s()<>]+", details) else ""
    judges = ", ".join(dict.fromkeys(code(result.judge.name) for result in report.results))
    models = ", ".join(dict.fromkeys(code(result.answering_model) for result in report.results))
    yield ""
    yield f"Run {code(report.run.id)}{commit}, answering model {models or NOTHING}, judge {judges or NOTHING}{link}"


def _row(result: Result, compared: Compared | None) -> tuple[str, ...]:
    p95 = result.latency_ms.search.p95
    return (
        code(result.provider.name),
        plain(result.benchmark.name),
        str(result.questions.selected),
        accuracy_cell(result.accuracy),
        _change(_figure(compared, "accuracy")),
        _with_change(recall_cell(result.shown_retrieval), _figure(compared, "recall@10")),
        NOTHING if p95 is None else f"{p95:.1f} ms",
        cost_cell(result),
    )


def _figure(compared: Compared | None, name: str) -> Difference | None:
    return next((one for one in compared.differences if one.figure == name), None) if compared else None


def _change(difference: Difference | None) -> str:
    if difference is None:
        return NOTHING
    interval = f" \\[{difference.ci95[0]:+.3f}, {difference.ci95[1]:+.3f}\\]" if difference.ci95 else ""
    return f"{_MARKS.get(difference.verdict, '')}{difference.change:+.3f}{interval}, {difference.verdict}"


def _with_change(cell: str, difference: Difference | None) -> str:
    return cell if difference is None else f"{cell} ({_MARKS.get(difference.verdict, '')}{difference.change:+.3f})"


def _flips(one: Compared) -> Iterator[str]:
    """What changed from the baseline, folded under its counts."""
    found = {words: getattr(one.flips, name) for name, words in _FLIPS.items() if getattr(one.flips, name)}
    counts = ", ".join(f"{len(ids)} {words}" for words, ids in found.items()) or "no question flipped"
    title = html.escape(visible(f"{one.second.provider} on {one.benchmark}: {counts}"))
    yield from ("", f"<details><summary>{title}</summary>", "")
    for words, ids in found.items():
        more = f" and {len(ids) - _MOST_FLIPS} more" if len(ids) > _MOST_FLIPS else ""
        yield f"- {words}: {', '.join(map(code, ids[:_MOST_FLIPS]))}{more}"
    for changed in one.changed[:_MOST_LINES]:
        yield f"- {plain(f'{changed.subject}: {changed.first} in the baseline, here {changed.second}')}"
    yield from (f"- {plain(text)}" for text in one.warnings[:_MOST_LINES])
    yield from ("", "</details>")


def _errors(report: Report) -> Iterator[str]:
    errors = [(result.provider.name, error) for result in report.results for error in result.errors]
    for provider, error in errors[:5]:
        message = f"{error.type} in {error.phase}: {error.message}"
        yield f"{code(error.question_id)} of {code(provider)}: {code(message)}"
