"""Which request went into which batch, in a file that outlives the process that sent it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_BUSY_SECONDS = 60.0
_TABLE = """CREATE TABLE IF NOT EXISTS requests (
    custom_id TEXT PRIMARY KEY, batch TEXT NOT NULL, submitted REAL NOT NULL
)"""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that was sent; `submitted` is a Unix time in seconds."""

    id: str
    submitted: float


class BatchRecord:
    """The requests of one run that are in batches: a SQLite file that several processes may use at once.

    It is opened by the first look, and belongs to the thread that looks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: sqlite3.Connection | None = None

    def batch_of(self, request: str) -> Batch | None:
        """The batch that a request is in."""
        found = self._file.execute("SELECT batch, submitted FROM requests WHERE custom_id = ?", (request,)).fetchone()
        return Batch(*found) if found else None

    def write(self, batch: Batch, requests: Iterable[str]) -> None:
        """Write down, for good, that `requests` are in `batch`."""
        rows = [(request, batch.id, batch.submitted) for request in requests]
        with self._file as transaction:
            transaction.executemany("INSERT OR REPLACE INTO requests VALUES (?, ?, ?)", rows)

    def forget(self, request: str, batch: Batch) -> None:
        """A request's batch gave nothing that is of use for it: the next time it is sent anew."""
        with self._file as transaction:
            transaction.execute("DELETE FROM requests WHERE custom_id = ? AND batch = ?", (request, batch.id))

    def forget_batch(self, batch: Batch) -> None:
        """A batch gave nothing: the next time its requests are sent anew."""
        with self._file as transaction:
            transaction.execute("DELETE FROM requests WHERE batch = ?", (batch.id,))

    def forget_all(self) -> None:
        """All that is sent from now on is sent anew."""
        with self._file as transaction:
            transaction.execute("DELETE FROM requests")

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def _file(self) -> sqlite3.Connection:
        if self._opened is None:
            self.path.touch(mode=0o600)
            self._opened = sqlite3.connect(self.path, timeout=_BUSY_SECONDS)
            self._opened.execute("PRAGMA journal_mode = WAL")
            self._opened.execute("PRAGMA synchronous = FULL")  # what is written here was paid for
            self._opened.execute(_TABLE)
        return self._opened
