"""What becomes of faults of the file: an error that names it and says what to do, and nothing lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers import shared_file
from providers.base import ProviderSettings
from providers.baselines.bm25 import Bm25
from providers.baselines.store import Store
from vocabulary import Message, ProviderError, Question, Session

QUESTION = Question(id="q", text="apples")


def session(number: int, text: str = "apples", messages: int = 1) -> Session:
    return Session(
        id=f"s{number}",
        date=None,
        messages=tuple(
            Message(id=f"s{number}.{i}", speaker="Ann", role="user", text=f"{text} {i}") for i in range(messages)
        ),
    )


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Bm25]:
    provider = Bm25(ProviderSettings(), tmp_path)
    yield provider
    provider.close()


def pragma(memory: Bm25, text: str) -> None:
    """Set something on the provider's own connection."""
    assert memory._store._connection
    memory._store._connection.execute(f"pragma {text}").fetchall()


def test_a_full_disk_loses_only_the_session_that_did_not_fit(memory: Bm25, tmp_path: Path) -> None:
    memory.ingest("c", session(0))
    pragma(memory, "max_page_count = 1")  # SQLite takes the present size where that is more: no page can be added
    with pytest.raises(ProviderError, match="database or disk is full") as caught:
        memory.ingest("c", session(1, "apples and pears " * 50, messages=200))
    assert not caught.value.transient
    assert str(tmp_path / "bm25.sqlite") in str(caught.value)
    assert "--runs-dir" in str(caught.value)
    assert [result.message_ids for result in memory.search("c", QUESTION, 10)] == [("s0.0",)]
    pragma(memory, "max_page_count = 100000")
    memory.ingest("c", session(1))
    assert len(memory.search("c", QUESTION, 10)) == 2


def test_a_file_that_cannot_be_written_can_be_read(memory: Bm25) -> None:
    memory.ingest("c", session(0))
    pragma(memory, "query_only = on")
    with pytest.raises(ProviderError, match=r"bm25\.sqlite: attempt to write a readonly database\. Make it writable"):
        memory.ingest("c", session(1))
    assert len(memory.search("c", QUESTION, 10)) == 1


def test_a_file_that_is_held_too_long_is_worth_another_attempt(
    memory: Bm25, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_file, "WAIT_SECONDS", 0.05)
    memory.ingest("c", session(0))
    other = sqlite3.connect(tmp_path / "bm25.sqlite", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(ProviderError, match=r"bm25\.sqlite: database is locked") as caught:
        memory.ingest("c", session(1))
    assert caught.value.transient
    assert len(memory.search("c", QUESTION, 10)) == 1  # reading goes on
    other.execute("rollback")
    other.close()
    memory.ingest("c", session(1))
    assert len(memory.search("c", QUESTION, 10)) == 2


def test_a_file_that_is_something_else_is_left_alone(memory: Bm25, tmp_path: Path) -> None:
    (tmp_path / "bm25.sqlite").write_text("my own notes, and certainly not a database\n" * 50)
    with pytest.raises(ProviderError, match=r"bm25\.sqlite: file is not a database\. .*remove it"):
        memory.ingest("c", session(0))
    assert (tmp_path / "bm25.sqlite").read_text().startswith("my own notes")


def test_a_workspace_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "below" / "some.sqlite")
    with pytest.raises(ProviderError, match=r"some\.sqlite: .*--runs-dir"):
        store.ingest("c", session(0))


def test_a_file_that_cannot_be_opened_does_not_keep_anybody_waiting(tmp_path: Path) -> None:
    (tmp_path / "some.sqlite").mkdir()
    store = Store(tmp_path / "some.sqlite")
    with pytest.raises(ProviderError, match=r"some\.sqlite: unable to open database file\. Check that its folder"):
        store.clear("c")


def test_an_exception_inside_keeps_nothing_of_the_transaction(tmp_path: Path) -> None:
    store = Store(tmp_path / "some.sqlite")
    store.ingest("c", session(0))

    def half_of_it() -> None:
        with store.writing() as records:
            records.put(records.find_or_add("c"), session(1))
            records.put(records.find_or_add("d"), session(1))
            raise KeyError("the other half")

    with pytest.raises(KeyError, match="the other half"):
        half_of_it()
    with store.reading() as records:
        key = records.find("c")
        assert key is not None
        assert [message.session_id for message in records.all(key)] == ["s0"]
        assert records.find("d") is None
    store.close()


def test_a_reader_sees_one_state_while_others_write(tmp_path: Path) -> None:
    reader, writer = Store(tmp_path / "some.sqlite"), Store(tmp_path / "some.sqlite")
    writer.ingest("c", session(0))
    with reader.reading() as records:
        key = records.find("c")
        assert key is not None
        writer.clear("c")
        writer.ingest("d", session(5))
        assert [message.session_id for message in records.all(key)] == ["s0"]
    with reader.reading() as records:
        assert records.find("c") is None
    reader.close()
    writer.close()
