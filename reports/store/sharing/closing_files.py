"""The files that a run leaves: one of its places makes them, and the others copy them out of the database."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar  # Any: the columns of a row are known only when it is read

import sqlalchemy as sa

from reports.store import tables
from reports.store.checkpoint import Checkpoint
from reports.store.run_lock import lock_key
from reports.store.sharing.shared_tables import closing_files, exist, places

T = TypeVar("T")

_PIECE_BYTES = 4 << 20
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 60.0
"""How long to wait for another place's files; it may be on a machine that has lost its power."""


class ClosingFiles:
    """The files of one run, kept by a name for all that they are made from. Methods raise `CheckpointError`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    @property
    def are_shared(self) -> bool:
        """Whether the run has places of several invocations, so that one may copy what another has made."""
        if self._checkpoint.engine.dialect.name != "postgresql":
            return False
        invocations = sa.func.count(sa.func.split_part(places.c.place, ":", 1).distinct())
        mine = sa.select(invocations).where(places.c.run_id == self._checkpoint.run_id)
        return self._read(
            lambda connection: exist(connection, closing_files) and connection.execute(mine).scalar_one() > 1
        )

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other place makes the files, and let others wait until the end of the block."""
        connection = self._checkpoint.attempt(self._waited)
        try:
            yield
        finally:
            connection.close()

    def _waited(self) -> sa.Connection:
        lock = sa.select(sa.func.pg_try_advisory_lock(lock_key(f"files of {self._checkpoint.run_id}")))
        connection = self._checkpoint.single.connect()
        try:
            connection.detach()  # the lock goes with it
            end = time.monotonic() + _PATIENCE_SECONDS
            while not connection.execute(lock).scalar_one() and time.monotonic() < end:
                time.sleep(_LOOK_SECONDS)
        except BaseException:
            connection.close()
            raise
        return connection

    def keep(self, source: str, files: Iterable[Path]) -> None:
        """Keep `files`, which were made from `source`, for the other places."""
        named = list(files)

        def write() -> None:
            with self._checkpoint.engine.begin() as connection:
                insert = tables.upsert(connection.engine, closing_files).on_conflict_do_nothing()
                for file in named:
                    for number, piece in enumerate(_pieces(file)):
                        row = {"name": file.name, "number": number, "packed": zlib.compress(piece, 1)}
                        connection.execute(insert, {"run_id": self._checkpoint.run_id, "source": source, **row})

        self._checkpoint.attempt(write, "written")

    def are_kept(self, source: str) -> bool:
        """Whether another place has made files from `source`."""
        query = self._rows(source, closing_files.c.name).limit(1)
        return self._read(lambda connection: connection.execute(query).first() is not None)

    def pieces(self, source: str) -> Iterator[tuple[str, bytes]]:
        """The files that were made from `source`, piece by piece, each piece with its file's name; none, or all."""
        columns = closing_files.c
        query = self._rows(source, columns.name, columns.packed).order_by(columns.name, columns.number)
        try:
            # one statement sees all pieces, also those that are deleted meanwhile
            with self._checkpoint.engine.connect() as connection:
                for row in connection.execute(query, execution_options={"yield_per": 1}):
                    yield row.name, zlib.decompress(row.packed)
        except sa.exc.SQLAlchemyError as error:
            raise tables.failure(self._checkpoint.url, "read", error) from error

    def _rows(self, source: str, *columns: sa.Column[Any]) -> sa.Select[Any]:
        mine = closing_files.c.run_id == self._checkpoint.run_id
        return sa.select(*columns).where(mine, closing_files.c.source == source)

    def _read(self, work: Callable[[sa.Connection], T]) -> T:
        def do() -> T:
            with self._checkpoint.single.connect() as connection:
                return work(connection)

        return self._checkpoint.attempt(do)


def _pieces(file: Path) -> Iterator[bytes]:
    """What `file` holds, at least one piece."""
    with file.open("rb") as opened:
        yield opened.read(_PIECE_BYTES)
        while piece := opened.read(_PIECE_BYTES):
            yield piece
