"""Word search as a vendor's server does it: one index a container, ranked by BM25 (SQLite's FTS5)."""

from __future__ import annotations

import re
import sqlite3
from itertools import count


class Bm25:
    """Texts by container and key; may be used by one thread."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._tables: dict[str, str] = {}
        self._numbers = count()

    def add(self, container: str, key: str, text: str) -> None:
        if container not in self._tables:
            self._tables[container] = table = f"texts_{next(self._numbers)}"
            self._database.execute(
                f"CREATE VIRTUAL TABLE {table} USING fts5(key UNINDEXED, text, tokenize = 'porter unicode61')"
            )
        self._database.execute(f"INSERT INTO {self._tables[container]} VALUES (?, ?)", (key, text))

    def drop(self, container: str) -> None:
        if table := self._tables.pop(container, None):
            self._database.execute(f"DROP TABLE {table}")

    def search(self, container: str, query: str, most: int) -> list[tuple[str, float]]:
        """Keys and scores, the best first; equal ones in the order in which they were added."""
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", query))
        if container not in self._tables or not words:
            return []
        table = self._tables[container]
        found = self._database.execute(
            f"SELECT key, -bm25({table}) AS score FROM {table} WHERE {table} MATCH ? "
            "ORDER BY score DESC, rowid LIMIT ?",
            (f"text : ({words})", most),
        )
        return [(key, score) for key, score in found]
