"""The BM25 provider: what it finds, what it must not mix up, what it survives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from providers import ProviderSettings, find_provider
from providers.baselines.bm25 import Bm25, require_full_text_search
from providers.baselines.stopwords import STOP_WORDS
from vocabulary import Message, ProviderError, Question, SearchResult, Session, clean_text


def session(name: str, *texts: str, date: datetime | None = None, caption: str | None = None) -> Session:
    messages = (
        Message(id=f"{name}-{i}", speaker="Ann", role="user", text=text, caption=caption)
        for i, text in enumerate(texts)
    )
    return Session(id=name, date=date, messages=tuple(messages))


def ids(results: Sequence[SearchResult]) -> list[str]:
    return [result.message_ids[0] for result in results]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Bm25]:
    provider = Bm25(ProviderSettings(), tmp_path / "bm25")
    yield provider
    provider.close()


@pytest.fixture
def search(memory: Bm25) -> Callable[..., Sequence[SearchResult]]:
    def ask(text: str, container: str = "c", top_k: int = 10) -> Sequence[SearchResult]:
        return memory.search(container, Question(id="q", text=text), top_k)

    return ask


def test_it_is_found_by_its_name() -> None:
    assert find_provider("bm25") is Bm25


def test_a_result_says_where_it_comes_from(memory: Bm25, search: Callable[..., Sequence[SearchResult]]) -> None:
    date = datetime(2023, 5, 8, 13, 56)
    memory.ingest("c", session("s1", "We bought a violin.", date=date, caption="a red door"))
    memory.ingest("c", session("s2", "Nothing of that kind."))
    (result,) = search("violins?")
    assert result.text == "Ann: We bought a violin. [shared image: a red door]"
    assert result.timestamp == date
    assert result.session_ids == ("s1",)
    assert result.message_ids == ("s1-0",)
    assert result.score is not None
    assert result.score > 0


@pytest.mark.parametrize("word", ["VIOLIN", "violins", "door", "May", "2023", "Ann", "cafe", "café", "cafe\u0301"])
def test_date_speaker_caption_and_stems_are_searched(
    memory: Bm25, search: Callable[..., Sequence[SearchResult]], word: str
) -> None:
    date = datetime(2023, 5, 8)
    memory.ingest("c", session("s1", "We bought a violin at the Café.", date=date, caption="a red door"))
    assert ids(search(word)) == ["s1-0"]


def test_the_best_comes_first_and_top_k_holds(memory: Bm25, search: Callable[..., Sequence[SearchResult]]) -> None:
    memory.ingest("c", session("s1", "a tea", "tea and cake and a lot of other things", "cake tea", "no drink"))
    memory.ingest("c", session("s2", *["filler"] * 20))
    assert ids(search("cake with tea")) == ["s1-2", "s1-1", "s1-0"]
    assert ids(search("cake with tea", top_k=2)) == ["s1-2", "s1-1"]
    scores = [result.score for result in search("cake with tea")]
    assert scores == sorted(scores, reverse=True, key=lambda score: score or 0.0)
    assert search("tea", top_k=0) == search("tea", top_k=-1) == []


def test_equal_scores_are_in_the_order_of_the_haystack(
    memory: Bm25, search: Callable[..., Sequence[SearchResult]]
) -> None:
    for name in ("z", "y", "x"):
        memory.ingest("c", session(name, "the same words", "the same words"))
    assert ids(search("same words")) == ["z-0", "z-1", "y-0", "y-1", "x-0", "x-1"]
    assert len({result.score for result in search("same words")}) == 1


HOSTILE = [
    *('"', '""', "'", 'a" OR text:*', "NEAR(tea cake)", "tea*", "^tea", "-tea", "+", "(", "{text}:tea", "text:tea"),
    *("AND", "NOT tea", "tea AND", "index_0", "tea; drop table messages", "\0", "te\0a", "%", "\\", "_", "tea_cake"),
    *("😀", "tea 😀", "茶", "чай", "שלום", "½ ² ᛏ 𞤀"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_question_or_a_message_is_syntax(
    memory: Bm25, search: Callable[..., Sequence[SearchResult]], text: str
) -> None:
    memory.ingest("c'\";--", session("s1", text, "I drink tea."))
    found = search(text, container="c'\";--")
    assert ("s1-1" in ids(found)) == ("tea" in text.replace("te\0a", ""))
    assert all(result.text in (f"Ann: {clean_text(text)}", "Ann: I drink tea.") for result in found)


@pytest.mark.parametrize("text", ["茶", "чай", "שלום", "Ærøskøbing", "naïve", "R2D2"])
def test_words_of_any_script_are_found(memory: Bm25, search: Callable[..., Sequence[SearchResult]], text: str) -> None:
    memory.ingest("c", session("s1", "something else", text))
    assert ids(search(f"{text}?")) == ["s1-1"]


@pytest.mark.parametrize("text", ["", "   ", "?!", "😀", "What is that? Who are you?", " ".join(sorted(STOP_WORDS))])
def test_a_question_without_a_word_to_look_for_finds_nothing(
    memory: Bm25, search: Callable[..., Sequence[SearchResult]], text: str
) -> None:
    memory.ingest("c", session("s1", "What is that? Who are you? 😀"))
    assert search(text) == []


def test_a_question_may_be_as_long_as_a_book(memory: Bm25, search: Callable[..., Sequence[SearchResult]]) -> None:
    memory.ingest("c", session("s1", "w1999 is here", "w2000 is not asked for"))
    assert ids(search(" ".join(f"w{i}" for i in range(2000)))) == ["s1-0"]


def test_containers_hold_nothing_of_each_other(memory: Bm25, search: Callable[..., Sequence[SearchResult]]) -> None:
    memory.ingest("c", session("s1", "apples", "pears"))
    alone = search("apples")
    for i in range(30):
        memory.ingest(f"other {i}", session("s1", "apples " * (i + 1), "apples and plums"))
    assert search("apples") == alone
    assert search("plums") == []
    assert search("apples", container="unknown") == []


def test_a_cleared_container_is_gone_and_its_place_is_clean(
    memory: Bm25, search: Callable[..., Sequence[SearchResult]]
) -> None:
    memory.ingest("kept", session("s1", "apples", "pears"))
    memory.ingest("fresh", session("s1", "apples", "quinces"))
    expected = search("apples", container="fresh")
    memory.ingest("c", session("s1", *["apples and plums"] * 50))
    memory.clear("c")
    memory.clear("c")
    memory.clear("never was")
    assert search("apples plums") == []
    memory.ingest("c", session("s1", "apples", "quinces"))
    assert search("apples") == expected
    assert search("plums") == []
    assert ids(search("pears", container="kept")) == ["s1-1"]


def test_a_session_that_comes_twice_is_there_once(memory: Bm25, search: Callable[..., Sequence[SearchResult]]) -> None:
    for container, first in (("c", "something that was wrong, long and about apples"), ("once", "apples today")):
        memory.ingest(container, session("s1", first, "apples", "a third message", date=datetime(2023, 5, 8)))
        memory.ingest(container, session("s2", "apples"))
    for _ in range(2):
        memory.ingest("c", session("s1", "apples today", "apples", "a third message", date=datetime(2023, 5, 8)))
    # The same results with the same scores, in the same order: nothing of the first version counts any more.
    assert search("apples May") == search("apples May", container="once")
    memory.ingest("c", session("s1", "apples"))
    assert ids(search("apples")) == ["s1-0", "s2-0"]
    assert search("third wrong May") == []


def test_what_was_ingested_is_found_by_another_instance(memory: Bm25, tmp_path: Path) -> None:
    memory.ingest("c", session("s1", "apples"))
    other = Bm25(ProviderSettings(), tmp_path / "bm25")
    assert ids(other.search("c", Question(id="q", text="apple"), 5)) == ["s1-0"]
    other.close()
    assert ids(other.search("c", Question(id="q", text="apple"), 5)) == ["s1-0"]  # it opens again when asked again
    other.close()
    assert [path.name for path in (tmp_path / "bm25").iterdir() if path.suffix == ".sqlite"] == ["bm25.sqlite"]


def test_threads_of_a_process_may_share_it(memory: Bm25, search: Callable[..., Sequence[SearchResult]]) -> None:
    def work(container: str) -> list[str]:
        for i in range(10):
            memory.ingest(container, session(f"s{i}", f"apples from {container}"))
            search("apples", container=container)
        return ids(search("apples", container=container, top_k=100))

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(work, [f"c{i}" for i in range(12)]))
    assert found == [[f"s{i}-0" for i in range(10)]] * 12


def test_a_python_without_full_text_search_is_told_at_once() -> None:
    with pytest.raises(ProviderError, match=r"needs SQLite with FTS99.*no such module: fts99.*--provider") as caught:
        require_full_text_search("fts99")
    assert not caught.value.transient
