"""The vector store: exact, in order, bounded in memory, shared by processes."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from providers.baselines import vectors
from providers.baselines.vector_forms import OneVector, embedded_text
from providers.baselines.vectors import VectorStore
from tests.processes import PIPE, Process
from tests.providers.baselines.said import session
from tests.repository import ROOT
from vocabulary import Message, ProviderError, Session

MEGABYTE = 1 << 20
Vectors: TypeAlias = VectorStore[NDArray[np.float32]]


def unit(*numbers: float) -> NDArray[np.float32]:
    vector = np.array(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def store_all(store: Vectors, container: str, said: Session, rows: list[NDArray[np.float32]]) -> None:
    """With `rows` as the vectors of its messages."""
    by_text = dict(zip([embedded_text(message) or "" for message in said.messages], rows, strict=True))
    store.put(container, said, {text: by_text[text] for text in store.unknown(said)})


def found(store: Vectors, query: NDArray[np.float32], top_k: int = 100, container: str = "c") -> list[str]:
    return [message.id for message, _score in store.nearest(container, query, top_k)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Vectors]:
    made = VectorStore(tmp_path / "dense.sqlite", "embedder", MEGABYTE, OneVector())
    yield made
    made.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    directions=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    top_k=st.integers(1, 45),
    held=st.sampled_from([0, 200, MEGABYTE]),
)
def test_nearest_is_exact_and_ties_are_in_order(
    tmp_path_factory: pytest.TempPathFactory, directions: list[int], top_k: int, held: int
) -> None:
    circle = [unit(np.cos(step), np.sin(step), 0.5) for step in range(7)]
    said = [session(f"s{n}", *(f"{n} {i}" for i in range(n, min(n + 9, len(directions))))) for n in range(0, 40, 9)]
    rows = [circle[direction] for direction in directions]
    store = VectorStore(tmp_path_factory.mktemp("v") / "v.sqlite", "e", held, OneVector())
    for one in said:
        store_all(store, "c", one, [rows.pop(0) for _ in one.messages])
    query = unit(1, 0.2, 0.1)
    all_ids = [message.id for one in said for message in one.messages]
    cosines = [float(np.dot(circle[direction].astype(float), query.astype(float))) for direction in directions]
    expected = sorted(range(len(directions)), key=lambda i: (-round(cosines[i], 5), i))[:top_k]
    for _again in range(2):
        result = store.nearest("c", query, top_k)
        assert [message.id for message, _score in result] == [all_ids[i] for i in expected]
        assert [score for _message, score in result] == pytest.approx([cosines[i] for i in expected], abs=1e-6)
    store.close()


def test_a_large_container_is_searched_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_BLOCK", 7)
    rows = np.random.default_rng(1).normal(size=(60, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[41] = rows[3]
    query = unit(1, 2, 3, 4, 5)
    expected = [f"s-{i}" for i in np.argsort(-(rows @ query).round(6), kind="stable")]
    for held in (0, 1000, MEGABYTE):
        store = VectorStore(tmp_path / f"{held}.sqlite", "e", held, OneVector())
        store_all(store, "c", session("s", *map(str, range(60))), list(rows))
        assert found(store, query) == found(store, query) == expected
        assert found(store, query, 10) == expected[:10]
        assert found(store, query, 0) == []
        store.close()


def test_a_text_is_known_once_it_was_said_anywhere_and_after_a_clear(store: Vectors) -> None:
    assert store.unknown(session("s1", "a", "b", "a", "", " ")) == ["Ann: a", "Ann: b"]
    store_all(store, "c", session("s1", "a", "b"), [unit(1, 0), unit(0, 1)])
    assert store.unknown(session("s2", "b", "c")) == ["Ann: c"]
    store.clear("c")
    assert store.unknown(session("s2", "b", "c")) == ["Ann: c"]
    store.put("d", session("s3", "b", "a"), {})
    assert found(store, unit(0, 1), container="d") == ["s3-0", "s3-1"]


def test_another_embedders_vectors_are_not_known(store: Vectors) -> None:
    store_all(store, "c", session("s1", "a"), [unit(1, 0)])
    other = VectorStore(store._store.path, "another embedder", MEGABYTE, OneVector())
    assert other.unknown(session("s1", "a")) == ["Ann: a"]
    other.close()


def test_a_replaced_session_and_a_cleared_container_leave_nothing(store: Vectors) -> None:
    store_all(store, "c", session("s1", "a", "b", "c"), [unit(1, 0), unit(0, 1), unit(1, 1)])
    store_all(store, "c", session("s2", "d"), [unit(-1, 0)])
    assert found(store, unit(1, 0)) == ["s1-0", "s1-2", "s1-1", "s2-0"]
    store_all(store, "c", session("s1", "b", ""), [unit(0, 1), unit(0, 1)])
    assert found(store, unit(1, 0)) == ["s1-0", "s2-0"]
    store.clear("c")
    store.clear("c")
    assert found(store, unit(1, 0)) == []
    # the next container gets the same key in the file, and must not be taken for the one before
    store_all(store, "d", session("s9", "c"), [unit(1, 1)])
    assert found(store, unit(1, 0), container="d") == ["s9-0"]
    assert found(store, unit(1, 0)) == []


def test_what_another_process_changes_is_seen(store: Vectors) -> None:
    other = VectorStore(store._store.path, "embedder", MEGABYTE, OneVector())
    store_all(store, "c", session("s1", "a"), [unit(1, 0)])
    assert found(store, unit(1, 0)) == found(other, unit(1, 0)) == ["s1-0"]
    store_all(store, "c", session("s2", "b"), [unit(1, 1)])
    assert found(other, unit(1, 0)) == ["s1-0", "s2-0"]
    other.clear("c")
    store_all(other, "d", session("s3", "b"), [unit(1, 1)])
    assert found(store, unit(1, 0)) == []
    assert found(store, unit(1, 0), container="d") == ["s3-0"]
    other.close()


def test_memory_is_bounded_and_the_longest_unused_goes_first(tmp_path: Path) -> None:
    size = 10 * (4 * 4 + 8)  # ten messages of four numbers each, and their own numbers
    store = VectorStore(tmp_path / "v.sqlite", "e", 3 * size, OneVector())
    rows = [unit(1, 2, 3, n) for n in range(10)]
    for name in "abcde":
        store_all(store, name, session("s", *map(str, range(10))), rows)
    query = unit(1, 0, 0, 0)
    expected = found(store, query, container="a")
    for name in "bcabd":
        assert found(store, query, container=name) == expected
    held = [name for name in "abcde" if _key(store, name) in store._held._containers]
    assert held == ["a", "b", "d"]
    assert len(store._held._containers) == 3
    store_all(store, "large", session("s", *map(str, range(31))), [unit(1, 2, 3, n) for n in range(31)])
    assert len(found(store, query, container="large")) == 31
    assert _key(store, "large") not in store._held._containers
    store.close()


def _key(store: Vectors, container: str) -> int:
    with store._store.reading() as records:
        key = records.find(container)
    assert key is not None
    return key


def test_other_dimensions_are_refused_and_change_nothing(store: Vectors) -> None:
    store_all(store, "c", session("s1", "a"), [unit(1, 0)])
    with pytest.raises(ProviderError, match="vectors of 3 numbers, and those stored before have 2"):
        store_all(store, "c", session("s2", "b"), [unit(1, 0, 0)])
    assert found(store, unit(1, 0)) == ["s1-0"]
    with pytest.raises(ProviderError, match="the question 3 numbers, and the messages have 2"):
        found(store, unit(1, 0, 0))


def test_messages_are_ordered_by_their_ids(store: Vectors) -> None:
    texts = [str(n) for n in range(1200)]
    store.put("c", session("s1", *texts), {f"Ann: {text}": unit(1, n) for n, text in enumerate(texts)})
    store.put("other", session("s1", *texts[::-1]), {})
    ids = [f"s1-{n}" for n in range(1199, -1, -1)]
    order = store.order("c", ids)
    assert sorted(ids, key=lambda id_: order[id_]) == ids[::-1]
    assert store.order("unknown", ids) == {}
    assert store.order("c", []) == {}


WRITER = """
import sys
import numpy as np
from providers.baselines.vector_forms import OneVector
from providers.baselines.vectors import VectorStore
from tests.providers.baselines.said import session

