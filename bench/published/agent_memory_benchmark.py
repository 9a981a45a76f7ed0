"""agent-memory-benchmark: ``{"dataset", "memory_provider", "results": [{"query_id": "conv-26_q0", "correct"}]}``."""

from __future__ import annotations

import re
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

_STATED = ("memory_provider", "mode", "answer_llm", "judge_llm", "split", "avg_context_tokens", "oracle")
_BENCHMARKS = {"locomo": ("locomo",), "longmemeval": LONGMEMEVAL}
_PLACE = re.compile(r"(.+)_q(\d+)$")


def read_agent_memory_benchmark(document: Record) -> Iterator[PublishedSet]:
    """The answers of one memory system."""
    records = objects_in(document.get("results"))
    if not records or not has(records[0], "query_id", "query", "answer", "gold_answers"):
        return
    dataset = str(document.get("dataset"))
    yield PublishedSet(
        f"amb-{document.get('run_name') or document.get('memory_provider') or 'run'}",
        _BENCHMARKS.get(dataset, (dataset,)),
        {**facts_of(document, *_STATED), "stated_accuracy": document.get("accuracy")},
        [_answer(record) for record in records],
    )


def _answer(record: Record) -> PublishedAnswer:
    label = str(record["query_id"])
    place = _PLACE.fullmatch(label)
    correct, golds = record.get("correct"), record["gold_answers"]
    return PublishedAnswer(
        label=label,
        question=text_of(record["query"]),
        answer=text_of(record["answer"]),
        grade=float(correct) if isinstance(correct, bool) else None,
        source_id=None if place else label,
        conversation=place[1] if place else None,
        number=int(place[2]) if place else None,
        truth=text_of(golds[0]) if golds else "",
    )
