"""Planted facts: each question has exactly one answer in the haystack, and an abstention has none."""

import calendar
import re
from datetime import date, timedelta
from functools import cache

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.synthetic import Synthetic
from bench.benchmarks.synthetic_facts import Draw, Names, when
from bench.benchmarks.synthetic_talk import (
    FIRST_NAMES,
    PEOPLE,
    PLACE_HEADS,
    PLACE_KINDS,
    PLACE_NOUNS,
    PLACES,
    SPEAKERS,
    SURNAME_HEADS,
    SURNAME_TAILS,
    TOPICS,
    Attribute,
)
from vocabulary import Case, Message

SIZES = [(10, 100, 0), (100, 100, 0), (100, 100, 1), (100, 37, 2), (1000, 100, 0)]
PERSON = re.compile(rf"\b(?:{'|'.join(FIRST_NAMES)}) [A-Z][a-z]+\b")
PLACE = re.compile(rf"\b[Tt](he (?:{'|'.join(PLACE_HEADS)}) (?:{'|'.join(PLACE_NOUNS)}) (?:{'|'.join(PLACE_KINDS)}))\b")


class Loaded:
    """A benchmark that has been read whole."""

    def __init__(self, sessions: int, questions: int, seed: int) -> None:
        self.benchmark = synthetic(sessions, questions, seed)
        self.cases = self.benchmark.cases()
        self.sessions = list(self.benchmark.haystack(self.cases[0].haystack).sessions())
        self.messages = {message.id: message for session in self.sessions for message in session.messages}
        self.session_of = {message.id: session for session in self.sessions for message in session.messages}

    def of_type(self, question_type: str) -> list[Case]:
        return [case for case in self.cases if case.gold.question_type == question_type]

    def naming(self, entity: str) -> list[Message]:
        return [message for message in self.messages.values() if has(message, entity)]


def synthetic(sessions: int = 100, questions: int = 100, seed: int = 0) -> Synthetic:
    options = BenchmarkOptions(synthetic_sessions=sessions, synthetic_questions=questions, synthetic_seed=seed)
    return Synthetic(options)


@cache
def load(sessions: int, questions: int, seed: int) -> Loaded:
    return Loaded(sessions, questions, seed)


@pytest.fixture(params=SIZES, ids=lambda size: "{}-sessions-{}-questions-seed-{}".format(*size))
def loaded(request: pytest.FixtureRequest) -> Loaded:
    return load(*request.param)


def has(message: Message, words: str) -> bool:
    return re.search(rf"\b{re.escape(words)}\b", message.text, re.IGNORECASE) is not None


def entity_of(text: str) -> str:
    """The one person whom `text` names."""
    (found,) = PERSON.findall(text)
    return str(found)


def link_of(case: Case, loaded: Loaded) -> str:
    """The person or place, besides the one asked about, in the first evidence of a multi-hop question."""
    text = loaded.messages[case.gold.evidence_messages[0]].text
    people = [name for name in PERSON.findall(text) if name != entity_of(case.question.text)]
    (found,) = people + ["t" + place for place in PLACE.findall(text)]
    return str(found)


def attribute_asked(case: Case, among: tuple[Attribute, ...] = PEOPLE) -> Attribute:
    text = case.question.text.replace(entity_of(case.question.text), "{x}")
    (found,) = [attribute for attribute in among if text in (attribute.question, attribute.paraphrase)]
    return found


