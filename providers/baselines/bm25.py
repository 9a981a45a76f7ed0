"""BM25 by SQLite's own full-text index: the default provider; it needs nothing but Python."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from providers.base import Limits, Provider, ProviderSettings
from providers.baselines.okapi import K1, B, rank
from providers.baselines.segments import segmented
from providers.baselines.stopwords import STOP_WORDS
from providers.baselines.store import Records, Store, StoredMessage, dated
from vocabulary import ProviderError, Question, SearchResult, Session, Tunable

# Every container has a full-text index of its own, so that a score depends on nothing but its haystack. The indexes are
# made ahead, in growing batches, and handed out: each change of the schema makes all processes read all of it again.
_INDEXES = "create table if not exists indexes (number integer primary key, container integer unique)"
_SMALLEST_BATCH, _LARGEST_BATCH = 8, 256


class Bm25Settings(ProviderSettings):
    """What can be set about the index and its ranking."""

    stemming: Annotated[bool, Tunable()] = Field(True, description="index words by their stems")
    neighbours: Annotated[int, Tunable(low=0, high=2)] = Field(
        0, ge=0, le=10, description="how many messages before each one are indexed along with it"
    )
    stop_words: Annotated[bool, Tunable(changes="search")] = Field(
        True, description="leave frequent words out of questions"
    )
    k1: Annotated[float, Tunable(low=0.2, high=3.0, changes="search")] = Field(
        K1, ge=0, le=100, description="how much a word counts that is said again"
    )
    b: Annotated[float, Tunable(low=0.0, high=1.0, changes="search")] = Field(
        B, ge=0, le=1, description="how much long messages are held back"
    )


class Bm25(Provider):
    """Okapi BM25 over messages with their date, speaker and caption.

    Words are lower-cased, freed of accents and stemmed by FTS5's ``porter unicode61``; the question's words are joined
    by OR, without `STOP_WORDS`. Scripts without spaces (Chinese, Japanese, Thai ...) are indexed by pairs of letters.
    Equal scores are in the order of the haystack. Scores are positive, higher is better.
    """

    name = "bm25"
    version = "2"
    Settings = Bm25Settings
    # A search is a computation in this process: two at once would only share its time, and be measured so.
    limits = Limits(concurrency=1, scope="process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        """Raises `ProviderError` if Python's SQLite has no FTS5."""
        super().__init__(settings, workspace)
        require_full_text_search()
        self._set = settings if isinstance(settings, Bm25Settings) else Bm25Settings()
        self._tokenizer = "porter unicode61" if self._set.stemming else "unicode61"
        self._store = Store(workspace / "bm25.sqlite", _INDEXES)

    def ingest(self, container: str, session: Session) -> None:
        """Store and index one session, in the place of one with the same id."""
        with self._store.writing() as records:
            key = records.find_or_add(container)
            index = _find_index(records, key)
            if index is None:
                index = _assign_index(records, key, self._tokenizer)
            removed, added = records.put(key, session)
            # The index holds no text: to take a document out, its text must be given again.
            records.connection.executemany(
                f"insert into index_{index} (index_{index}, rowid, text) values ('delete', ?, ?)",
                self._documents(removed),
            )
            records.connection.executemany(
                f"insert into index_{index} (rowid, text) values (?, ?)",
                self._documents(added),
            )

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """At most `top_k` messages, best first; none if the question has no word to look for."""
        words = self._words(question.text)
        if not words or top_k < 1:
            return []
        with self._store.reading() as records:
            key = records.find(container)
            index = _find_index(records, key) if key is not None else None
            if key is None or index is None:
                return []
            if (self._set.k1, self._set.b) == (K1, B):
                query = " OR ".join(f'"{word}"' for word in words)
                hits = records.connection.execute(
                    f"select rowid, -bm25(index_{index}) as score from index_{index} where index_{index} match ? "
                    "order by score desc, rowid limit ?",
                    (query, top_k),
                ).fetchall()
            else:
                name = f"index_{index}"
                hits = rank(records.connection, name, self._tokenizer, words, self._set.k1, self._set.b)[:top_k]
            messages = records.numbered(key, [number for number, _score in hits])
            return [message.as_result(score) for message, (_, score) in zip(messages, hits, strict=True)]

    def clear(self, container: str) -> None:
        """Remove a container; its index is free for the next one."""
        with self._store.writing() as records:
            key = records.remove(container)
            index = _find_index(records, key) if key is not None else None
            if index is not None:
                records.connection.execute(f"insert into index_{index} (index_{index}) values ('delete-all')")
                records.connection.execute("update indexes set container = null where number = ?", (index,))

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def _documents(self, messages: Sequence[StoredMessage]) -> Iterator[tuple[int, str]]:
        """What is indexed of each message of a session, by its number: its text after that of its `neighbours`."""
        texts = [segmented(message.text) for message in messages]
        for place, message in enumerate(messages):
            text = " ".join(texts[max(0, place - self._set.neighbours) : place + 1])
            yield message.number, dated(message.date, text)

    def _words(self, text: str) -> list[str]:
        """The words of a question that are looked for, each once."""
        words = dict.fromkeys(re.findall(r"[^\W_]+", segmented(text).lower()))
        return [word for word in words if not (self._set.stop_words and word in STOP_WORDS)]


def require_full_text_search(module: str = "fts5") -> None:
    """Raise `ProviderError` if Python's SQLite lacks that full-text module."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"create virtual table probe using {module} (text, tokenize = 'porter unicode61')")
    except sqlite3.OperationalError as error:
        raise ProviderError(
            f"provider bm25 needs SQLite with {module.upper()}, and the SQLite {sqlite3.sqlite_version} of this Python "
            f"says: {error}. Use a Python from python.org, your distribution or uv, or choose another --provider."
        ) from error
    finally:
        connection.close()


def _find_index(records: Records, key: int) -> int | None:
    row = records.connection.execute("select number from indexes where container = ?", (key,)).fetchone()
    return int(row[0]) if row else None


def _assign_index(records: Records, key: int, tokenizer: str) -> int:
    """Give a container the first free index; make more of them if there is none."""
    free = "select number from indexes where container is null order by number limit 1"
    row = records.connection.execute(free).fetchone()
    if row is None:
        (count,) = records.connection.execute("select count(*) from indexes").fetchone()
        for number in range(count, count + min(max(count, _SMALLEST_BATCH), _LARGEST_BATCH)):
            records.connection.execute(
                f"create virtual table index_{number} using fts5 (text, content = '', tokenize = '{tokenizer}')"
            )
            records.connection.execute("insert into indexes (number) values (?)", (number,))
        row = records.connection.execute(free).fetchone()
    records.connection.execute("update indexes set container = ? where number = ?", (key, row[0]))
    return int(row[0])
