"""What is in data files, found once: what is asked, and where in the file each haystack lies.

The first use of a file reads it from end to end and writes what it finds into an index beside it. Every later use, by
any worker and any run, reads the index; a haystack is read from the file when it is needed. What is known of a file is
keyed by its SHA-256. A file that has the size and the modification time that it had is taken to be the same; each
haystack's own hash is checked when it is read.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from bench.data import file_sha256
from bench.json_items import Item, JsonItems
from schema import Case, DataError

INDEX = "memorybench-index.sqlite"
"""The name of the index, in the folder of the data."""

_FORMAT = 1
_WAIT_SECONDS = 3600.0
"""How long one process waits while another one reads a file for the first time."""

_LEVELS = 6
"""So deep may a file lie below the folder that has its index."""

_TABLES = (
    """create table if not exists files (
        path text primary key, size integer not null, mtime_ns integer not null, sha256 text not null)""",
    """create table if not exists contents (
        key integer primary key, sha256 text not null, kind text not null, unique (sha256, kind))""",
    "create table if not exists cases (content integer not null, number integer not null, json text not null)",
    "create index if not exists cases_of_content on cases (content, number)",
    """create table if not exists haystacks (
        content integer not null, id text not null, sessions integer not null,
        offset integer not null, length integer not null, part integer not null)""",
    "create index if not exists haystacks_of_content on haystacks (content)",
    "create table if not exists facts (content integer not null, name text not null, count integer not null)",
    "create index if not exists facts_of_content on facts (content)",
)


class FoundHaystack(NamedTuple):
    """A haystack in an item: `part` tells several haystacks of one item apart."""

    id: str
    sessions: int
    part: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What an item of a file holds; `facts` are counted over all items of a file."""

    cases: Sequence[Case] = ()
    haystacks: Sequence[FoundHaystack] = ()
    facts: Counter[str] = field(default_factory=Counter)


