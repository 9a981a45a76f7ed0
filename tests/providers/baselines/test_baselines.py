"""No memory, full context and the oracle: the floor and the ceilings of every table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from providers import Ceiling, ProviderSettings, find_provider
from providers.baselines.full_context import FullContext
from providers.baselines.none import NoMemory
from providers.baselines.oracle import Oracle
from vocabulary import Gold, Message, Question, SearchResult, Session

QUESTION = Question(id="q", text="What did Ann say about apples?")
DATE = datetime(2023, 5, 8, 13, 56)


def session(number: int, *texts: str, date: datetime | None = DATE) -> Session:
    messages = (Message(id=f"m{number}.{i}", speaker="Ann", role="user", text=text) for i, text in enumerate(texts))
    return Session(id=f"s{number}", date=date, messages=tuple(messages))


def ids(results: Sequence[SearchResult]) -> list[str]:
    return [result.message_ids[0] for result in results]


def gold(messages: Sequence[str] = (), sessions: Sequence[str] = ()) -> Gold:
    return Gold(
        question_type="any", ground_truth="x", evidence_messages=tuple(messages), evidence_sessions=tuple(sessions)
    )


@pytest.fixture
def full_context(tmp_path: Path) -> Iterator[FullContext]:
    provider = FullContext(ProviderSettings(), tmp_path / "full-context")
    yield provider
    provider.close()


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    provider = Oracle(ProviderSettings(), tmp_path / "oracle")
    for number in (3, 1, 2):
        provider.ingest("c", session(number, "first", "second", "third"))
    provider.ingest("other", session(1, "not this", "nor this"))
    yield provider
    provider.close()


def test_they_are_found_by_their_names() -> None:
    assert find_provider("none") is NoMemory
    assert find_provider("full-context") is FullContext
    assert find_provider("oracle") is Oracle
    assert issubclass(Oracle, Ceiling)


def test_no_memory_keeps_and_finds_nothing(tmp_path: Path) -> None:
    memory = NoMemory(ProviderSettings(), tmp_path / "none")
    memory.ingest("c", session(1, "apples"))
    memory.await_indexing("c")
    assert memory.search("c", QUESTION, 10) == []
    memory.clear("c")
    memory.close()
    assert list(tmp_path.iterdir()) == []


def test_full_context_is_everything_in_order_whatever_top_k_says(full_context: FullContext) -> None:
    full_context.ingest("c", session(2, "one", "two"))
    full_context.ingest("c", session(1, "three", date=None))
    full_context.ingest("other", session(1, "four"))
    results = full_context.search("c", QUESTION, 1)
    assert list(results) == [
        SearchResult(text="Ann: one", timestamp=DATE, session_ids=("s2",), message_ids=("m2.0",)),
        SearchResult(text="Ann: two", timestamp=DATE, session_ids=("s2",), message_ids=("m2.1",)),
        SearchResult(text="Ann: three", timestamp=None, session_ids=("s1",), message_ids=("m1.0",)),
    ]


def test_full_context_forgets_what_is_cleared_and_keeps_the_rest(full_context: FullContext) -> None:
    full_context.ingest("c", session(1, "one"))
    full_context.ingest("other", session(1, "two"))
    full_context.clear("c")
    full_context.clear("never was")
    assert list(full_context.search("c", QUESTION, 10)) == []
    assert [result.text for result in full_context.search("other", QUESTION, 10)] == ["Ann: two"]


def test_full_context_makes_its_results_once_until_something_is_written_here_or_elsewhere(
    full_context: FullContext,
) -> None:
    elsewhere = FullContext(full_context.settings, full_context.workspace)
    for writer, text in ((full_context, "one"), (elsewhere, "two"), (full_context, "three"), (elsewhere, "four")):
        writer.ingest("c", session(1, text))
        results = full_context.search("c", QUESTION, 10)
        assert [result.text for result in results] == [f"Ann: {text}"]
        assert full_context.search("c", QUESTION, 10) is results
    elsewhere.clear("c")
    assert list(full_context.search("c", QUESTION, 10)) == []
    full_context.close()
    elsewhere.ingest("c", session(1, "five"))
    assert [result.text for result in full_context.search("c", QUESTION, 10)] == ["Ann: five"]
    full_context.clear("c")
    assert list(full_context.search("c", QUESTION, 10)) == []
    elsewhere.close()


def test_a_session_that_comes_twice_keeps_its_place(full_context: FullContext) -> None:
    full_context.ingest("c", session(1, "old", "older", "oldest"))
    full_context.ingest("c", session(2, "two"))
    full_context.ingest("c", session(1, "new", date=None))
    results = full_context.search("c", QUESTION, 10)
    assert [(result.text, result.timestamp) for result in results] == [("Ann: new", None), ("Ann: two", DATE)]


@pytest.mark.parametrize(
    "text", ["", "ends with \x01 and goes on", "😀 é e\u0301", "line\nline\r\n", "'; drop table messages; --"]
)
def test_text_comes_back_as_it_was(full_context: FullContext, text: str) -> None:
    full_context.ingest(text, session(1, text))
    assert [result.text for result in full_context.search(text, QUESTION, 10)] == [f"Ann: {text}"]


def test_the_oracle_finds_the_evidence_in_the_order_of_the_haystack(oracle: Oracle) -> None:
    evidence = gold(["m2.0", "m1.2", "m3.1", "m1.0", "m1.0"], sessions=["s1", "s2", "s3"])
    assert ids(oracle.search_gold("c", QUESTION, evidence, 10)) == ["m3.1", "m1.0", "m1.2", "m2.0"]
    assert ids(oracle.search_gold("c", QUESTION, evidence, 2)) == ["m3.1", "m1.0"]
    assert oracle.search_gold("c", QUESTION, evidence, 0) == []


def test_the_oracle_finds_whole_sessions_where_no_messages_are_named(oracle: Oracle) -> None:
    evidence = gold(sessions=["s2", "s3"])
    found = oracle.search_gold("c", QUESTION, evidence, 10)
    assert ids(found) == ["m3.0", "m3.1", "m3.2", "m2.0", "m2.1", "m2.2"]
    assert {result.text for result in found} == {"Ann: first", "Ann: second", "Ann: third"}
    assert ids(oracle.search_gold("c", QUESTION, evidence, 4)) == ["m3.0", "m3.1", "m3.2", "m2.0"]


def test_the_oracle_finds_nothing_where_there_is_nothing(oracle: Oracle) -> None:
    assert oracle.search_gold("c", QUESTION, gold(), 10) == []
    assert oracle.search_gold("c", QUESTION, gold(["m9.9"]), 10) == []
    assert oracle.search_gold("unknown", QUESTION, gold(["m1.0"]), 10) == []
    oracle.clear("c")
    assert oracle.search_gold("c", QUESTION, gold(["m1.0"]), 10) == []
    assert ids(oracle.search_gold("other", QUESTION, gold(["m1.0"]), 10)) == ["m1.0"]


def test_the_oracle_is_not_asked_like_a_memory_system(oracle: Oracle) -> None:
    with pytest.raises(NotImplementedError, match="search_gold"):
        oracle.search("c", QUESTION, 10)
