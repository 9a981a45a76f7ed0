"""Which request went into which batch, in a record that outlives the process that sent it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

_BUSY_SECONDS = 60.0
_TABLE = """CREATE TABLE IF NOT EXISTS requests (
    custom_id TEXT PRIMARY KEY, batch TEXT NOT NULL, submitted REAL NOT NULL
)"""


class BatchRecord(Protocol):
    """The requests of one run that are in batches; several processes may use it at once.

    It is opened by the first look. `remedy` is what a person does to have requests sent anew.
    """

    @property
    def remedy(self) -> str:
        """What makes it forget, in the imperative."""

    async def batch_of(self, request: str) -> tuple[str, float] | None:
        """The id of the batch that a request is in, and the Unix time at which it was submitted."""

    async def write(self, batch: str, submitted: float, requests: Iterable[str]) -> None:
        """Write down, for good, that `requests` are in `batch`."""

    async def forget(self, batch: str, request: str | None = None) -> None:
        """A batch gave nothing that is of use for a request, or for all: the next time it is sent anew."""

    def forget_all(self) -> None:
        """All that is sent from now on is sent anew."""

    def close(self) -> None:
        """Close what is open."""


class BatchFile:
    """A record in a SQLite file, which belongs to the thread that looks first."""

    def __init__(self, path: Path) -> None:
        self.remedy = f"delete {path}"
        self._path = path
        self._opened: sqlite3.Connection | None = None

    async def batch_of(self, request: str) -> tuple[str, float] | None:
        """The batch that a request is in."""
        found = self._file.execute("SELECT batch, submitted FROM requests WHERE custom_id = ?", (request,)).fetchone()
        return (str(found[0]), float(found[1])) if found else None

    async def write(self, batch: str, submitted: float, requests: Iterable[str]) -> None:
        """Write down, for good, that `requests` are in `batch`."""
        rows = [(request, batch, submitted) for request in requests]
        with self._file as transaction:
            transaction.executemany("INSERT OR REPLACE INTO requests VALUES (?, ?, ?)", rows)

    async def forget(self, batch: str, request: str | None = None) -> None:
        """A batch gave nothing that is of use for a request, or for all."""
        with self._file as transaction:
            transaction.execute(
                "DELETE FROM requests WHERE batch = ? AND custom_id = coalesce(?, custom_id)", (batch, request)
            )

    def forget_all(self) -> None:
        """All that is sent from now on is sent anew."""
        if self._path.exists():
            with self._file as transaction:
                transaction.execute("DELETE FROM requests")
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def _file(self) -> sqlite3.Connection:
        if self._opened is None:
            self._path.touch(mode=0o600)
            self._opened = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
            self._opened.execute("PRAGMA journal_mode = WAL")
            self._opened.execute("PRAGMA synchronous = FULL")  # what is written here was paid for
            self._opened.execute(_TABLE)
        return self._opened
