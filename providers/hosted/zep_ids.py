"""Which of our sessions and messages Zep's own ids stand for: a file in the workspace, for all workers of a run.

Zep makes all ids, and a fact names the episodes that it was derived from by theirs. Zep gives them when it takes a
message; kept here, they cost no request when a search comes back, in whichever process that is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from providers.shared_file import file_errors, open_shared

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
    """The file is opened at first use; for one thread. All methods raise `ProviderError` if the file fails."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None

    def user(self, container: str) -> str | None:
        """The uuid of the user that a container is."""
        with self._transaction() as file:
            row = file.execute("select uuid from users where container = ?", (container,)).fetchone()
        return str(row[0]) if row else None

    def put_user(self, container: str, uuid: str) -> None:
        """Remember a container's user, in the place of an earlier one."""
        with self._transaction("begin immediate") as file:
            file.execute("insert or replace into users values (?, ?)", (container, uuid))

    def put_thread(self, user: str, thread: str, session: str) -> None:
        """Remember which session a thread is."""
        with self._transaction("begin immediate") as file:
            file.execute("insert or replace into threads values (?, ?, ?)", (thread, user, session))

    def put_episodes(self, user: str, episodes: Mapping[str, Source | None]) -> None:
        """Remember what each episode is, where that is known."""
        rows = [(uuid, user, *source) for uuid, source in episodes.items() if source]
        with self._transaction("begin immediate") as file:
            file.executemany("insert or replace into episodes values (?, ?, ?, ?, ?)", rows)

    def episodes(self, uuids: Collection[str]) -> dict[str, Source]:
        """What those episodes are of which that is known."""
        wanted = list(uuids)
        marks = ", ".join("?" * len(wanted))
        with self._transaction() as file:
            rows = file.execute(
                f"select uuid, session, message, dated from episodes where uuid in ({marks})", wanted
            ).fetchall()
        return {uuid: Source(session, message, bool(dated)) for uuid, session, message, dated in rows}

    def session(self, thread: str) -> str | None:
        """The session that a thread is."""
        with self._transaction() as file:
            row = file.execute("select session from threads where uuid = ?", (thread,)).fetchone()
        return str(row[0]) if row else None

    def forget(self, container: str) -> None:
        """Drop all that is known of a container."""
        user = self.user(container)
        if user is None:
            return
        with self._transaction("begin immediate") as file:
            for table, column in (("episodes", "user"), ("threads", "user"), ("users", "uuid")):
                file.execute(f"delete from {table} where {column} = ?", (user,))

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @contextmanager
    def _transaction(self, begin: str = "begin") -> Iterator[sqlite3.Connection]:
        with file_errors(self._path):
            if self._opened is None:
                self._opened = self._open()
            file = self._opened
            file.execute(begin)
            try:
                yield file
                file.execute("commit")
            finally:
                if file.in_transaction:
                    file.execute("rollback")

    def _open(self) -> sqlite3.Connection:
        # Work is done in one thread and closed in another, but never both at once.
        file = open_shared(self._path)
        try:
            file.executescript(_SCHEMA)
        except BaseException:
            file.close()
            raise
        return file
