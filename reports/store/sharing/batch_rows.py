"""Which request of a run went into which batch, for all places: one collects what another has sent and paid for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from reports.store import tables
from reports.store.reconnecting import Reconnecting
from reports.store.sharing.shared_tables import batches, make_tables

T = TypeVar("T")


class BatchRows:
    """`llms.clients.BatchRecord` of a run in PostgreSQL; threads wait for it. Methods raise `CheckpointError`."""

    def __init__(self, url: str, run_id: str, patience: float) -> None:
        self.remedy = f"delete the rows of run {run_id!r} from {batches.name} at {tables.shown(url)}"
        self._url = url
        self._run_id = run_id
        self._mine = batches.c.run_id == run_id
        self._reconnecting = Reconnecting(patience)
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    async def batch_of(self, request: str) -> tuple[str, float] | None:
        """The batch that a request is in."""
        columns = batches.c
        query = sa.select(columns.batch, columns.submitted).where(self._mine, columns.request == request)
        found = await asyncio.to_thread(self._transact, lambda connection: connection.execute(query).one_or_none())
        return (found[0], found[1]) if found else None

    async def write(self, batch: str, submitted: float, requests: Iterable[str]) -> None:
        """Write down, for good, that `requests` are in `batch`."""
        values = {"run_id": self._run_id, "batch": batch, "submitted": submitted}
        rows = [{**values, "request": request} for request in requests]

        def write(connection: sa.Connection) -> None:
            insert = tables.upsert(connection.engine, batches)
            now = {"batch": insert.excluded.batch, "submitted": insert.excluded.submitted}
            connection.execute(insert.on_conflict_do_update(index_elements=[*batches.primary_key], set_=now), rows)

        await asyncio.to_thread(self._transact, write)

    async def forget(self, batch: str, request: str | None = None) -> None:
        """A batch gave nothing that is of use for a request, or for all."""
        which = [batches.c.batch == batch, *([batches.c.request == request] if request else [])]
        gone = sa.delete(batches).where(self._mine, *which)
        await asyncio.to_thread(self._transact, lambda connection: connection.execute(gone))

    def forget_all(self) -> None:
        """All that is sent from now on is sent anew."""
        self._transact(lambda connection: connection.execute(sa.delete(batches).where(self._mine)))
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        def do() -> T:
            with self._opened().begin() as connection:
                return work(connection)

        return self._reconnecting.attempt(do, self._url, "written")

    def _opened(self) -> Engine:
        with self._lock:
            if self._engine is None:
                engine = tables.connect(self._url)
                with engine.begin() as connection:
                    make_tables(connection)
                self._engine = engine
            return self._engine
