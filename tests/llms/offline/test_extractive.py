from __future__ import annotations

import sys
from datetime import datetime

import pytest

from bench import BenchmarkConfig
from llms import open_answerer
from llms.offline.extractive import OTHER_SPEAKER, REFUSAL, ExtractiveAnswerer
from tests.processes import run as run_process
from tests.repository import ROOT
from vocabulary import Question, SearchResult

SAID = datetime(2023, 7, 15, 13, 51)


def found(*texts: str, said: datetime | None = SAID) -> list[SearchResult]:
    return [SearchResult(text=text, timestamp=said) for text in texts]


def ask(question: str, *texts: str, said: datetime | None = SAID) -> str:
    return ExtractiveAnswerer().answer(Question(id="q", text=question), found(*texts, said=said)).hypothesis


@pytest.mark.parametrize(
    ("said", "when"),
    [
        ("Ines: I adopted a greyhound yesterday!", "14 July 2023"),
        ("Ines: I adopted a greyhound last Friday.", "the Friday before 15 July 2023"),
        ("Ines: I adopted a greyhound last week.", "the week before 15 July 2023"),
        ("Ines: I adopted a greyhound two weeks ago.", "two weeks before 15 July 2023"),
        ("Ines: This past weekend I adopted a greyhound.", "the weekend before 15 July 2023"),
        ("Ines: I adopted a greyhound a few days ago.", "a few days before 15 July 2023"),
        ("Ines: I adopted a greyhound last month.", "June 2023"),
        ("Ines: I adopted a greyhound last year.", "2022"),
        ("Ines: I adopted a greyhound on May 3.", "3 May 2023"),
        ("Ines: I will adopt a greyhound next month.", "August 2023"),
        ("Ines: I just adopted a greyhound.", "15 July 2023"),
    ],
)
def test_when_is_resolved_against_when_it_was_said(said: str, when: str) -> None:
    assert ask("When did Ines adopt a greyhound?", "Tom: Nice weather today.", said) == when


def test_without_a_date_a_relative_time_is_not_made_up() -> None:
    assert ask("When did Ines adopt a greyhound?", "Ines: I adopted a greyhound yesterday!", said=None) == REFUSAL


def test_numbers_durations_and_yes_or_no() -> None:
    sisters = "Ines: I grew up with three sisters in Porto."
    assert ask("How many sisters does Ines have?", sisters) == "three"
    assert ask("How long did Ines study law?", "Ines: I studied law for six years, in two towns.") == "six years"
    assert ask("Did Ines grow up with sisters?", sisters) == "Yes"
    assert ask("Does Ines eat meat?", "Ines: I don't eat meat at all.") == "No"


def test_the_answer_is_what_was_not_asked() -> None:
    answer = ask(
        "Which instrument does Ines play?",
        "Tom: Which instrument do you play, Ines?",
        "Ines: I play the accordion. The weather was nice.",
    )
    assert answer == "accordion"


def test_a_caption_helps_to_find_the_message() -> None:
    assert "garden" in ask(
        "Where was the wedding of Ines?", "Tom: Hi.", "Ines: In our garden! [shared image: a wedding]"
    )


@pytest.mark.parametrize("question", ["When did Ines move?", "Does Ines smoke?", "What is love?", "How many?", "?", ""])
def test_nothing_found_is_a_refusal(question: str) -> None:
    assert ask(question) == REFUSAL


def test_nothing_relevant_is_a_refusal() -> None:
    assert ask("Which instrument does Ines play?", "Ines: Good morning!", "Tom: How was your weekend?") == REFUSAL


def test_what_somebody_else_did_is_a_refusal() -> None:
    texts = ("Tom: I repaired the old motorbike in the barn.", "Ines: Good morning, Tom!")
    assert ask("Where did Ines repair the old motorbike?", *texts) == REFUSAL
    assert ask("Where did Tom repair the old motorbike?", *texts) == "barn"


def test_it_refuses_sooner_or_later_as_it_is_set() -> None:
    results = found("Tom: I repaired the old motorbike in the barn.", "Ines: Good morning, Tom!")
    tom, ines = (Question(id="q", text=f"Where did {name} repair the new motorbike?") for name in ("Tom", "Ines"))
    default = ExtractiveAnswerer()
    assert (default.answer(tom, results).hypothesis, default.answer(ines, results).hypothesis) == ("old barn", REFUSAL)
    strict = ExtractiveAnswerer(abstain_below=0.9)  # "new" was not said
    assert strict.answer(tom, results).hypothesis == REFUSAL
    assert ExtractiveAnswerer(abstain_below=0.2).answer(tom, results).hypothesis == "old barn"
    trusting = ExtractiveAnswerer(abstain_gap=1.0)
    assert trusting.answer(ines, results).hypothesis != REFUSAL


def test_its_defaults_are_those_of_a_run() -> None:
    config = BenchmarkConfig()
    assert (config.abstain_below, config.abstain_gap) == (0.0, OTHER_SPEAKER)
    assert config.abstention == {}


def test_text_without_a_speaker_is_read_as_well() -> None:
    assert ask("What is the capital of Peru?", "The capital of Peru is Lima.") == "Lima"


def test_the_answer_is_the_same_in_another_process() -> None:
    script = (
        "from llms.offline.extractive import ExtractiveAnswerer as A\n"
        "from vocabulary import Question as Q, SearchResult as R\n"
        "texts = [f'Ana: item {n} was red, blue or green near the river bank {n % 3}' for n in range(40)]\n"
        "question = Q(id='q', text='What near the river was blue and red?')\n"
        "print(A().answer(question, [R(text=text) for text in texts]).hypothesis)"
    )
    answers = {
        run_process([sys.executable, "-c", script], cwd=ROOT, env={"PYTHONHASHSEED": seed}, check=True).stdout
        for seed in ("1", "2", "3")
    }
    assert len(answers) == 1
    assert answers != {"\n"}


def test_it_is_found_by_its_name() -> None:
    assert isinstance(open_answerer("extractive"), ExtractiveAnswerer)
    assert ExtractiveAnswerer.offline