store = VectorStore(__import__("pathlib").Path(sys.argv[1]), "e", 1 << 20, OneVector())
for number in range(30):
    said = session(f"s{number}", f"shared {number}", f"own of {sys.argv[2]} {number}")
    store.put(sys.argv[2], said, {text: np.eye(3, dtype=np.float32)[number % 3] for text in store.unknown(said)})
    assert len(store.nearest(sys.argv[2], np.eye(3, dtype=np.float32)[0], 100)) == 2 * (number + 1)
store.close()
"""


@pytest.mark.long
def test_processes_write_and_search_at_once_and_share_what_they_embed(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    command = [sys.executable, "-c", WRITER, str(path)]
    workers = [Process([*command, f"c{n}"], cwd=ROOT, stderr=PIPE) for n in range(4)]
    for worker in workers:
        _out, error = worker.communicate(timeout=60)
        assert worker.returncode == 0, error
    connection = sqlite3.connect(path)
    assert connection.execute("select count(*) from vectors").fetchone() == (30 + 4 * 30,)
    assert connection.execute("select count(*) from placed").fetchone() == (4 * 60,)
    connection.close()


def test_a_message_that_is_only_an_image_is_embedded() -> None:
    image = Message(id="m", speaker="Ann", role="user", text="", caption="a red door")
    assert embedded_text(image) == "Ann:  [shared image: a red door]"
    assert embedded_text(image.model_copy(update={"caption": ""})) is None
