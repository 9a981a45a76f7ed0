"""Zep's papers: ``{"locomo_experiment_user_0": [{"question", "answer", "golden_answer", "grade"}]}``, without ids."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.published.answers import PublishedAnswer, PublishedSet, Record, has, objects_in, text_of

_USER = re.compile(r"user_(\d+)$")


def read_zep(document: Record) -> Iterator[PublishedSet]:
    """All answers."""
    groups = {_USER.search(name): objects_in(group) for name, group in document.items()}
    for user, records in groups.items():
        if user is None or not records or not has(records[0], "question", "answer", "golden_answer", "grade"):
            return
    if groups:
        answers = [_answer(int(user[1]), record) for user, records in groups.items() if user for record in records]
        yield PublishedSet("zep", ("locomo",), {}, answers)


def _answer(conversation: int, record: Record) -> PublishedAnswer:
    return PublishedAnswer(
        label="",
        question=text_of(record["question"]),
        answer=text_of(record["answer"]),
        grade=float(bool(record["grade"])),
        conversation=conversation,
        truth=text_of(record["golden_answer"]),
    )
