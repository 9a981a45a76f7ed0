"""BM25 by SQLite's own full-text index: the default provider; it needs nothing but Python."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from providers.base import Limits, Provider, ProviderSettings
from providers.stopwords import STOP_WORDS
from providers.store import Records, Store, StoredMessage
from schema import ProviderError, Question, SearchResult, Session

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
# Every container has a full-text index of its own, so that a score depends on nothing but its haystack. The indexes are
# made ahead, in growing batches, and handed out: each change of the schema makes all processes read all of it again.
_INDEXES = "create table if not exists indexes (number integer primary key, container integer unique)"
_SMALLEST_BATCH, _LARGEST_BATCH = 8, 256


class Bm25(Provider):
    """Okapi BM25 (k1 = 1.2, b = 0.75: FTS5 has no others) over messages with their date, speaker and caption.

    Words are lower-cased, freed of accents and stemmed by FTS5's ``porter unicode61``; the question's words are joined
    by OR, without `STOP_WORDS`. Equal scores are in the order of the haystack. Scores are positive, higher is better.
    """

    name = "bm25"
    # A search is a computation in this process: two at once would only share its time, and be measured so.
    limits = Limits(concurrency=1, scope="process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        """Raises `schema.ProviderError` if Python's SQLite has no FTS5."""
        super().__init__(settings, workspace)
        require_full_text_search()
        self._store = Store(workspace / "bm25.sqlite", _INDEXES)

    def ingest(self, container: str, session: Session) -> None:
        """Store and index one session, in the place of one with the same id."""
        with self._store.writing() as records:
            key = records.find_or_add(container)
            index = _find_index(records, key)
            if index is None:
                index = _assign_index(records, key)
            removed, added = records.put(key, session)
            # The index holds no text: to take a document out, it must be told what was in it.
            records.connection.executemany(
                f"insert into index_{index} (index_{index}, rowid, text) values ('delete', ?, ?)",
                ((message.number, _document(message)) for message in removed),
            )
            records.connection.executemany(
                f"insert into index_{index} (rowid, text) values (?, ?)",
                ((message.number, _document(message)) for message in added),
            )

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """At most `top_k` messages, best first; none if the question has no word to look for."""
        query = _query(question.text)
        if not query or top_k < 1:
            return []
        with self._store.reading() as records:
            key = records.find(container)
            index = _find_index(records, key) if key is not None else None
            if key is None or index is None:
                return []
            hits = records.connection.execute(
                f"select rowid, bm25(index_{index}) as cost from index_{index} where index_{index} match ? "
                "order by cost, rowid limit ?",
                (query, top_k),
            ).fetchall()
            return [records.numbered(key, number).as_result(score=-cost) for number, cost in hits]

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


def require_full_text_search(module: str = "fts5") -> None:
    """Raise `schema.ProviderError` if Python's SQLite lacks that full-text module."""
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


def _document(message: StoredMessage) -> str:
    """What is indexed of a message: ``(8 May 2023) Speaker: text [shared image: caption]``."""
    if message.date is None:
        return message.text
    return f"({message.date.day} {_MONTHS[message.date.month - 1]} {message.date.year}) {message.text}"


def _query(text: str) -> str:
    """The question as an FTS5 query: its words, each once and in quotes, joined by OR; "" if there are none."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).lower())
    return " OR ".join(f'"{word}"' for word in dict.fromkeys(words) if word not in STOP_WORDS)


def _find_index(records: Records, key: int) -> int | None:
    row = records.connection.execute("select number from indexes where container = ?", (key,)).fetchone()
    return int(row[0]) if row else None


def _assign_index(records: Records, key: int) -> int:
    """Give a container the first free index; make more of them if there is none."""
    free = "select number from indexes where container is null order by number limit 1"
    row = records.connection.execute(free).fetchone()
    if row is None:
        (count,) = records.connection.execute("select count(*) from indexes").fetchone()
        for number in range(count, count + min(max(count, _SMALLEST_BATCH), _LARGEST_BATCH)):
            records.connection.execute(
                f"create virtual table index_{number} using fts5 (text, content = '', tokenize = 'porter unicode61')"
            )
            records.connection.execute("insert into indexes (number) values (?)", (number,))
        row = records.connection.execute(free).fetchone()
    records.connection.execute("update indexes set container = ? where number = ?", (key, row[0]))
    return int(row[0])
