"""A question's story fits a screen, names what matters, and is never taken for something else by a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from reports.show.story import full_story, one_line, short_story
from reports.store.records import QuestionRecord
from tests.reports.made_records import asked, case, failed, found, waiting
from vocabulary import Answer, SearchResult, Verdict

LONG = "the quick brown fox jumps over the lazy dog " * 20
STORIES = {
    "wrong": asked(case(7), "wrong", found(*(f"m{number}" for number in range(1, 10)))),
    "abstained": asked(case(8), "abstained", ()),
    "unanswerable": asked(
        case(
            9, "adversarial", answerable=False, ground_truth="not mentioned", evidence_messages=(), evidence_sessions=()
        ),
        "wrong",
        (SearchResult(text="a fact without an origin"),),
    ),
    "search error": failed(case(10), "search"),
    "judge error": failed(case(11), "judge", "JudgeError"),
    "not asked": waiting(case(12)),
    "everything long": asked(
        case(13, ground_truth=LONG, evidence_messages=tuple(f"m{number}" for number in range(40))),
        "wrong",
        tuple(SearchResult(text=LONG, score=0.123456789, message_ids=(f"m{number}",)) for number in range(30)),
        answer=Answer(hypothesis=LONG),
        verdict=Verdict(label="wrong", explanation=LONG),
    ),
    "sessions only": asked(
        case(14, evidence_messages=()), "wrong", (SearchResult(text="summary", session_ids=("s1",)),)
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_story_and_line(name: str, snapshot: SnapshotAssertion) -> None:
    record = STORIES[name]
    message = short_story(record)
    assert len(message.splitlines()) <= 15
    assert max(map(len, message.splitlines())) <= 120
    assert len(one_line(record)) <= 120
    assert f"{one_line(record)}\n\n{message}" == snapshot


def test_the_whole_story_leaves_nothing_out() -> None:
    message = full_story(STORIES["everything long"])
    assert message.count(LONG.strip()) == 30 + 3
    assert "m39" in message
    assert "…" not in message


def test_an_error_is_never_a_verdict() -> None:
    verdict = Verdict(label="correct", explanation="left over")
    assert failed(case(1), "judge", verdict=verdict).outcome == "error"


@given(text=st.text(st.characters(), max_size=300), columns=st.integers(60, 200))
def test_no_text_breaks_the_lines(text: str, columns: int) -> None:
    one = case(1, ground_truth=text)
    question = one.question.model_copy(update={"text": text})
    record: QuestionRecord = asked(
        one.model_copy(update={"question": question}),
        "wrong",
        (SearchResult(text=text, message_ids=("m1",)),),
        answer=Answer(hypothesis=text),
        verdict=Verdict(label="wrong", explanation=text),
    )
    message = short_story(record)
    assert len(message.split("\n")) == len(message.splitlines()) <= 15
    assert "\x1b" not in full_story(record)
    assert len(one_line(record, columns)) <= columns
    assert len(one_line(record, columns).splitlines()) == 1
    full_story(record).encode()
