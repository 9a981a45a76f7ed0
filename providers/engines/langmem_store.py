"""One container of langmem: its memories with their vectors in one SQLite file, written once for each session.

LangGraph's own SqliteStore needs a Python whose sqlite3 loads extensions, which many are built without; and it writes
memory by memory, so that a session that fails halfway would be there twice when it is tried again.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any  # Any: LangGraph's operations, items and results

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vocabulary import Session

Embed = Callable[[Sequence[str]], "NDArray[np.float32]"]
"""Vectors of length 1 for texts, one a row; may block."""

_TABLES = """
    CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL, vector BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS session (id TEXT PRIMARY KEY);
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """What langmem keeps: its `value` has the kind and the content, as well as our `sessions` and `date`."""

    key: str
    value: dict[str, Any]
    score: float


@dataclass
class Written:
    """What langmem wants to be written of a session, and what it found before, both by key; None is to be deleted."""

    values: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    found: dict[str, dict[str, Any]] = field(default_factory=dict)


class MemoryStore:
    """An open store, for any thread. The search is exact, by the cosine of embeddings."""

    def __init__(self, file: Path, embed: Embed) -> None:
        self._embed = embed
        self._turn = threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False)
        self._connection.executescript(_TABLES)

    def has(self, session: str) -> bool:
        """Whether that session was taken in."""
        with self._turn:
            return self._connection.execute("SELECT 1 FROM session WHERE id = ?", (session,)).fetchone() is not None

    def keep(self, session: Session, written: Written) -> None:
        """Write what langmem made of a session and that it was taken in, together or not at all."""
        date = session.date.isoformat() if session.date else None
        kept = {key: value for key, value in written.values.items() if value is not None}
        texts = [json.dumps(value["content"], ensure_ascii=False) for value in kept.values()]
        vectors = self._embed(texts) if texts else ()
        rows = []
        for (key, value), vector in zip(kept.items(), vectors, strict=True):
            before = written.found.get(key, {}).get("sessions", [])
            whole = {**value, "sessions": list(dict.fromkeys([*before, session.id])), "date": date}
            rows.append((key, json.dumps(whole, ensure_ascii=False), vector.tobytes()))
        with self._turn, self._connection as connection:
            connection.executemany("DELETE FROM memory WHERE key = ?", [(key,) for key in written.values])
            connection.executemany("INSERT INTO memory VALUES (?, ?, ?)", rows)
            connection.execute("INSERT INTO session VALUES (?)", (session.id,))

    def search(self, query: str, limit: int) -> list[Memory]:
        """The memories nearest to `query`, best first; equal ones by their key."""
        import numpy as np

        with self._turn:
            rows = self._connection.execute("SELECT key, value, vector FROM memory ORDER BY key").fetchall()
        if not rows:
            return []
        (vector,) = self._embed([query])
        scores = np.stack([np.frombuffer(row[2], np.float32) for row in rows]) @ vector
        best = np.argsort(-scores, kind="stable")[:limit]
        return [Memory(rows[place][0], json.loads(rows[place][1]), float(scores[place])) for place in best]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def staged(store: MemoryStore, written: Written) -> Any:
    """LangGraph's face of a store, for one session: what is put is noted in `written`, and kept by nobody yet."""
    from langgraph.store.base import BaseStore, PutOp, SearchItem, SearchOp

    def answer(operation: Any) -> Any:
        if isinstance(operation, PutOp):
            written.values[operation.key] = None if operation.value is None else dict(operation.value)
            return None
        if not isinstance(operation, SearchOp) or operation.query is None:
            raise NotImplementedError(f"langmem asks its store for something new: {operation}")
        found = store.search(operation.query, operation.limit)
        written.found.update((memory.key, memory.value) for memory in found)
        now = datetime.now(UTC)  # asked for, and read by nobody
        return [
            SearchItem(operation.namespace_prefix, memory.key, memory.value, now, now, score=memory.score)
            for memory in found
        ]

    def batch(_self: Any, operations: Iterable[Any]) -> list[Any]:
        return [answer(operation) for operation in operations]

    async def abatch(_self: Any, operations: Iterable[Any]) -> list[Any]:
        return await asyncio.to_thread(batch, _self, list(operations))

    return type("Staged", (BaseStore,), {"batch": batch, "abatch": abatch})()
