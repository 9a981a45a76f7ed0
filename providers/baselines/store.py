"""The file in which embedded baselines keep what was said: SQLite, many containers in one file, whole sessions or none.

Any number of processes may read and write at once (write-ahead log; one of them writes at a time, the others wait).
A session is stored in one transaction: a process that is killed leaves none of it or all of it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from providers.shared_file import file_errors, open_shared
from vocabulary import ProviderError, SearchResult, Session

# Messages are in an ordinary table: without rowids, each of more than a thousand bytes would take a page of its own.
_SCHEMA = (
    "create table if not exists containers (key integer primary key, name text not null unique)",
    """create table if not exists sessions (
        container integer not null, position integer not null, id text not null, date text,
        primary key (container, position), unique (container, id)) without rowid""",
    """create table if not exists messages (
        container integer not null, number integer not null, id text not null, text text not null,
        primary key (container, number))""",
)
_FOUND = (
    "select m.number, m.id, m.text, s.id, s.date from messages m "
    "join sessions s on s.container = m.container and s.position = m.number >> 20 "
)
_MESSAGES_PER_SESSION = 1 << 20
_AT_ONCE = 500


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def dated(date: datetime | None, text: str) -> str:
    """`text` with the date on which it was said, if it has one: ``(8 May 2023) Speaker: text``."""
    return text if date is None else f"({date.day} {_MONTHS[date.month - 1]} {date.year}) {text}"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it is kept.

    `number` orders the messages of a container as they were said: the session's position in the upper bits, the
    message's place in the session in the lower 20. `text` is the rendered message, without a date.
    """

    number: int
    id: str
    text: str
    session_id: str
    date: datetime | None

    def as_result(self, score: float | None = None) -> SearchResult:
        """The message as something found."""
        return SearchResult(
            text=self.text,
            score=score,
            timestamp=self.date,
            session_ids=(self.session_id,),
            message_ids=(self.id,),
        )


class Records:
    """What can be done in one transaction of a `Store`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def find(self, container: str) -> int | None:
        """The key of that container, None if there is none."""
        row = self.connection.execute("select key from containers where name = ?", (container,)).fetchone()
        return int(row[0]) if row else None

    def find_or_add(self, container: str) -> int:
        """The key of that container, which is made if there is none."""
        key = self.find(container)
        if key is None:
            key = self.connection.execute("insert into containers (name) values (?)", (container,)).lastrowid
            assert key is not None  # an insert has a rowid; only the type does not know it
        return key

    def version(self) -> tuple[int, int]:
        """What changes with the file, as long as it stays open: by other connections, and by this one."""
        (by_others,) = self.connection.execute("pragma data_version").fetchone()
        return by_others, self.connection.total_changes

    def remove(self, container: str) -> int | None:
        """Remove a container with all that is in it; the key that it had, None if there was none."""
        key = self.find(container)
        if key is not None:
            self.connection.execute("delete from messages where container = ?", (key,))
            self.connection.execute("delete from sessions where container = ?", (key,))
            self.connection.execute("delete from containers where key = ?", (key,))
        return key

    def put(self, key: int, session: Session) -> tuple[list[StoredMessage], list[StoredMessage]]:
        """Store a session, in the place of one with the same id if there is one: what was removed, what was added."""
        if len(session.messages) > _MESSAGES_PER_SESSION:
            raise ProviderError(
                f"session {session.id!r} has {len(session.messages)} messages, more than the {_MESSAGES_PER_SESSION} "
                "that can be kept of one. Split it in the benchmark's loader."
            )
        position, removed = self._take_place(key, session)
        first = position << 20
        added = [
            StoredMessage(first + index, message.id, message.rendered(), session.id, session.date)
            for index, message in enumerate(session.messages)
        ]
        self.connection.executemany(
            "insert into messages (container, number, id, text) values (?, ?, ?, ?)",
            ((key, message.number, message.id, message.text) for message in added),
        )
        return removed, added

    def all(self, key: int) -> list[StoredMessage]:
        """All messages of a container, in the order in which they were said."""
        return self._found("where m.container = ? order by m.number", (key,))

    def of_session(self, key: int, session_id: str) -> list[StoredMessage]:
        """All messages of a session, in order; none if it is not there."""
        return self._found("where m.container = ? and s.id = ? order by m.number", (key, session_id))

    def numbered(self, key: int, numbers: Sequence[int]) -> list[StoredMessage]:
        """The messages of these numbers, which must be there, in their order."""
        found: dict[int, StoredMessage] = {}
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            rows = self._found(f"where m.container = ? and m.number in ({marks})", (key, *some))
            found |= {message.number: message for message in rows}
        return [found[number] for number in numbers]

    def of_id(self, key: int, message_id: str) -> list[StoredMessage]:
        """The message of that id, none if it is not there; quick only where `BY_ID` was given to the store."""
        return self._found("where m.container = ? and m.id = ?", (key, message_id))

    def _take_place(self, key: int, session: Session) -> tuple[int, list[StoredMessage]]:
        """The session's position in its container, made free, and the messages that were there."""
        date = session.date.isoformat() if session.date else None
        row = self.connection.execute(
            "select position from sessions where container = ? and id = ?", (key, session.id)
        ).fetchone()
        if row is None:
            (position,) = self.connection.execute(
                "select coalesce(max(position) + 1, 0) from sessions where container = ?", (key,)
            ).fetchone()
            self.connection.execute("insert into sessions values (?, ?, ?, ?)", (key, position, session.id, date))
            return position, []
        position = row[0]
        removed = self.of_session(key, session.id)
        self.connection.execute(
            "delete from messages where container = ? and number between ? and ?",
            (key, position << 20, ((position + 1) << 20) - 1),
        )
        self.connection.execute(
            "update sessions set date = ? where container = ? and position = ?", (date, key, position)
        )
        return position, removed

    def _found(self, condition: str, values: Sequence[int | str]) -> list[StoredMessage]:
        rows = self.connection.execute(_FOUND + condition, values)
        return [
            StoredMessage(number, id_, text, session_id, datetime.fromisoformat(date) if date else None)
            for number, id_, text, session_id, date in rows
        ]


