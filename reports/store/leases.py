"""Who ingests a container: one holder at a time over all workers and machines, and a dead one is replaced.

A container goes from nothing to "ingesting" (its owner renews a lease), then to "indexed" or "failed". After a lease
has expired, the next holder clears the container and begins anew: its claim says so. An expired holder cannot write:
updates require a current lease.
"""

from __future__ import annotations

import uuid
from concurrent.futures import Future
from enum import Enum
from itertools import count
from typing import Any, NamedTuple  # the columns of a row are known only when it is read

import sqlalchemy as sa

from reports.store import tables
from reports.store.checkpoint import Checkpoint
from reports.store.owners import is_gone, this_process
from reports.store.records import StepError

HEARTBEAT_SECONDS = 5.0
_SESSIONS_AT_ONCE = 200
DEAD_AFTER_SECONDS = 60.0
RENEWED_AFTER_SECONDS = 3 * HEARTBEAT_SECONDS


class ClaimState(Enum):
    """What came of a claim: `MINE` to ingest, `READY` to be searched, `BUSY` in other hands, or `FAILED`."""

    MINE = "mine"
    READY = "ready"
    BUSY = "busy"
    FAILED = "failed"


class Claim(NamedTuple):
    """The state of a container after a claim; `left_over` says that half of it may be there and must be cleared."""

    state: ClaimState
    left_over: bool = False
    error: StepError | None = None


def _dead(owner: str, silent_seconds: float) -> bool:
    process, _, _which = owner.rpartition(":")
    return is_gone(process) or silent_seconds > DEAD_AFTER_SECONDS


