"""The answer prompts: one a family, each with a name that reports show, and a way to read the answer from the reply."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from bench.base import Benchmark
from llms.answering.prompts import MARKER, NOTHING_FOUND, PROMPTS, prompt_of, versions_of
from registry import known_classes
from vocabulary import Question

ASKED = Question(id="q1", text="How long ago did I plant the fig?", date=datetime(2023, 5, 30, 23, 40))


def test_every_benchmark_has_a_prompt_of_its_family() -> None:
    families = {benchmark.family for benchmark in known_classes(Benchmark, "bench").values()}
    assert families <= {prompt.family for prompt in PROMPTS}
    assert {prompt.name for prompt in PROMPTS} >= {f"{family}/{prompt_of(family).version}" for family in families}
    assert len({prompt.system for prompt in PROMPTS}) == len(PROMPTS)


def test_a_family_without_a_prompt_gets_the_general_one() -> None:
    assert prompt_of("pets").name == "general/1"


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.name)
def test_context_date_and_question_are_told_once_each_in_this_order(prompt) -> None:  # type: ignore[no-untyped-def]  # a parameter
    system, user = prompt.messages(ASKED, "[Monday, 8 May 2023] I planted a fig.")
    assert (system.role, user.role) == ("system", "user")
    message = [
        "[Monday, 8 May 2023] I planted a fig.",
        "Today is Tuesday, 30 May 2023, 23:40.",
        f"Question: {ASKED.text}",
        prompt.closing,
    ]
    places = [user.content.index(part) for part in message]
    assert places == sorted(places)
    assert [user.content.count(part) for part in message] == [1, 1, 1, 1]
    assert not any(part in system.content for part in message), (
        "what all questions share is the same text for all of them"
    )


def test_a_question_without_a_date_is_told_without_one() -> None:
    _system, user = prompt_of("locomo").messages(Question(id="q", text="Who?"), "")
    assert "Today" not in user.content
    assert NOTHING_FOUND in user.content


def test_braces_in_what_was_found_are_text() -> None:
    context = "User: {question} {0} %s {{x}}"
    assert context in prompt_of("general").messages(ASKED, context)[1].content


def test_no_prompt_names_a_provider_or_what_only_judges_know() -> None:
    words = re.compile(r"categor|adversarial|ground truth|evidence|benchmark|judge|bm25|mem0|zep", re.IGNORECASE)
    assert [prompt.name for prompt in PROMPTS if words.search(prompt.system)] == []


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (f"- planted on 8 May\n- 22 days\n{MARKER} 22 days ago", "22 days ago"),
        (f"notes\n**{MARKER}** About **three** weeks", "About **three** weeks"),
        (f"notes\n**{MARKER} 22 days**", "22 days"),
        ("notes\n### Final answer:\n22 days\nto the day", "22 days\nto the day"),
        ("notes\n**Final Answer**: 22 **days**", "22 **days**"),
        (f"The {MARKER} line comes later.\n{MARKER} 22 days", "22 days"),
        (f"notes and no more\n{MARKER}", ""),
        ("22 days, without further ado", "22 days, without further ado"),
        ("my final answer is 22", "my final answer is 22"),
        ("", ""),
    ],
)
def test_the_answer_is_what_follows_the_marker_or_all_of_it(reply: str, answer: str) -> None:
    assert prompt_of("longmemeval").answer_in(reply) == answer


def test_only_where_notes_are_asked_for_is_a_marker_looked_for() -> None:
    assert prompt_of("locomo").answer_in(f" it says {MARKER} yes ") == f"it says {MARKER} yes"


def test_versions_name_every_prompt() -> None:
    assert versions_of(PROMPTS[:2]) == "2 (general/1, locomo/1)"