class Place(NamedTuple):
    """Where a haystack lies: `length` bytes of `file` from byte `offset` on."""

    file: Path
    offset: int
    length: int
    part: int
    sessions: int

    def read(self) -> bytes:
        """The item's text; raises `schema.DataError` if the file cannot be read."""
        try:
            with self.file.open("rb") as stream:
                stream.seek(self.offset)
                return stream.read(self.length)
        except OSError as error:
            raise DataError(f"{self.file} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A data file as the index knows it: cases in the file's order, haystacks by their ids."""

    path: Path
    sha256: str
    cases: tuple[Case, ...]
    haystacks: dict[str, Place]
    facts: Counter[str]


class Index:
    """The index of the data files in `folder`, as the loader `kind` reads them.

    `kind` names the loader, its version and whatever changes what it finds. Use it as a context manager. If the folder
    cannot be written, the index lies in the user's cache folder. Raises `schema.DataError`.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self.path = _place_of_index(folder)
        self._kind = f"{_FORMAT}/{kind}"
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        with self._faults():
            self._connection = _open(self.path)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._connection:
            self._connection.close()

    def file(self, path: Path, find: Callable[[Item], Found]) -> IndexedFile:
        """What is in the file at `path`; `find` is asked about each item if the index does not know the file."""
        with self._faults():
            sha256 = self._known_sha256(path)
            key = self._content(sha256) if sha256 else None
            if sha256 is None or key is None:
                sha256, key = self._learn(path, find)
            return self._load(path, sha256, key)

    def _learn(self, path: Path, find: Callable[[Item], Found]) -> tuple[str, int]:
        """Read the file, unless somebody else has while this process waited for its turn."""
        connection = self._connected
        connection.execute("begin immediate")
        try:
            sha256 = self._known_sha256(path)
            if sha256 is None and self._knows_size(path):  # a copy, or touched
                sha256 = file_sha256(path)
            key = self._content(sha256) if sha256 else None
            if sha256 is None or key is None:
                sha256, key = self._read(path, find)
            stat = path.stat()
            connection.execute(
                "insert or replace into files values (?, ?, ?, ?)",
                (os.fspath(path.resolve()), stat.st_size, stat.st_mtime_ns, sha256),
            )
            connection.execute("commit")
        finally:
            if connection.in_transaction:
                connection.execute("rollback")
        return sha256, key

    def _read(self, path: Path, find: Callable[[Item], Found]) -> tuple[str, int]:
        connection, before = self._connected, path.stat()
        key = connection.execute("insert into contents (sha256, kind) values ('', ?)", (self._kind,)).lastrowid
        assert key is not None, "an insert has a rowid; only the type does not know it"
        items, facts, number = JsonItems(path), Counter[str](), 0
        for item in items:
            found = find(item)
            facts.update(found.facts)
            for case in found.cases:
                connection.execute("insert into cases values (?, ?, ?)", (key, number, case.model_dump_json()))
                number += 1
            connection.executemany(
                "insert into haystacks values (?, ?, ?, ?, ?, ?)",
                [(key, one.id, one.sessions, item.offset, item.length, one.part) for one in found.haystacks],
            )
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise DataError("was changed while it was read; try again when it is complete")
        connection.executemany("insert into facts values (?, ?, ?)", [(key, *fact) for fact in facts.items()])
        connection.execute("update contents set sha256 = ? where key = ?", (items.sha256, key))
        return items.sha256, key

    def _load(self, path: Path, sha256: str, key: int) -> IndexedFile:
        connection = self._connected
        cases = connection.execute("select json from cases where content = ? order by number", (key,))
        haystacks = connection.execute(
            "select id, offset, length, part, sessions from haystacks where content = ? order by rowid desc", (key,)
        )
        facts = connection.execute("select name, count from facts where content = ? order by rowid", (key,))
        return IndexedFile(
            path=path,
            sha256=sha256,
            cases=tuple(Case.model_validate_json(text) for (text,) in cases),
            haystacks={name: Place(path, *place) for name, *place in haystacks},
            facts=Counter(dict(facts)),
        )

    def _known_sha256(self, path: Path) -> str | None:
        """The file's checksum if the index has seen it as it is now."""
        stat = path.stat()
        row = self._connected.execute(
            "select sha256 from files where path = ? and size = ? and mtime_ns = ?",
            (os.fspath(path.resolve()), stat.st_size, stat.st_mtime_ns),
        ).fetchone()
        return str(row[0]) if row else None

    def _knows_size(self, path: Path) -> bool:
        row = self._connected.execute("select 1 from files where size = ?", (path.stat().st_size,)).fetchone()
        return row is not None

    def _content(self, sha256: str) -> int | None:
        row = self._connected.execute(
            "select key from contents where sha256 = ? and kind = ?", (sha256, self._kind)
        ).fetchone()
        return int(row[0]) if row else None

    @property
    def _connected(self) -> sqlite3.Connection:
        assert self._connection is not None, "an index is used as a context manager"
        return self._connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # a fault of this code, not of the file
        except sqlite3.DatabaseError as error:
            raise DataError(f"index {self.path}: {error}. Delete it (it is made anew) or see to its disk.") from error
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}") from error


def is_indexed(path: Path) -> bool:
    """Whether the file at `path` was read before and is as it was then; the index may be of a folder above its own."""
    stat = path.stat()
    row = (os.fspath(path.resolve()), stat.st_size, stat.st_mtime_ns)
    places = (_place_of_index(folder) for folder in path.absolute().parents[:_LEVELS])
    return any(place.is_file() and _knows(place, row) for place in places)


def _knows(place: Path, row: tuple[str, int, int]) -> bool:
    try:
        with closing(_open(place)) as connection:
            found = connection.execute("select 1 from files where path = ? and size = ? and mtime_ns = ?", row)
            return found.fetchone() is not None
    except sqlite3.DatabaseError:
        return False  # whoever uses the index will say what is wrong with it


def _place_of_index(folder: Path) -> Path:
    folder = folder.resolve()
    beside = folder / INDEX
    # root may write everywhere, and still a folder that is marked as read-only is to be left alone
    if os.access(folder, os.W_OK) and folder.stat().st_mode & 0o222:
        return beside
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "memorybench"
    return cache / f"{hashlib.sha256(os.fspath(folder).encode()).hexdigest()[:16]}-{INDEX}"


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
    try:
        known = connection.execute("select count(*) from sqlite_master where name = 'facts'").fetchone()[0]
        if not known:
            connection.execute("begin immediate")
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute("commit")
    except BaseException:
        connection.close()
        raise
    return connection
