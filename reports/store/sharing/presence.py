"""The places that are at work on a run, by the database's clock."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import sqlalchemy as sa

from reports.store import tables
from reports.store.checkpoint import Checkpoint
from reports.store.leases import DEAD_AFTER_SECONDS, HEARTBEAT_SECONDS, RENEWED_AFTER_SECONDS
from reports.store.owners import is_gone, this_process
from reports.store.sharing.shared_tables import claims, closing_files, exist, lock_claims, make_tables, parts, places
from reports.store.writer import Put
from vocabulary import CheckpointError, ConfigurationError, Phase

T = TypeVar("T")
_FILE = "folder.id"


class _Row(NamedTuple):
    place: str
    folder: str
    process: str
    until: str
    shard: str | None
    ended: bool
    silent: float


def folder_id(folder: Path) -> str:
    """What the run's `folder` is called in the database, chosen at random when it is first wanted.

    Processes that share a disk have the same. Raises `CheckpointError` if it cannot be kept.
    """
    file = folder / _FILE
    try:
        try:
            with file.open("x", encoding="ascii") as new:
                new.write(uuid.uuid4().hex[:8])
        except FileExistsError:
            pass
        while not (known := file.read_text(encoding="ascii")):  # another process is about to write it
            time.sleep(0.01)
    except OSError as error:
        raise CheckpointError(f"{file} cannot be written: {error.strerror}.") from error
    return known


def at_work(checkpoint: Checkpoint) -> bool:
    """Whether a place of the run has not ended, and has renewed its lease; raises `CheckpointError`.

    An advisory lock does not show it after the database was restarted.
    """
    if checkpoint.engine.dialect.name != "postgresql":
        return False
    try:
        with checkpoint.engine.connect() as connection:
            rows = _read(connection, checkpoint.run_id) if exist(connection) else []
    except sa.exc.SQLAlchemyError as error:
        raise tables.failure(checkpoint.url, "read", error) from error
    return any(not _is_dead(row, row.silent) for row in rows)


def _read(connection: sa.Connection, run_id: str) -> list[_Row]:
    columns = places.c
    silent = tables.now(connection.engine) - columns.heartbeat
    known = (columns.place, columns.folder, columns.process, columns.until, columns.shard, columns.ended)
    return [_Row._make(row) for row in connection.execute(sa.select(*known, silent).where(columns.run_id == run_id))]


def _is_dead(row: _Row, silent_seconds: float) -> bool:
    return row.ended or silent_seconds > DEAD_AFTER_SECONDS or is_gone(row.process)


def _count(shard: str) -> str:
    return shard.partition("/")[2]


class Presence:
    """A process as a place of a run, whose lease a thread renews until `end`.

    `place` begins with the invocation; `folder` is the id of the run's folder; `shard`, as in ``2/8``, is the part that
    it begins with; `living` counts the places at work.
    While there are any, claims and failures stand for all that join; the first after the last begins without them.
    """

    def __init__(self, checkpoint: Checkpoint, place: str, folder: str, until: Phase, shard: str | None = None) -> None:
        self.checkpoint = checkpoint
        self.place = place
        self.folder = folder
        self.until = until
        self.shard = shard
        self.gone: frozenset[str] = frozenset()
        self.reachable: frozenset[str] = frozenset({place})
        self.living = 1
        self._ended = threading.Event()
        self._renewed = time.time()
        self._thread = threading.Thread(target=self._renew, name="bench-place", daemon=True)

    def begin(self) -> None:
        """Join the run.

        Raises `ConfigurationError` if the places at work take it to another phase, or lack this shard in another run.
        """

        def join(connection: sa.Connection) -> None:
            make_tables(connection)
            lock_claims(connection, self.checkpoint.run_id)
            living = [row for row in _read(connection, self.checkpoint.run_id) if not self._counts_as_gone(row)]
            if other := next((row for row in living if row.until != self.until), None):
                raise ConfigurationError(
                    f"run {self.checkpoint.run_id!r} is being worked on with --until {other.until}, and not "
                    f"{self.until}: give all places the same, or wait for its end."
                )
            if not living:
                for table in (claims, parts, places, closing_files):
                    connection.execute(sa.delete(table).where(table.c.run_id == self.checkpoint.run_id))
            beat = tables.now(connection.engine)
            row = {"folder": self.folder, "process": this_process(), "until": self.until, "shard": self.shard}
            insert = tables.upsert(connection.engine, places).values(**self._key, **row, ended=False, heartbeat=beat)
            connection.execute(insert.on_conflict_do_nothing())

        self.transact(join)
        try:
            self.transact(self._check_other_runs)
        except ConfigurationError:
            self.end()
            raise
        self._renewed = time.time()
        self._thread.start()

    def _check_other_runs(self, connection: sa.Connection) -> None:
        """Make sure that the shards of one run were not given ids of their own: each would be asked as a whole."""
        run_id, shard = self.checkpoint.run_id, self.shard
        if shard is None or {row.shard for row in _read(connection, run_id)} - {shard, None}:
            return
        columns, this = tables.runs.c, tables.runs.alias("this").c
        same = sa.and_(columns.parts == this.parts, columns.benchmarks == this.benchmarks, columns.run_id != run_id)
        joined = columns.run_id.in_(sa.select(places.c.run_id))
        for other in connection.execute(sa.select(columns.run_id).where(this.run_id == run_id, same, joined)).scalars():
            rows = [row for row in _read(connection, other) if row.shard and _count(row.shard) == _count(shard)]
            if shard not in {row.shard for row in rows} and any(not _is_dead(row, row.silent) for row in rows):
                raise ConfigurationError(
                    f"run {other!r} has the same questions and is at work without shard {shard}. With PostgreSQL all "
                    f"shards have one --run-id, for a run asks everything: use --run-id {other}, or begin a second run "
                    "when this shard has joined that one."
                )

    def end(self) -> None:
        """Leave the run: what is claimed here and not done is free at once. May be called twice."""
        if not self._ended.is_set():
            self._ended.set()
            self.checkpoint.writer.submit(Put(self._update().values(ended=True), {}))

    def end_invocation(self) -> None:
        """End all places of this invocation: the processes that it had elsewhere work no more."""
        run, columns = self._key["run_id"], places.c
        mine = columns.place.startswith(self.place.partition(":")[0] + ":", autoescape=True)
        ended = sa.update(places).where(columns.run_id == run, mine).values(ended=True)
        self.checkpoint.writer.submit(Put(ended, {}))

    @property
    def lapsed(self) -> bool:
        """Whether the lease was not renewed for so long that others may have taken what was claimed."""
        return time.time() - self._renewed > DEAD_AFTER_SECONDS

    def look(self) -> frozenset[str]:
        """Read which places are `gone` and which share this folder; those that are gone since the last look.

        `reachable` are those whose local stores this process has, and those whose it need not respect.
        """
        rows = self.attempt(lambda connection: _read(connection, self.checkpoint.run_id))
        gone = frozenset({row.place for row in rows} - self._living(rows))
        new, self.gone = gone - self.gone, gone
        self.reachable = gone | {row.place for row in rows if row.folder == self.folder} | {self.place}
        return new

    def at_work(self, connection: sa.Connection) -> tuple[set[str], set[str]]:
        """The places at work, and those that were a moment ago: services may still work on their calls."""
        rows = _read(connection, self.checkpoint.run_id)
        living = self._living(rows)
        missed = [row for row in rows if not row.ended and row.place not in living]
        return living, {row.place for row in missed if row.silent < 2 * HEARTBEAT_SECONDS}

    def _living(self, rows: Sequence[_Row]) -> set[str]:
        living = {row.place for row in rows if not self._counts_as_gone(row)} | {self.place}
        self.living = len(living)
        return living

    def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """What `work` returns in a transaction, done again while the database is away; raises `CheckpointError`."""
        return self._attempt(self.checkpoint.engine, work)

    def attempt(self, work: Callable[[sa.Connection], T]) -> T:
        """The same; each statement of `work` is a transaction of its own, which is one round trip in place of three."""
        return self._attempt(self.checkpoint.single, work)

    def _attempt(self, engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        def do() -> T:
            with engine.begin() as connection:
                return work(connection)

        return self.checkpoint.attempt(do, "written")

    def _counts_as_gone(self, row: _Row) -> bool:
        # a folder has one invocation at a time, which its lock sees to
        left_behind = row.folder == self.folder and row.place.partition(":")[0] != self.place.partition(":")[0]
        # after an outage of the database the living need a moment to renew what they hold
        settled = self.checkpoint.reconnecting.back_seconds > RENEWED_AFTER_SECONDS
        return left_behind or _is_dead(row, row.silent if settled else 0.0)

    def _renew(self) -> None:
        beat = Put(self._update().values(heartbeat=tables.now(self.checkpoint.engine)), {})
        while not self._ended.wait(HEARTBEAT_SECONDS):
            if self.checkpoint.writer.submit(beat).exception() is None:
                self._renewed = time.time()

    def _update(self) -> sa.Update:
        return sa.update(places).where(*(places.c[name] == value for name, value in self._key.items()))

    @property
    def _key(self) -> dict[str, str]:
        return {"run_id": self.checkpoint.run_id, "place": self.place}