BY_ID = "create index if not exists messages_by_id on messages (container, id)"
"""Give this to a `Store` that looks messages up by their ids."""


class Store:
    """One SQLite file with containers of sessions, opened when it is first used.

    `tables` are further ``create … if not exists`` statements of its owner. The threads of a process take turns.
    All that goes wrong with the file is a `ProviderError`, transient only where another process was in the way.
    """

    def __init__(self, path: Path, *tables: str) -> None:
        self.path = path
        self._tables = tables
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def reading(self) -> Iterator[Records]:
        """A view of the file that no other process changes while it is held."""
        with self._transaction("begin") as records:
            yield records

    @contextmanager
    def writing(self) -> Iterator[Records]:
        """The right to write; all is kept at the end, or nothing if an exception leaves the block."""
        with self._transaction("begin immediate") as records:
            yield records

    def ingest(self, container: str, session: Session) -> None:
        """Store one session, in the place of one with the same id."""
        with self.writing() as records:
            records.put(records.find_or_add(container), session)

    def clear(self, container: str) -> None:
        """Remove a container; nothing happens if there is none."""
        with self.writing() as records:
            records.remove(container)

    def close(self) -> None:
        """Close the file; it is opened again if it is used again."""
        with self._lock, file_errors(self.path):
            if self._connection:
                connection, self._connection = self._connection, None
                connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Records]:
        with self._lock, file_errors(self.path):
            if self._connection is None:
                self._connection = self._open()
            connection = self._connection
            connection.execute(begin)
            try:
                yield Records(connection)
                connection.execute("commit")
            finally:
                if connection.in_transaction:
                    connection.execute("rollback")

    def _open(self) -> sqlite3.Connection:
        # Transactions are begun and ended here, not by the module; threads take turns by the lock.
        connection = open_shared(self.path)
        try:
            # Pages that every session changes are written back once in 64 MB of log, not once in 4.
            connection.execute("pragma wal_autocheckpoint = 16000")
            connection.execute("begin immediate")
            for statement in (*_SCHEMA, *self._tables):
                connection.execute(statement)
            connection.execute("commit")
        except BaseException:
            connection.close()
            raise
        return connection
