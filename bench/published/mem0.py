"""mem0's memory-benchmarks: ``{"metadata", "evaluations": [{"question_id", "cutoff_results": {"top_50": {…}}}]}``.

LoCoMo, LongMemEval and BEAM. Each cut-off, how many memories were read, has an answer and a grade of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from bench.published.answers import (
    LONGMEMEVAL,
    PublishedAnswer,
    PublishedSet,
    Record,
    facts_of,
    has,
    objects_in,
    text_of,
)

_STATED = ("answerer_model", "judge_model", "provider", "project_name", "timestamp")
_NUMBER = re.compile(r"_q(\d+)")


def read_mem0(document: Record) -> Iterator[PublishedSet]:
    """A set for each cut-off."""
    records = objects_in(document.get("evaluations"))
    if not records or not has(records[0], "question_id", "question", "cutoff_results"):
        return
    metadata, by_cutoff = document.get("metadata") or {}, document.get("metrics_by_cutoff") or {}
    cutoffs = list(records[0]["cutoff_results"])
    for cutoff in cutoffs:
        overall = (by_cutoff.get(cutoff) or {}).get("overall") or {}
        graded = [(record, record["cutoff_results"][cutoff]) for record in records]
        odd = Counter(one["judgment"] for _, one in graded if one.get("judgment") == "ERROR")
        facts = {
            **facts_of(metadata, *_STATED),
            "cutoff": cutoff,
            **{f"stated_{name}": value for name, value in facts_of(overall, "accuracy", "avg_score").items()},
            **({"graded_as_error": odd.total()} if odd else {}),
            **({"questions_asked_again": "a later run of some questions was merged in"} if _merged(metadata) else {}),
        }
        name = "mem0" if len(cutoffs) == 1 else f"mem0-{cutoff}"
        yield PublishedSet(name, _benchmarks(records[0]), facts, [_answer(*one) for one in graded])


def _merged(metadata: Record) -> bool:
    return bool(metadata.get("merged_from_questions"))


def _benchmarks(record: Record) -> tuple[str, ...]:
    if has(record, "chat_size", "rubric"):
        return (f"beam_{str(record['chat_size']).lower()}",)
    return ("locomo",) if "conversation_idx" in record else LONGMEMEVAL


def _answer(record: Record, graded: Record) -> PublishedAnswer:
    label, placed = str(record["question_id"]), "conversation_idx" in record
    number = _NUMBER.search(label) if placed else None
    return PublishedAnswer(
        label=label,
        question=text_of(record["question"]),
        answer=text_of(graded.get("generated_answer")),
        grade=float(graded["score"]) if isinstance(graded.get("score"), int | float) else None,
        source_id=None if placed else label,
        conversation=record.get("conversation_idx"),
        number=int(number[1]) if number else None,
        truth=text_of(record.get("ground_truth_answer")),
    )