def meant_day(text: str, said: date) -> date:
    """The day that the one phrase in `text` means: by walking through the calendar, not by the generator's table."""
    if "yesterday" in text:
        return said - timedelta(days=1)
    if last := re.search(r"\blast (\w+day)\b", text):
        day = said - timedelta(days=1)
        while calendar.day_name[day.weekday()] != last[1]:
            day -= timedelta(days=1)
        return day
    ago = re.search(r"\b(a|two|three|four|five|ten) (day|week)s? ago\b", text)
    assert ago, text
    count = {"a": 1, "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10}[ago[1]]
    return said - timedelta(days=count * (7 if ago[2] == "week" else 1))


def spelled(day: date) -> str:
    return f"{day.day} {calendar.month_name[day.month]} {day.year}"


@pytest.mark.long
def test_single_hop_evidence_says_it_and_nothing_else_does(loaded: Loaded) -> None:
    for case in loaded.of_type("single-hop"):
        who = entity_of(case.question.text)
        (evidence,) = case.gold.evidence_messages
        assert values_said(loaded.naming(who), attribute_asked(case)) == [(evidence, case.gold.ground_truth)]
        assert_stated_once(loaded, case, who)


@pytest.mark.long
def test_update_is_said_once_and_the_old_value_once_before(loaded: Loaded) -> None:
    for case in loaded.of_type("knowledge-update"):
        who = entity_of(case.question.text)
        (evidence,) = case.gold.evidence_messages
        (old, before), (new, after) = values_said(loaded.naming(who), attribute_asked(case))
        assert (new, after) == (evidence, case.gold.ground_truth)
        assert before == case.gold.trap != after
        assert loaded.session_of[old].id < loaded.session_of[new].id
        assert_stated_once(loaded, case, who)


def test_temporal_answer_is_the_day_that_the_phrase_means(loaded: Loaded) -> None:
    for case in loaded.of_type("temporal"):
        (evidence,) = case.gold.evidence_messages
        said = loaded.session_of[evidence].date
        assert said
        assert case.gold.ground_truth == spelled(meant_day(loaded.messages[evidence].text, said.date()))
        who = entity_of(case.question.text)
        timed = [
            message.id for message in loaded.naming(who) if re.search(r"\bago\b|yesterday|\blast \w+day", message.text)
        ]
        assert timed == [evidence]


@pytest.mark.long
def test_multi_hop_needs_both_messages(loaded: Loaded) -> None:
    kinds = set()
    for case in loaded.of_type("multi-hop"):
        first, second = (loaded.messages[message] for message in case.gold.evidence_messages)
        who, link = entity_of(case.question.text), link_of(case, loaded)
        kinds.add(link.startswith("the "))
        assert len(set(case.gold.evidence_sessions)) == 2
        assert has(first, who)
        assert has(first, link)
        assert has(second, link)
        assert link not in case.question.text
        assert not has(second, who)
        assert not has(first, case.gold.ground_truth)
        assert [message.id for message in loaded.naming(who) if has(message, link)] == [first.id]
        (attribute,) = {a.topic: a for a in (*PEOPLE, *PLACES) if case.gold.ground_truth in a.values}.values()
        assert values_said(loaded.naming(link), attribute) == [(second.id, case.gold.ground_truth)]
    assert kinds == {True, False}


def test_abstention_is_about_somebody_who_is_there_and_something_that_is_not(loaded: Loaded) -> None:
    for case in loaded.of_type("abstention"):
        gold = case.gold
        assert (gold.answerable, gold.ground_truth, gold.evidence_messages) == (False, "not answerable", ())
        asked = attribute_asked(case)
        naming = loaded.naming(entity_of(case.question.text))
        assert naming
        assert values_said(naming, asked) == []
        assert not [message.text for message in naming if has(message, asked.topic)]


def values_said(messages: list[Message], attribute: Attribute) -> list[tuple[str, str]]:
    """Which values of `attribute` occur in `messages`, each with the id of its message."""
    return [(message.id, value) for message in messages for value in attribute.values if has(message, value)]


def assert_stated_once(loaded: Loaded, case: Case, who: str) -> None:
    stating = [message.id for message in loaded.naming(who) if has(message, case.gold.ground_truth)]
    assert stating == list(case.gold.evidence_messages)


def test_questions_avoid_the_wording_of_their_fact_now_and_then() -> None:
    cases = load(100, 100, 0).of_type("single-hop") + load(100, 100, 0).of_type("knowledge-update")
    far = [case for case in cases if "{x}".join(split(case)) == attribute_asked(case).paraphrase]
    assert len(cases) * 0.15 < len(far) < len(cases) * 0.6


def split(case: Case) -> list[str]:
    return case.question.text.split(entity_of(case.question.text))


def test_names_are_all_different_and_filler_never_gets_one_of_the_cast() -> None:
    names = Names(Draw("names"), (FIRST_NAMES, SURNAME_HEADS, SURNAME_TAILS), "{} {}{}", cast=5000)
    assert len({names.name(index) for index in range(names.size)}) == names.size
    cast = {names.name(index) for index in range(names.cast)}
    draw = Draw("others")
    others = {names.other(draw) for _ in range(20_000)}
    assert not others & cast
    surnames = {name.split()[1] for name in cast}
    assert sum(name.split()[1] in surnames for name in others) > len(others) * 0.4
    assert not set(SPEAKERS) & set(FIRST_NAMES)


@pytest.mark.parametrize("weekday", range(7))
def test_a_phrase_means_one_day_by_any_reading(weekday: int) -> None:
    today = date(2023, 5, 1) + timedelta(days=weekday)
    draw = Draw("phrases")
    seen = dict(when(draw, today) for _ in range(500))
    assert len(seen) >= 9
    for phrase, day in seen.items():
        assert day == meant_day(phrase, today)
        if phrase.startswith("last "):
            assert 2 <= (today - day).days <= 6
            assert day.isocalendar().week == today.isocalendar().week - 1


def test_topics_are_told_apart() -> None:
    assert len(set(TOPICS)) == len(TOPICS)
    for attribute in (*PEOPLE, *PLACES):
        assert len(set(attribute.values)) == len(attribute.values)
