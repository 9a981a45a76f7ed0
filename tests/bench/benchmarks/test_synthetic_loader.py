"""The synthetic benchmark: the same everywhere, unambiguous at any size, and no larger in memory than its questions."""

import hashlib
import re
import sqlite3
import tracemalloc
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import islice, pairwise

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.synthetic import MAX_QUESTIONS, Synthetic
from bench.benchmarks.synthetic_talk import FIRST_NAMES
from vocabulary import ConfigurationError, DataError, Session

SIZES = [(10, 100, 0), (100, 100, 0), (100, 100, 1), (100, 37, 2), (1000, 100, 0)]
STOP_WORDS = {"a", "did", "does", "how", "in", "is", "of", "on", "that", "the", "to", "what", "when", "where", "which"}
PERSON = re.compile(rf"\b(?:{'|'.join(FIRST_NAMES)}) [A-Z][a-z]+\b")


class Loaded:
    """A benchmark that has been read whole."""

    def __init__(self, sessions: int, questions: int, seed: int) -> None:
        self.benchmark = synthetic(sessions, questions, seed)
        self.cases = self.benchmark.cases()
        self.sessions = list(self.benchmark.haystack(self.cases[0].haystack).sessions())
        self.messages = {message.id: message for session in self.sessions for message in session.messages}
        self.session_of = {message.id: session for session in self.sessions for message in session.messages}


def synthetic(sessions: int = 100, questions: int = 100, seed: int = 0) -> Synthetic:
    options = BenchmarkOptions(synthetic_sessions=sessions, synthetic_questions=questions, synthetic_seed=seed)
    return Synthetic(options)


@cache
def load(sessions: int, questions: int, seed: int) -> Loaded:
    return Loaded(sessions, questions, seed)


@pytest.fixture(params=SIZES, ids=lambda size: "{}-sessions-{}-questions-seed-{}".format(*size))
def loaded(request: pytest.FixtureRequest) -> Loaded:
    return load(*request.param)


def entity_of(text: str) -> str:
    """The one person whom `text` names."""
    (found,) = PERSON.findall(text)
    return str(found)


def content(sessions: list[Session]) -> str:
    lines = [
        f"{session.id} {session.date} {m.id} {m.role} {m.rendered()}" for session in sessions for m in session.messages
    ]
    return "\n".join(lines)


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
    asked = [
        f"{case.id} {case.question.id} {case.question.text} {case.question.date} {case.gold.question_type} "
        f"{case.gold.ground_truth} {case.gold.trap} {' '.join(case.gold.evidence_messages)}"
        for case in loaded.cases
    ]
    text = "\n".join([loaded.cases[0].haystack, content(loaded.sessions), *asked])
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "310a1aba120555c9c12d10f76d6a84a2a25c0c66bba3518d7c61a8a4968957f3"
    )


def test_a_haystack_is_asked_the_same_questions_at_any_size() -> None:
    small, large = load(100, 100, 0), load(1000, 100, 0)
    for one, two in zip(small.cases, large.cases, strict=True):
        assert one.question.text == two.question.text
        if one.gold.question_type != "temporal":
            assert (one.gold.ground_truth, one.gold.trap) == (two.gold.ground_truth, two.gold.trap)


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


def test_distractors_grow_with_the_haystack() -> None:
    def mentions(loaded: Loaded) -> int:
        names = {entity_of(case.question.text) for case in loaded.cases}
        return sum(bool(names & set(PERSON.findall(message.text))) for message in loaded.messages.values())

    assert mentions(load(1000, 100, 0)) > 5 * mentions(load(100, 100, 0))


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
    small, *larger = (peak(partial(collect, sessions)) for sessions in (100, 20_000, 1_000_000))
    assert small < 2_000_000
    assert all(abs(size - small) < 100_000 for size in larger)


def test_a_million_sessions_are_made_one_by_one() -> None:
    benchmark = synthetic(1_000_000)
    haystack = benchmark.haystack(benchmark.cases()[0].haystack)
    first = list(islice(haystack.sessions(), 3))
    assert [session.id for session in first] == ["s0000001", "s0000002", "s0000003"]
    assert peak(lambda: sum(1 for _ in islice(haystack.sessions(), 500))) < 1_000_000
    last = benchmark._talk.session(999_999)
    asked_on = benchmark.cases()[0].question.date
    assert last.date
    assert asked_on
    assert timedelta(0) < asked_on - last.date < timedelta(days=3)
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
