"""Text from outside is cleaned where it becomes a value of ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from vocabulary import (
    REPLACEMENT,
    Answer,
    Gold,
    Message,
    Question,
    SearchResult,
    Verdict,
    clean_json,
    clean_text,
    visible,
)

ANY = st.text(st.characters(blacklist_categories=()))  # lone surrogates too


@given(ANY)
def test_cleaned_text_can_be_written_and_keeps_its_length(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert len(cleaned) == len(text)
    assert all(new in (old, REPLACEMENT) for new, old in zip(cleaned, text, strict=True))
    assert clean_text(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext é 日本", "plain\n\ttext é 日本"),
        ("user\u202etxt.exe\u2066", "user\\u202etxt.exe\\u2066"),
        ("\x1b[31mred\x07\x7f", "\ufffd[31mred\ufffd\ufffd"),
        ("\ud83d", "\ufffd"),
    ],
)
def test_controls_are_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


BAD = json.loads('"a\\ud83d \\u0000b"')
CLEAN = "a\ufffd \ufffdb"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Message(id="m", speaker=BAD, role="user", text=BAD), "text"),
        (Message(id="m", speaker=BAD, role="user", text=BAD), "speaker"),
        (Question(id="q", text=BAD), "text"),
        (Gold(question_type="t", ground_truth=BAD), "ground_truth"),
        (SearchResult(text=BAD), "text"),
        (Answer(hypothesis=BAD), "hypothesis"),
        (Verdict(label="wrong", explanation=BAD), "explanation"),
    ],
)
def test_values_hold_clean_text(value: object, field: str) -> None:
    assert getattr(value, field) == CLEAN


def test_text_that_is_fine_is_the_same_object() -> None:
    text = "good morning, 世界 😀"
    assert clean_text(text) is text


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_is_a_finite_number(score: float) -> None:
    with pytest.raises(ValueError, match="finite number"):
        SearchResult(text="a", score=score)


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d", "�"),
        (r"\ude00", "�"),
        (r"\ud83d\ud83d\ude00", "�😀"),
        (r"\ud83d\ude00\ude00", "😀�"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\�"),
        (r"\uD83D and \u00e9", "� and é"),
    ],
)
def test_json_with_lone_surrogates_is_read(escaped: str, text: str) -> None:
    data = clean_json(f'{{"text": "{escaped}"}}'.encode())
    assert from_json(data) == {"text": text}


@given(st.binary())
def test_what_is_no_json_stays_as_it_is(data: bytes) -> None:
    assert clean_json(data) == data