class Leases:
    """The containers of one provider over one benchmark in one run, as this process and invocation may claim them."""

    def __init__(self, checkpoint: Checkpoint, provider: str, benchmark: str, invocation: str) -> None:
        self._checkpoint = checkpoint
        self._provider = provider
        self._benchmark = benchmark
        self._invocation = invocation
        self._owner = f"{this_process()}:{uuid.uuid4().hex[:8]}"
        self._failures: dict[str, BaseException] = {}
        self._sessions: dict[str, list[dict[str, object]]] = {}
        # built once: making a statement costs more than executing it
        self._beat = self._update_held(sa.bindparam("its_container")).values(heartbeat=tables.now(checkpoint.engine))
        self._insert_session = sa.insert(tables.sessions)

    def claim(self, container: str, haystack: str, *, again: bool = False) -> Claim:
        """Try to become the one who ingests `container`.

        A failure in this invocation stands, for all who wait for it, unless `again` asks for another try.
        """
        # most claims are settled by a look, which waits for nobody; only who may win queues behind the writers
        seen = self._checkpoint.read(self._row_of(container))
        if seen and (settled := self._settled(seen[0], again=again)):
            return settled
        tries = count()

        def take() -> Claim:
            replayed = next(tries) > 0
            with self._checkpoint.engine.begin() as connection:
                return self._taken(connection, container, haystack, again=again, replayed=replayed)

        return self._checkpoint.attempt(take, "written")

    async def beat(self, container: str) -> bool:
        """Show that the holder lives; False if the container is no longer in its hands."""
        self._write_sessions(container)
        return await self._as_holder(container, self._beat)

    def session_done(self, container: str, ordinal: int, service_ms: float, attempts: int) -> None:
        """Record that a session is in the container, if that is still in our hands; on disk before it is `indexed`.

        Many are written together: what is not written when we die is cleared with the container.
        """
        rows = self._sessions.setdefault(container, [])
        rows.append({"ordinal": ordinal, "service_ms": service_ms, "attempts": attempts, **self._key(container)})
        if len(rows) >= _SESSIONS_AT_ONCE:
            self._write_sessions(container)

    def _write_sessions(self, container: str) -> None:
        rows = self._sessions.pop(container, None)
        if not rows:
            return

        tries = count()

        def work(connection: sa.Connection) -> None:
            replayed = next(tries) > 0
            if connection.execute(self._beat, {"its_container": container}).rowcount:
                if replayed:  # the reply to a commit may have been lost
                    again = tables.sessions.c.ordinal.in_([row["ordinal"] for row in rows])
                    connection.execute(sa.delete(tables.sessions).where(*self._this(container, tables.sessions), again))
                connection.execute(self._insert_session, rows)

        def note(written: Future[None]) -> None:
            if failure := written.exception():
                self._failures.setdefault(container, failure)

        self._checkpoint.writer.submit(work).add_done_callback(note)

    async def indexed(self, container: str, *, messages: int, tokens: int, indexing_ms: float) -> bool:
        """Open the container to be searched; False, and nothing is opened, if it is no longer in our hands."""
        self._write_sessions(container)
        return await self._end(container, state="indexed", messages=messages, tokens=tokens, indexing_ms=indexing_ms)

    async def failed(self, container: str, error: StepError) -> bool:
        """Record that the container could not be ingested; False if it is no longer in our hands."""
        return await self._end(container, state="failed", error_type=error.type, error_message=error.message)

    async def abandon(self, container: str) -> bool:
        """Give the container up half done, for the next holder to begin anew; False if it was taken already."""
        return await self._end(container, state="failed", invocation="", error_type=None, error_message=None)

    def _taken(self, connection: sa.Connection, container: str, haystack: str, *, again: bool, replayed: bool) -> Claim:
        row = connection.execute(self._row_of(container).with_for_update()).one_or_none()
        if row is None:
            named = {"benchmark": self._benchmark, "haystack": haystack, **self._key(container)}
            first = tables.insert_new(connection, tables.containers, self._fresh() | named)
            return Claim(ClaimState.MINE if first else ClaimState.BUSY)
        if replayed and row.state == "ingesting" and row.owner == self._owner:
            return Claim(ClaimState.MINE, left_over=True)  # the reply to our own claim was lost
        if settled := self._settled(row, again=again):
            return settled
        self._failures.pop(container, None)
        self._sessions.pop(container, None)
        connection.execute(sa.update(tables.containers).where(*self._this(container)).values(self._fresh()))
        connection.execute(sa.delete(tables.sessions).where(*self._this(container, tables.sessions)))
        return Claim(ClaimState.MINE, left_over=True)

    async def _end(self, container: str, **values: object) -> bool:
        statement = self._update_held(sa.bindparam("its_container"))
        return await self._as_holder(container, statement.values(values), complete=values["state"] == "indexed")

    async def _as_holder(self, container: str, statement: sa.Update, *, complete: bool = False) -> bool:
        """Change the container's row if it is in our hands; whether it was."""
        held: list[int] = []

        def work(connection: sa.Connection) -> None:
            if complete and container in self._failures:
                raise self._failures[container]
            held.append(connection.execute(statement, {"its_container": container}).rowcount)

        await self._checkpoint.written(work)
        return held[-1] > 0

    def _update_held(self, container: sa.BindParameter[str]) -> sa.Update:
        columns = tables.containers.c
        return sa.update(tables.containers).where(
            columns.run_id == self._checkpoint.run_id,
            columns.provider == self._provider,
            columns.container == container,
            columns.owner == self._owner,
            columns.state == "ingesting",
        )

    def _settled(self, row: sa.Row[Any], *, again: bool) -> Claim | None:
        """What the row says to a claim; None if the container may be taken."""
        if row.state == "indexed":
            return Claim(ClaimState.READY)
        if row.state == "failed" and row.invocation == self._invocation and not again:
            return Claim(ClaimState.FAILED, error=StepError(type=row.error_type, message=row.error_message))
        # after an outage of the database the living need a moment to renew what they hold
        silent = row.now - row.heartbeat if self._checkpoint.reconnecting.back_seconds > RENEWED_AFTER_SECONDS else 0.0
        if row.state == "ingesting" and not _dead(row.owner, silent):
            return Claim(ClaimState.BUSY)
        return None

    def _fresh(self) -> dict[str, object]:
        return {
            "state": "ingesting",
            "owner": self._owner,
            "invocation": self._invocation,
            "heartbeat": tables.now(self._checkpoint.engine),
            "messages": 0,
            "tokens": 0,
            "indexing_ms": None,
            "error_type": None,
            "error_message": None,
        }

    def _row_of(self, container: str) -> sa.Select[Any]:
        return sa.select(tables.containers, tables.now(self._checkpoint.engine).label("now")).where(
            *self._this(container)
        )

    def _key(self, container: str) -> dict[str, object]:
        return {"run_id": self._checkpoint.run_id, "provider": self._provider, "container": container}

    def _this(self, container: str, table: sa.Table = tables.containers) -> tuple[sa.ColumnElement[bool], ...]:
        return tuple(table.c[name] == value for name, value in self._key(container).items())


def containers_to_clear(checkpoint: Checkpoint, provider: str) -> list[str]:
    """The containers of `provider` that the run began and nobody has cleared since; not those of a step cache."""
    columns = tables.containers.c
    held = sa.select(columns.container).where(
        columns.provider == provider, columns.state != tables.CLEARED, columns.owner != tables.SHARED
    )
    return [row.container for row in checkpoint.read(held.order_by(columns.container))]


async def mark_cleared(checkpoint: Checkpoint, provider: str, container: str) -> None:
    """Note that nothing is left in `container`."""
    columns = tables.containers.c
    mine = (columns.run_id == checkpoint.run_id, columns.provider == provider, columns.container == container)
    statement = sa.update(tables.containers).where(*mine).values(state=tables.CLEARED)
    await checkpoint.written(lambda connection: connection.execute(statement))
