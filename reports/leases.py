"""Who ingests a container: one holder at a time over all workers and machines, and a dead one is replaced.

A container goes from nothing to "ingesting" (held by an owner who keeps a heartbeat), then to "indexed" or "failed".
What a dead holder left half done is cleared and begun anew by the next: the claim says so.
"""

from __future__ import annotations

import os
import socket
import time
from enum import Enum
from functools import cache
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from reports import tables
from reports.checkpoint import Checkpoint
from reports.records import StepError
from schema import CheckpointError

HEARTBEAT_SECONDS = 5.0
DEAD_AFTER_SECONDS = 60.0


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


@cache
def _owner_of(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{_born(pid)}"


def _born(pid: int) -> str:
    """Tells a process from a later one of the same number, where the system shows it (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _dead(owner: str, heartbeat: float) -> bool:
    host, pid, born = owner.rsplit(":", 2)
    if host == socket.gethostname():
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it lives, and is somebody else's
        if born and born != _born(int(pid)):
            return True
    return time.time() - heartbeat > DEAD_AFTER_SECONDS


class Leases:
    """The containers of one provider over one benchmark in one run, as this process and invocation may claim them."""

    def __init__(self, checkpoint: Checkpoint, provider: str, benchmark: str, invocation: str) -> None:
        self._checkpoint = checkpoint
        self._provider = provider
        self._benchmark = benchmark
        self._invocation = invocation
        self._owner = _owner_of(os.getpid())

    def claim(self, container: str, haystack: str, *, again: bool = False) -> Claim:
        """Try to become the one who ingests `container`.

        A failure in this invocation stands, for all who wait for it, unless `again` asks for another try.
        """
        fresh = {
            "state": "ingesting",
            "owner": self._owner,
            "invocation": self._invocation,
            "heartbeat": time.time(),
            "messages": 0,
            "tokens": 0,
            "indexing_ms": None,
            "error_type": None,
            "error_message": None,
        }
        try:
            with self._checkpoint.engine.begin() as connection:
                row = connection.execute(
                    sa.select(tables.containers).where(*self._this(container)).with_for_update()
                ).one_or_none()
                if row is None:
                    values = {**fresh, "benchmark": self._benchmark, "haystack": haystack, **self._key(container)}
                    inserted = connection.execute(
                        tables.upsert(self._checkpoint.engine, tables.containers)
                        .values(values)
                        .on_conflict_do_nothing()
                    )
                    return Claim(ClaimState.MINE if inserted.rowcount else ClaimState.BUSY)
                if row.state == "indexed":
                    return Claim(ClaimState.READY)
                if row.state == "failed" and row.invocation == self._invocation and not again:
                    error = StepError(type=row.error_type, message=row.error_message)
                    return Claim(ClaimState.FAILED, error=error)
                if row.state == "ingesting" and not _dead(row.owner, row.heartbeat):
                    return Claim(ClaimState.BUSY)
                connection.execute(sa.update(tables.containers).where(*self._this(container)).values(fresh))
                connection.execute(sa.delete(tables.sessions).where(*self._this(container, tables.sessions)))
                return Claim(ClaimState.MINE, left_over=True)
        except sa.exc.SQLAlchemyError as error:
            url = self._checkpoint.url
            raise CheckpointError(f"the checkpoint at {url} cannot be written: {tables.cause(error)}") from error

    async def beat(self, container: str) -> bool:
        """Show that the holder lives; False if the container is no longer in its hands."""
        held: list[bool] = []

        def work(connection: sa.Connection) -> None:
            mine = (*self._this(container), tables.containers.c.owner == self._owner)
            beaten = connection.execute(sa.update(tables.containers).where(*mine).values(heartbeat=time.time()))
            held.append(bool(beaten.rowcount))

        await self._checkpoint.written(work)
        return held[-1]

    def session_done(self, container: str, ordinal: int, service_ms: float, attempts: int) -> None:
        """Record that a session is in the container; on disk by the time that `indexed` is."""
        values = {**self._key(container), "ordinal": ordinal, "service_ms": service_ms, "attempts": attempts}
        self._checkpoint.writer.submit(lambda connection: connection.execute(sa.insert(tables.sessions), values))

    async def indexed(self, container: str, *, messages: int, tokens: int, indexing_ms: float) -> None:
        """Open the container to be searched."""
        await self._end(container, state="indexed", messages=messages, tokens=tokens, indexing_ms=indexing_ms)

    async def failed(self, container: str, error: StepError) -> None:
        """Record that the container could not be ingested."""
        await self._end(container, state="failed", error_type=error.type, error_message=error.message)

    async def abandon(self, container: str) -> None:
        """Give the container up half done, for whoever comes next to begin anew."""
        await self._end(container, state="failed", invocation="", error_type=None, error_message=None)

    async def _end(self, container: str, **values: object) -> None:
        mine = (*self._this(container), tables.containers.c.owner == self._owner)
        statement = sa.update(tables.containers).where(*mine).values(values)
        await self._checkpoint.written(lambda connection: connection.execute(statement))

    def _key(self, container: str) -> dict[str, str]:
        return {"run_id": self._checkpoint.run_id, "provider": self._provider, "container": container}

    def _this(self, container: str, table: sa.Table = tables.containers) -> tuple[sa.ColumnElement[bool], ...]:
        return tuple(table.c[name] == value for name, value in self._key(container).items())
