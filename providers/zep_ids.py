"""Which of our sessions and messages Zep's own ids stand for: a file in the workspace, for all workers of a run.

Zep makes all ids, and a fact names the episodes that it was derived from by theirs. Zep gives them when it takes a
message; kept here, they cost no request when a search comes back, in whichever process that is.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

_PATIENCE_SECONDS = 60.0
_SCHEMA = """
create table if not exists users (container text primary key, uuid text not null);
create table if not exists episodes (
    uuid text primary key, user text not null, session text not null, message text not null, dated integer not null
) without rowid;
create table if not exists threads (uuid text primary key, user text not null, session text not null) without rowid;
"""


class Source(NamedTuple):
    """Our ids of an episode, and whether its session has a date: else what Zep has for one is the day of the ingest."""

    session: str
    message: str
    dated: bool


class ZepIds:
    """The file is opened at first use; for one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None

    @property
    def _file(self) -> sqlite3.Connection:
        if self._opened is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Work is done in one thread and closed in another, but never both at once.
            self._opened = sqlite3.connect(
                self._path, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
            )
            _use_write_ahead_log(self._opened)
            self._opened.execute("pragma synchronous = normal")
            self._opened.executescript(_SCHEMA)
        return self._opened

    def user(self, container: str) -> str | None:
        """The uuid of the user that a container is."""
        row = self._file.execute("select uuid from users where container = ?", (container,)).fetchone()
        return str(row[0]) if row else None

    def put_user(self, container: str, uuid: str) -> None:
        """Remember a container's user, in the place of an earlier one."""
        self._file.execute("insert or replace into users values (?, ?)", (container, uuid))

    def put_thread(self, user: str, thread: str, session: str) -> None:
        """Remember which session a thread is."""
        self._file.execute("insert or replace into threads values (?, ?, ?)", (thread, user, session))

    def put_episodes(self, user: str, episodes: Mapping[str, Source | None]) -> None:
        """Remember what each episode is, where that is known."""
        rows = [(uuid, user, *source) for uuid, source in episodes.items() if source]
        self._file.execute("begin immediate")
        try:
            self._file.executemany("insert or replace into episodes values (?, ?, ?, ?, ?)", rows)
        except BaseException:
            self._file.execute("rollback")
            raise
        self._file.execute("commit")

    def episodes(self, uuids: Collection[str]) -> dict[str, Source]:
        """What those episodes are of which that is known."""
        wanted = list(uuids)
        marks = ", ".join("?" * len(wanted))
        rows = self._file.execute(f"select uuid, session, message, dated from episodes where uuid in ({marks})", wanted)
        return {uuid: Source(session, message, bool(dated)) for uuid, session, message, dated in rows}

    def session(self, thread: str) -> str | None:
        """The session that a thread is."""
        row = self._file.execute("select session from threads where uuid = ?", (thread,)).fetchone()
        return str(row[0]) if row else None

    def forget(self, container: str) -> None:
        """Drop all that is known of a container."""
        user = self.user(container)
        if user is None:
            return
        for statement in ("delete from episodes where user = ?", "delete from threads where user = ?"):
            self._file.execute(statement, (user,))
        self._file.execute("delete from users where uuid = ?", (user,))

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Readers do not wait for writers then. Of workers that switch the file over at once, SQLite refuses some."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            busy = (error.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() > end:
                raise
        time.sleep(0.01)
