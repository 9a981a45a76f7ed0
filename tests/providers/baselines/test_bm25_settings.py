"""What the settings of the word search change, and that its own ranking is FTS5's where both can rank."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from providers.baselines.bm25 import Bm25, Bm25Settings
from vocabulary import Message, Question, SearchResult, Session

WORDS = ("violin", "violins", "door", "lake", "Turfleet", "river", "the", "of", "boats", "湖", "зима", "2023")


def session(name: str, *texts: str) -> Session:
    return Session(
        id=name, date=None,
        messages=tuple(Message(id=f"{name}-{i}", speaker="Ann", role="user", text=t) for i, t in enumerate(texts)),
    )  # fmt: skip


def found(memory: Bm25, text: str, top_k: int = 50) -> Sequence[SearchResult]:
    return memory.search("c", Question(id="q", text=text), top_k)


def ids(results: Sequence[SearchResult]) -> list[str]:
    return [result.message_ids[0] for result in results]


@pytest.mark.parametrize("seed", range(5))
def test_its_own_ranking_is_that_of_fts5(tmp_path: Path, seed: int) -> None:
    drawn = random.Random(seed)
    texts = [" ".join(drawn.choices(WORDS, k=drawn.randint(1, 400))) for _ in range(60)]
    almost = Bm25Settings(k1=1.2 + 1e-12)
    with closing(Bm25(Bm25Settings(), tmp_path)) as theirs, closing(Bm25(almost, tmp_path)) as own:
        theirs.ingest("c", session("s", *texts))
        theirs.ingest("d", session("s", "another container, which must not count", *texts[:3]))
        for _question in range(10):
            text = " ".join(drawn.choices(WORDS, k=drawn.randint(1, 6)))
            reference, ours = found(theirs, text), found(own, text)
            assert [one.score for one in ours] == pytest.approx([one.score for one in reference], rel=1e-9)
            assert sorted(ids(ours)) == sorted(ids(reference))


def test_k1_and_b_are_in_force(tmp_path: Path) -> None:
    texts = ("violin", "violin violin violin and much else that makes this a long text about other things", "lake", "x")
    with closing(Bm25(Bm25Settings(b=0.0, k1=3.0), tmp_path)) as memory:
        memory.ingest("c", session("s", *texts))
        assert ids(found(memory, "violin")) == ["s-1", "s-0"]
    with closing(Bm25(Bm25Settings(b=1.0, k1=0.5), tmp_path)) as memory:
        assert ids(found(memory, "violin")) == ["s-0", "s-1"]
        assert found(memory, "nowhere") == []


def test_stems_are_only_indexed_with_stemming(tmp_path: Path) -> None:
    for stemming, expected in ((True, ["s-0"]), (False, [])):
        with closing(Bm25(Bm25Settings(stemming=stemming), tmp_path / str(stemming))) as memory:
            memory.ingest("c", session("s", "We bought violins."))
            assert ids(found(memory, "violin")) == expected


def test_a_message_is_found_by_its_neighbours_and_leaves_no_trace(tmp_path: Path) -> None:
    with closing(Bm25(Bm25Settings(neighbours=1), tmp_path)) as memory:
        memory.ingest("c", session("s", "Have you seen the lake?", "Yes, yesterday.", "Good."))
        memory.ingest("c", session("t", "Something else."))
        assert sorted(ids(found(memory, "lake"))) == ["s-0", "s-1"]
        assert found(memory, "lake")[0].text == "Ann: Have you seen the lake?"
        memory.ingest("c", session("s", "Have you seen the river?", "Yes, yesterday."))
        assert found(memory, "lake") == []
        assert sorted(ids(found(memory, "river"))) == ["s-0", "s-1"]


def test_frequent_words_count_where_they_are_not_left_out(tmp_path: Path) -> None:
    with closing(Bm25(Bm25Settings(stop_words=False), tmp_path)) as memory:
        memory.ingest("c", session("s", "of", "lake"))
        assert ids(found(memory, "of")) == ["s-0"]
