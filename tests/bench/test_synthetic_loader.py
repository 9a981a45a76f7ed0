"""The synthetic benchmark: the same everywhere, unambiguous at any size, and never larger in memory than its questions."""

import calendar
import hashlib
import re
import sqlite3
import tracemalloc
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from itertools import islice, pairwise

import pytest

from bench.base import BenchmarkOptions
from bench.synthetic import MAX_QUESTIONS, Synthetic
from bench.synthetic_facts import Draw, Names, when
from bench.synthetic_talk import (
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
from schema import Case, ConfigurationError, DataError, Message, Session

SIZES = [(10, 100, 0), (100, 100, 0), (100, 100, 1), (100, 37, 2), (1000, 100, 0)]
STOP_WORDS = {
    "a",
    "did",
    "does",
    "how",
    "in",
    "is",
    "of",
    "on",
    "that",
    "the",
    "to",
    "what",
    "when",
    "where",
    "which",
    "who",
}
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


def content(sessions: list[Session]) -> str:
    lines = [
        f"{session.id} {session.date} {m.id} {m.role} {m.rendered()}" for session in sessions for m in session.messages
    ]
    return "\n".join(lines)


def meant_day(text: str, said: date) -> date:
    """The day that the one phrase in `text` means: by walking back through the calendar, not by the generator's table."""
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


def test_the_same_settings_give_the_same_benchmark() -> None:
    one, two = Loaded(50, 60, 3), Loaded(50, 60, 3)
    assert one.cases == two.cases
    assert one.sessions == two.sessions
    assert one.benchmark.info == two.benchmark.info


@pytest.mark.parametrize("other", [(50, 60, 4), (51, 60, 3), (50, 61, 3)])
def test_other_settings_give_another_haystack_under_another_id(other: tuple[int, int, int]) -> None:
    one, two = load(50, 60, 3), load(*other)
    assert one.cases[0].haystack != two.cases[0].haystack
    assert one.benchmark.info.sha256 != two.benchmark.info.sha256
    assert content(one.sessions) != content(two.sessions)
    assert not {case.question.id for case in one.cases} & {case.question.id for case in two.cases}


def test_content_has_not_changed() -> None:
    """If this fails on purpose, raise GENERATOR_VERSION (or old and new runs will be taken for the same)."""
    loaded = load(12, 20, 7)
    text = content(loaded.sessions) + "\n".join(case.model_dump_json() for case in loaded.cases)
    assert hashlib.sha256(text.encode()).hexdigest() == "PINNED"


def test_a_haystack_is_asked_the_same_questions_at_any_size() -> None:
    small, large = load(100, 100, 0), load(1000, 100, 0)
    assert [case.question.text for case in small.cases] == [case.question.text for case in large.cases]


def test_a_session_does_not_depend_on_reading_the_others() -> None:
    loaded = load(100, 100, 0)
    fresh = synthetic()
    assert [fresh._talk.session(number) for number in (99, 0, 57)] == [loaded.sessions[n] for n in (99, 0, 57)]


def test_ids_dates_and_shape(loaded: Loaded) -> None:
    info = loaded.benchmark.info
    haystack = loaded.benchmark.haystack(loaded.cases[0].haystack)
    assert haystack.id == f"syn-{info.sha256[:12]}"
    assert haystack.session_count == len(loaded.sessions) == loaded.benchmark.options.synthetic_sessions
    assert len({session.id for session in loaded.sessions}) == len(loaded.sessions)
    assert len(loaded.messages) == sum(len(session.messages) for session in loaded.sessions)
    assert [session.id for session in loaded.sessions] == sorted(session.id for session in loaded.sessions)
    dates = [session.date for session in loaded.sessions]
    assert all(one and two and one < two for one, two in pairwise(dates))
    assert all(8 <= (day or datetime.min).hour < 22 for day in dates)
    speakers = {(message.speaker, message.role) for message in loaded.messages.values()}
    assert len(speakers) == 2
    assert {role for _, role in speakers} == {"user", "assistant"}
    assert not {name for name, _ in speakers} & set(FIRST_NAMES)
    for session in loaded.sessions:
        assert len(session.messages) >= 8
        assert all(one.speaker != two.speaker for one, two in pairwise(session.messages))


def test_cases(loaded: Loaded) -> None:
    cases = loaded.cases
    asked = loaded.benchmark.options.synthetic_questions
    assert [case.id for case in cases] == [f"syn-q{index:04d}" for index in range(asked)]
    assert len({case.question.text for case in cases}) == len({case.question.id for case in cases}) == asked
    assert all(re.fullmatch(r"q[0-9a-f]{16}", case.question.id) for case in cases)
    assert all(case.cluster == case.source_id == case.id for case in cases)
    counts = Counter(case.gold.question_type for case in cases)
    assert set(counts) == set(Synthetic.types)
    assert max(counts.values()) - min(counts.values()) <= 1
    (asked_on,) = {case.question.date for case in cases}
    assert asked_on
    assert asked_on > max(session.date for session in loaded.sessions if session.date)
    for case in cases:
        gold = case.gold
        assert gold.evidence_sessions == tuple(loaded.session_of[message].id for message in gold.evidence_messages)
    assert len({entity_of(case.question.text) for case in cases}) == asked


def test_single_hop_evidence_says_it_and_nothing_else_does(loaded: Loaded) -> None:
    for case in loaded.of_type("single-hop"):
        who = entity_of(case.question.text)
        (evidence,) = case.gold.evidence_messages
        assert values_said(loaded.naming(who), attribute_asked(case)) == [(evidence, case.gold.ground_truth)]
        assert_stated_once(loaded, case, who)


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


def test_distractors_grow_with_the_haystack() -> None:
    def mentions(loaded: Loaded) -> int:
        names = {entity_of(case.question.text) for case in loaded.cases}
        return sum(bool(names & set(PERSON.findall(message.text))) for message in loaded.messages.values())

    assert mentions(load(1000, 100, 0)) > 5 * mentions(load(100, 100, 0))


def test_questions_avoid_the_wording_of_their_fact_now_and_then() -> None:
    cases = load(100, 100, 0).of_type("single-hop") + load(100, 100, 0).of_type("knowledge-update")
    far = [case for case in cases if "{x}".join(split(case)) == attribute_asked(case).paraphrase]
    assert len(cases) * 0.15 < len(far) < len(cases) * 0.6


def split(case: Case) -> list[str]:
    return case.question.text.split(entity_of(case.question.text))


def test_search_by_words_finds_less_in_a_larger_haystack() -> None:
    small, large = (recall_at_10(load(sessions, 100, 0)) for sessions in (100, 1000))
    assert small > 0.85
    assert large < small - 0.1
    assert large > 0.4


def recall_at_10(loaded: Loaded) -> float:
    index = sqlite3.connect(":memory:")
    index.execute("create virtual table m using fts5(id unindexed, text, tokenize = 'porter unicode61')")
    index.executemany("insert into m values (?, ?)", [(m.id, m.rendered()) for m in loaded.messages.values()])
    shares = []
    for case in loaded.cases:
        words = set(re.findall(r"\w+", case.question.text.lower())) - STOP_WORDS
        query = " OR ".join(f'"{word}"' for word in sorted(words))
        rows = index.execute("select id from m where m match ? order by rank limit 10", (query,)).fetchall()
        if wanted := set(case.gold.evidence_messages):
            shares.append(len(wanted & {row[0] for row in rows}) / len(wanted))
    index.close()
    return sum(shares) / len(shares)


def peak(work: Callable[[], object]) -> int:
    """The most bytes that `work` held at once."""
    tracemalloc.start()
    try:
        kept = work()
        size = tracemalloc.get_traced_memory()[1]
        del kept
    finally:
        tracemalloc.stop()
    return size


def test_collecting_costs_the_same_at_any_size() -> None:
    def collect(sessions: int) -> object:
        benchmark = synthetic(sessions)
        return benchmark.cases(), benchmark.haystack(benchmark.cases()[0].haystack)

    collect(100)  # what is only made once (regular expressions, caches) does not count
    small, *larger = (peak(lambda size=sessions: collect(size)) for sessions in (100, 20_000, 1_000_000))
    assert small < 2_000_000
    assert all(abs(size - small) < 100_000 for size in larger)


def test_a_million_sessions_are_made_one_by_one() -> None:
    benchmark = synthetic(1_000_000)
    haystack = benchmark.haystack(benchmark.cases()[0].haystack)
    first = list(islice(haystack.sessions(), 3))
    assert [session.id for session in first] == ["s0000001", "s0000002", "s0000003"]
    assert peak(lambda: sum(1 for _ in islice(haystack.sessions(), 500))) < 1_000_000
    last = benchmark._talk.session(999_999)
    assert last.date
    assert timedelta(0) < benchmark.cases()[0].question.date - last.date < timedelta(days=3)
    for case in benchmark.cases():
        for message_id, session_id in zip(case.gold.evidence_messages, case.gold.evidence_sessions, strict=True):
            session = benchmark._talk.session(int(session_id[1:]) - 1)
            assert session.id == session_id
            assert message_id in {message.id for message in session.messages}


def test_unknown_haystack() -> None:
    with pytest.raises(DataError, match=r"'syn-000000000000'.*'syn-[0-9a-f]{12}'"):
        synthetic().haystack("syn-000000000000")


def test_more_questions_than_names() -> None:
    with pytest.raises(ConfigurationError, match=f"{MAX_QUESTIONS + 1}.*at most {MAX_QUESTIONS}"):
        synthetic(questions=MAX_QUESTIONS + 1)


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
