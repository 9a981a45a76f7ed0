"""The step cache: a folder with a database of results by what they depend on, and the stores of embedded providers.

Containers are claimed through the same leases as in a run, in a checkpoint of the cache's own: two runs at once ingest
each haystack once. Any number of processes may have a cache open; one that clears it has it to itself.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple  # Any: the columns of a row are known only when it is read

import sqlalchemy as sa

from bench.base import BenchmarkInfo
from bench.cache.keys import digest_of
from reports.store import Checkpoint, ProviderRecord, Put, sqlite_url, tables
from vocabulary import CheckpointError, ConfigurationError, Phase, file_name_of

FILE = "cache.sqlite"
_SCHEMA = tables.SCHEMA_VERSION * 100 + 1
"""Of this file: the checkpoint's tables and those below."""

_metadata = sa.MetaData()
rows = sa.Table(
    "cached_steps",
    _metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("returned", sa.Integer, nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("hits", sa.Integer, nullable=False),
    sa.Column("used", sa.Float, nullable=False, index=True),
)
stores = sa.Table(
    "cached_stores",
    _metadata,
    sa.Column("store", sa.Text, primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("used", sa.Float, nullable=False),
)
_GET = sa.select(rows.c.result, rows.c.returned).where(rows.c.key == sa.bindparam("its_key"))
_HAS = sa.select(rows.c.key).where(rows.c.key == sa.bindparam("its_key"))
_TOUCH = (
    sa.update(rows).where(rows.c.key == sa.bindparam("its_key")).values(used=sa.bindparam("now"), hits=rows.c.hits + 1)
)
_WAY_OUT = "Remove the folder or name another: no run depends on it."


class CachedStep(NamedTuple):
    """What a step gave, as JSON; `returned` counts what a provider returned in all."""

    result: str
    returned: int


class StepCache:
    """Results by key, and the containers that runs share. Raises `ConfigurationError` if `folder` cannot be used.

    A database that fails later raises `CheckpointError`: it ends a run as its own checkpoint does.
    """

    def __init__(self, folder: Path, *, alone: bool = False) -> None:
        self.folder = folder
        try:
            for private in (folder, folder / "providers"):
                private.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / "cache.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"--cache {folder}: the folder cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
            (folder / FILE).touch(mode=0o600)
            self.checkpoint = Checkpoint(sqlite_url(folder / FILE), "cache")
        except (OSError, CheckpointError) as error:
            os.close(self._lock)
            if isinstance(error, BlockingIOError):
                raise ConfigurationError(f"the cache {folder} is in use: wait for the end of its runs.") from error
            why = tables.cause(error.__cause__ or error)
            raise ConfigurationError(f"--cache {folder}: {FILE} cannot be opened: {why}. {_WAY_OUT}") from error
        try:
            self._check_schema()
        except BaseException:
            self.close()
            raise
        self._put = _put_statement(self.checkpoint.engine)

    def _check_schema(self) -> None:
        with self._answering("opened"), self.checkpoint.engine.begin() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if version not in (0, _SCHEMA):
                raise ConfigurationError(
                    f"--cache {self.folder}: another version of the suite wrote it (schema {version}, this one has "
                    f"{_SCHEMA}). {_WAY_OUT}"
                )
            _metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA user_version={_SCHEMA}")

    def close(self) -> None:
        """Write what is waiting, and close the database."""
        self.checkpoint.close()
        os.close(self._lock)

    def get(self, key: str) -> CachedStep | None:
        """The step with that key, which is used now."""
        found = self.read(_GET, {"its_key": key})
        if not found:
            return None
        self.checkpoint.writer.submit(Put(_TOUCH, {"its_key": key, "now": time.time()}))
        return CachedStep(found[0].result, found[0].returned)

    def has(self, key: str) -> bool:
        """Whether there is a step with that key."""
        return bool(self.read(_HAS, {"its_key": key}))

    def put(self, key: str, phase: Phase, result: str, returned: int = 0) -> Future[None]:
        """Keep what a step gave, in the place of what the key had."""
        values = {"key": key, "phase": phase, "result": result, "returned": returned}
        more = {"bytes": len(result.encode(errors="surrogatepass")), "hits": 0, "used": time.time()}
        return self.checkpoint.writer.submit(Put(self._put, values | more))

    def read(self, query: sa.Select[Any], parameters: dict[str, object] | None = None) -> list[sa.Row[Any]]:
        """The rows that `query` selects, whichever run they are of."""
        with self._answering("read"), self.checkpoint.engine.execution_options(reading=True).connect() as connection:
            return list(connection.execute(query, parameters or {}))

    @contextmanager
    def _answering(self, undone: Any) -> Iterator[None]:  # any: the words of `tables.failure`
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            raise tables.failure(self.checkpoint.url, undone, error) from error

    def workspace(self, store: str) -> Path:
        """The folder that a store's provider has to itself."""
        return self.folder / "providers" / store

    def open_store(self, record: ProviderRecord, identity: str) -> CachedStore:
        """What the provider in `record` has here; `identity` is a hash of what its containers depend on."""
        name = f"{file_name_of(record.name)}-{identity}"
        upsert = tables.upsert(self.checkpoint.engine, stores)
        values = {"store": name, "record": record.model_dump_json(), "used": time.time()}
        known = upsert.values(values).on_conflict_do_update(index_elements=["store"], set_={"used": values["used"]})
        containers = tables.containers.c

        def work(connection: sa.Connection) -> None:
            connection.execute(known)  # from here on no other process is at this point
            if not self.workspace(name).exists():  # it is new, or its files were removed: then nothing is ready
                self.workspace(name).mkdir(mode=0o700, parents=True)
                ready = sa.update(tables.containers).where(containers.provider == name, containers.state == "indexed")
                connection.execute(ready.values(state=tables.CLEARED))

        self.checkpoint.writer.submit(work).result()
        return CachedStore(self, record.name, name, identity)


@dataclass(frozen=True)
class CachedStore:
    """The containers of one provider with its settings in a cache; `name` is that of its folder."""

    cache: StepCache
    provider: str
    name: str
    identity: str

    def holder(self, data: BenchmarkInfo) -> str:
        """What its containers of these data are called beside their haystack."""
        return digest_of(self.identity, data.name, data.variant, data.sha256)

    async def adopt(self, run: Checkpoint, container: str, invocation: str) -> None:
        """Record a container in a run that uses it: with the times of its ingest if that was done in `invocation`."""
        columns, timed = tables.containers.c, tables.sessions.c
        query = sa.select(tables.containers).where(
            columns.provider == self.name,
            columns.container == container,
            columns.state.in_(("indexed", tables.CLEARED)),
        )
        own = {"run_id": run.run_id, "provider": self.provider}
        for row in self.cache.read(query):
            ours = row.invocation == invocation
            shared = {"state": "indexed", "owner": tables.SHARED, "indexing_ms": row.indexing_ms if ours else None}
            found = {**row._asdict(), **own, **shared}
            mine = sa.select(tables.sessions).where(timed.provider == self.name, timed.container == container)
            sessions = [{**session._asdict(), **own} for session in self.cache.read(mine)] if ours else []

            def work(connection: sa.Connection, values: Any = found, sessions: Any = sessions) -> None:
                if tables.insert_new(connection, tables.containers, values) and sessions:
                    connection.execute(sa.insert(tables.sessions), sessions)

            await run.written(work)


def _put_statement(engine: sa.Engine) -> sa.Executable:
    insert = tables.upsert(engine, rows).values({column.name: sa.bindparam(column.name) for column in rows.c})
    changed = {column.name: insert.excluded[column.name] for column in rows.c if not column.primary_key}
    statement: sa.Executable = insert.on_conflict_do_update(index_elements=["key"], set_=changed)
    return statement
