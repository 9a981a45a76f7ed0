"""Answers find their questions by id, by place and by text, and no question is taken twice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.published import PublishedAnswer, match
from vocabulary import Case, Gold, Question

TEXTS = {"conv-1": ("Who is  Ann?", "Where?", "Where?"), "conv-2": ("Who is Bob?", "Where?")}


def cases() -> Sequence[Case]:
    return [
        Case(
            id=f"{cluster}-q{number}", source_id=f"{cluster}/{number}", benchmark="b", haystack="h", cluster=cluster,
            question=Question(id=f"{cluster}{number}", text=text), gold=Gold(question_type="t", ground_truth="g"),
        )
        for cluster, texts in TEXTS.items()
        for number, text in enumerate(texts)
    ]  # fmt: skip


def answer(question: str, **place: object) -> PublishedAnswer:
    return PublishedAnswer(label="l", question=question, answer="a")._replace(**place)  # type: ignore[arg-type]  # any of its fields


@pytest.mark.parametrize(
    ("published", "case"),
    [
        (answer("", source_id="conv-2/1"), "conv-2-q1"),
        (answer("In other words?", source_id="conv-2/1"), "conv-2-q1"),
        (answer("who is ann? ", conversation=0, number=0), "conv-1-q0"),
        (answer("Who is Bob?", conversation="conv-2", number=0), "conv-2-q0"),
        (answer("Where?", conversation="conv-2", number=0), "conv-2-q1"),  # its publisher counts otherwise
        (answer("Where?", conversation=1), "conv-2-q1"),
        (answer("Who is Bob?"), "conv-2-q0"),
        (answer("Where?"), None),  # in both conversations
        (answer("Who is Bob?", conversation=0, number=0), "conv-2-q0"),  # its publisher has another order
        (answer("Where?", conversation="conv-7"), None),
        (answer("", conversation=0, number=0), None),
        (answer("In other words?", conversation=0, number=0), None),
        (answer("Who is Ann?", conversation=7, number=0), "conv-1-q0"),
        (answer("", source_id="conv-9/1"), None),
    ],
)
def test_a_question_is_found(published: PublishedAnswer, case: str | None) -> None:
    found = match([published], cases())
    assert [one.case.id for one in found.matched] == ([case] if case else [])
    assert len(found.unmatched) == (case is None)


def test_repeated_questions_are_taken_in_order_and_none_twice() -> None:
    where = answer("Where?", conversation=0)
    found = match([where, where, where], cases())
    assert [one.case.id for one in found.matched] == ["conv-1-q1", "conv-1-q2"]
    assert found.unmatched == [where]


def test_other_words_are_marked() -> None:
    found = match([answer("WHERE?", source_id="conv-2/1"), answer("What?", source_id="conv-1/0")], cases())
    assert [one.other_words for one in found.matched] == [False, True]
