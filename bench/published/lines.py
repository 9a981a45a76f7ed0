"""Files with an object on each line: LongMemEval's hypotheses, this suite's results.jsonl, and the neutral format.

A line of the neutral format has ``answer`` and at least one of ``question_id`` and ``question``. It may have
``benchmark``, ``by``, ``grade`` (true, false, a number from 0 to 1, or a list of true and false) and ``ground_truth``.
A first line ``{"about": {…}}`` states what is known of all answers, and may give ``by`` and ``benchmark`` for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any  # parsed JSON of others

from pydantic import JsonValue

from bench.published.answers import LONGMEMEVAL, PublishedAnswer, PublishedSet, Record, has, share, text_of
from vocabulary import DataError


def is_lines(first: Record) -> bool:
    """Whether the object on the first line of a file is one of these."""
    return has(first, "question_id", "hypothesis") or has(first, "about") or _is_neutral(first)


def read_lines(records: Iterable[tuple[int, Record]], stem: str) -> Iterator[PublishedSet]:
    """A set for each publisher and benchmark; `records` with the numbers of their lines. Raises `DataError`."""
    about: Record = {}
    sets: dict[tuple[str, str], tuple[dict[str, JsonValue], list[PublishedAnswer]]] = {}
    for line, record in records:
        if not sets and not about and isinstance(record.get("about"), dict):
            about = record["about"]
            continue
        own = has(record, "source_id", "provider", "steps")
        by, benchmark = record.get("provider" if own else "by"), record.get("benchmark")
        key = str(by or about.get("by") or stem), str(benchmark or about.get("benchmark") or "")
        facts, answers = sets.setdefault(key, (_facts(record, about), []))
        answers.append(_own(record) if own else _answer(record, line))
    for (publisher, name), (facts, answers) in sets.items():
        yield PublishedSet(
            publisher, _benchmarks(name, answers), facts, answers, all_wrong=bool(about.get("all_wrong"))
        )


def _is_neutral(record: Record) -> bool:
    return "answer" in record and ("question" in record or "question_id" in record)


def _benchmarks(name: str, answers: list[PublishedAnswer]) -> tuple[str, ...]:
    if name:
        return LONGMEMEVAL if name == "longmemeval" else (name,)
    return LONGMEMEVAL if not any(answer.question for answer in answers) else ()


def _facts(record: Record, about: Record) -> dict[str, JsonValue]:
    graded = record.get("autoeval_label")
    judge = {"judge_model": graded["model"]} if isinstance(graded, dict) and "model" in graded else {}
    return {**{name: value for name, value in about.items() if name not in ("by", "benchmark", "all_wrong")}, **judge}


def _own(record: Record) -> PublishedAnswer:
    verdict = record.get("verdict")
    return PublishedAnswer(
        label=str(record["source_id"]),
        question=text_of(record["question"]),
        answer=text_of(record.get("answer")),
        grade=float(verdict["label"] == "correct") if verdict else None,
        source_id=str(record["source_id"]),
        truth=text_of(record.get("ground_truth")),
    )


def _answer(record: Record, line: int) -> PublishedAnswer:
    if not (has(record, "question_id", "hypothesis") or _is_neutral(record)):
        raise DataError(f"line {line} has no answer to a question: it needs answer, and question_id or question")
    label = text_of(record.get("question_id"))
    graded = record.get("autoeval_label")
    grade = graded.get("label") if isinstance(graded, dict) else record.get("grade")
    return PublishedAnswer(
        label=label,
        question=text_of(record.get("question")),
        answer=text_of(record["hypothesis"] if "hypothesis" in record else record["answer"]),
        grade=_grade(grade, line),
        source_id=label or None,
        truth=text_of(record.get("ground_truth")),
    )


def _grade(value: Any, line: int) -> float | None:
    if value is None:
        return None
    if isinstance(value, list) and value and all(isinstance(one, bool) for one in value):
        return share(value)
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return float(value)
    raise DataError(f"line {line}: grade {value!r} is neither true, false, a number from 0 to 1 nor a list of booleans")
