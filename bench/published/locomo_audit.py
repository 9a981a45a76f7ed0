"""locomo-audit: ``{"detailed_results": {"locomo_exp_user_0": [{"question_id": "locomo_0_qa0", "llm_judgments"}]}}``.

Several judgements for each answer. Its files of deliberately wrong answers begin with ``ap``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.published.answers import PublishedAnswer, PublishedSet, Record, facts_of, has, objects_in, share, text_of

_PLACE = re.compile(r"_(\d+)_qa(\d+)$")


def read_locomo_audit(document: Record, stem: str) -> Iterator[PublishedSet]:
    """All answers of a file whose name without its ending is `stem`."""
    groups = document.get("detailed_results")
    if not isinstance(groups, dict):
        return
    records = [record for group in groups.values() for record in objects_in(group)]
    if not records or not has(records[0], "question_id", "question", "generated_answer", "llm_judgments"):
        return
    metadata = document.get("metadata") if isinstance(document.get("metadata"), dict) else {}
    facts = {**facts_of(metadata or {}, *(metadata or {})), "stated_accuracy": document.get("accuracy")}
    yield PublishedSet(
        f"locomo-audit-{stem}",
        ("locomo",),
        facts,
        [_answer(record) for record in records],
        all_wrong=not metadata and stem.startswith("ap"),
    )


def _answer(record: Record) -> PublishedAnswer:
    place = _PLACE.search(str(record["question_id"]))
    return PublishedAnswer(
        label=str(record["question_id"]),
        question=text_of(record["question"]),
        answer=text_of(record["generated_answer"]),
        grade=share([bool(one) for one in record["llm_judgments"].values()]),
        conversation=int(place[1]) if place else None,
        number=int(place[2]) if place else None,
        truth=text_of(record.get("golden_answer")),
    )
