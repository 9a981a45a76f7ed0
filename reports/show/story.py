"""What happened to one question, for people: a line, a story of at most 15 lines, or all of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from reports.store import QuestionRecord, Step
from vocabulary import SearchResult, visible

LINES = 15
COLUMNS = 120
SHOWN_RESULTS = 5
LABEL = 14
_UNSEEN = re.compile(r"\s+")


def one_line(record: QuestionRecord, columns: int = COLUMNS) -> str:
    """The question in one line of at most `columns` characters (of 60 or more)."""
    head = f"{record.case.id} {record.case.gold.question_type}  {record.outcome}  "
    room = max(columns - len(head), 30)
    if record.error is not None:
        return _cut(head + _fault(record.error), columns)
    asked = _quoted(record.case.question.text, room * 2 // 5)
    room -= len(asked) + len(" expected , got ")
    expected = _quoted(record.case.gold.ground_truth, max(room // 2, 12))
    got = "nothing"
    if record.answer is not None:
        got = _quoted(record.answer.hypothesis, max(room - len(expected), 12))
    return _cut(f"{head}{asked} expected {expected}, got {got}", columns)


def example_row(record: QuestionRecord) -> tuple[str, ...]:
    """The question as a row of a table: id, type, outcome, question, expected answer, answer."""
    gold = record.case.gold
    got = "nothing" if record.answer is None else _seen(record.answer.hypothesis)
    asked, expected = _seen(record.case.question.text), _seen(gold.ground_truth)
    return record.case.id, gold.question_type, record.outcome, asked, expected, got or "(empty)"


def short_story(record: QuestionRecord) -> str:
    """The question's story in at most 15 lines of at most 120 characters."""
    lines = [_cut(line, COLUMNS) for line in _lines(record, SHOWN_RESULTS)]
    return "\n".join(lines[:LINES])


def full_story(record: QuestionRecord) -> str:
    """The same, with all results and nothing cut; for JUnit XML."""
    return "\n".join(_lines(record, None))


def _lines(record: QuestionRecord, shown: int | None) -> Iterable[str]:
    case, gold = record.case, record.case.gold
    date = f"  (asked {case.question.date:%Y-%m-%d %H:%M})" if case.question.date else ""
    yield f"{case.id}  {gold.question_type}  {record.outcome}  ({record.provider} on {case.benchmark})"
    yield _labelled("question", f"{_seen(case.question.text)}{date}")
    yield _labelled(
        "ground truth", _seen(gold.ground_truth) if gold.answerable else f"{_seen(gold.ground_truth)}  (not answerable)"
    )
    if record.answer is not None:
        yield _labelled("answer", _seen(record.answer.hypothesis) or "(empty)")
    if record.verdict is not None:
        yield _labelled("judge", _seen(record.verdict.explanation))
        if (other := record.verdict.corrected) is not None and gold.corrected is not None:
            yield _labelled("corrected", f"{_seen(gold.corrected.ground_truth)}  ({other.label})")
    if record.error is not None:
        yield _labelled("error", _fault(record.error))
    yield _labelled("evidence", _evidence(record, shown))
    yield from _results(record, shown)
    yield _labelled("time", _times(record.steps))


def _evidence(record: QuestionRecord, shown: int | None) -> str:
    gold = record.case.gold
    level, wanted = (
        ("messages", gold.evidence_messages) if gold.evidence_messages else ("sessions", gold.evidence_sessions)
    )
    if not wanted:
        return "none known"
    named = wanted if shown is None or len(wanted) <= 6 else wanted[:6]
    more = f" and {len(wanted) - len(named)} more" if len(named) < len(wanted) else ""
    found = ""
    if record.results is not None:
        by_rank = [set(wanted).intersection(_sources(result, level)) for result in record.results]
        first = next((f", first in result {rank}" for rank, held in enumerate(by_rank, start=1) if held), "")
        found = f"  ({len(set().union(*by_rank))} of {len(set(wanted))} {level} found{first})"
    return ", ".join(named) + more + found


def _results(record: QuestionRecord, shown: int | None) -> Iterable[str]:
    if record.results is None:
        return
    if not record.results:
        yield _labelled("results", "none")
    gold = record.case.gold
    for rank, result in enumerate(record.results[:shown], start=1):
        by_message = gold.evidence_messages and result.message_ids
        held = (
            set(result.message_ids) & set(gold.evidence_messages)
            if by_message
            else set(result.session_ids) & set(gold.evidence_sessions)
        )
        score = "" if result.score is None else f" ({result.score:.3g})"
        text = f"{rank:>2}{'*' if held else ' '}{score} {_seen(result.text)}"
        yield _labelled("results" if rank == 1 else "", text)
    rest = len(record.results) - shown if shown is not None else 0
    if rest > 0:
        yield _labelled("", f"and {rest} more")


def _sources(result: SearchResult, level: str) -> tuple[str, ...]:
    return result.message_ids if level == "messages" else result.session_ids


def _times(steps: tuple[Step, ...]) -> str:
    parts = []
    for step in steps:
        attempts = f" ({step.attempts} attempts)" if step.attempts > 1 else ""
        took = f"{step.service_ms:.1f} ms{attempts}" if step.attempts else "from the step cache"
        parts.append(f"{step.phase} {took}")
    return ", ".join(parts) or "nothing was done"


def _fault(step: Step) -> str:
    assert step.error is not None
    attempts = f" after {step.attempts} attempts" if step.attempts > 1 else ""
    return f"{step.error.type} in {step.phase}{attempts}: {_seen(step.error.message)}"


def _labelled(label: str, text: str) -> str:
    return f"  {label:<{LABEL}}{text}"


def _quoted(text: str, room: int) -> str:
    return f"'{_cut(_seen(text), max(room - 2, 1))}'"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _seen(text: str) -> str:
    """`text` on one line, without what a terminal or XML would take for something else (controls, lone surrogates)."""
    return _UNSEEN.sub(" ", visible(text)).strip()
