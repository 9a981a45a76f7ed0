"""The result of an audit as plain text for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from judges.audit import GradedItem
from reports.report import Accepted, JudgeAudit
from vocabulary import Usage


def audit_lines(audit: JudgeAudit, everything: JudgeAudit, graded: Sequence[GradedItem]) -> Iterator[str]:
    """The figures of `audit` beside those of a judge that accepts everything, and what went wrong."""
    questions = len({one.item.question_name for one in graded})
    model = f", model {audit.model}" if audit.model else ""
    yield f"judge {audit.judge} ({audit.protocol}{model}) on {audit.items} answers to {questions} questions"
    yield ""
    low, high = audit.accuracy.ci95
    yield from table_lines(
        [
            ("", "THIS JUDGE", "ACCEPTING EVERYTHING"),
            ("accuracy", f"{audit.accuracy.value:.3f} [{low:.3f}, {high:.3f}]", f"{everything.accuracy.value:.3f}"),
            ("Cohen's kappa", _figure(audit.kappa), _figure(everything.kappa)),
        ],
        left=3,
    )
    yield ""
    yield from table_lines([("KIND", "N", "RIGHT", "ACCEPTED", "SHARE", "ERRORS"), *_kinds(audit)], left=1)
    if audit.errors:
        yield ""
        yield from _errors(graded)
    spent = [one.verdict.usage for one in graded if one.verdict is not None and one.verdict.usage is not None]
    if spent:
        yield ""
        yield _spent(spent)
    yield ""
    yield _vague(audit, everything)


def _kinds(audit: JudgeAudit) -> Iterator[tuple[str, ...]]:
    for kind, of in audit.kinds.items():
        yield kind, str(of.items), str(of.labelled_correct), str(of.accepted), _figure(of.share), str(of.errors)


def _vague(audit: JudgeAudit, everything: JudgeAudit) -> str:
    vague = audit.vague_accepted
    between = "" if vague.ci95 is None else f", 95 % interval {vague.ci95[0] * 100:.1f} to {vague.ci95[1] * 100:.1f} %"
    return (
        f"vague wrong answers accepted: {_percent(vague)} ({vague.accepted} of {vague.items - vague.errors}{between}); "
        f"accepting everything: {_percent(everything.vague_accepted)}"
    )


def _errors(graded: Sequence[GradedItem]) -> Iterator[str]:
    by_type: dict[str, list[GradedItem]] = {}
    for one in graded:
        if one.error is not None:
            by_type.setdefault(type(one.error).__name__, []).append(one)
    for name, those in by_type.items():
        text = " ".join(str(those[0].error).split())
        yield f"errors: {len(those)} {name}, such as {those[0].item.id}: {text}"


def _spent(usages: Sequence[Usage]) -> str:
    spent = sum(usages, start=Usage(calls=0))
    return f"{spent.calls} calls, {spent.input_tokens:,} tokens read, {spent.output_tokens:,} tokens written"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(of: Accepted) -> str:
    return "unknown" if of.share is None else f"{of.share * 100:.1f} %"


def table_lines(rows: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """Rows with aligned columns, the first `left` of them to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        parts = [cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(cells)]
        yield "  ".join(parts).rstrip()


def audit_json(audit: JudgeAudit, graded: Sequence[GradedItem]) -> str:
    """The figures and all verdicts, for ``--json``."""
    found = {"audit": audit.model_dump(mode="json"), "items": [_item(audit.protocol, one) for one in graded]}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _item(protocol: str, one: GradedItem) -> dict[str, str | None]:
    item, verdict, error = one.item, one.verdict, one.error
    return {
        "id": item.id,
        "kind": item.kind,
        "question": item.question.text,
        "ground_truth": item.gold.ground_truth,
        "answer": item.answer.hypothesis,
        "label": item.label(protocol),
        "verdict": verdict.label if verdict else None,
        "explanation": verdict.explanation if verdict else None,
        "error": f"{type(error).__name__}: {error}" if error else None,
    }
