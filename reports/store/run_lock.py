"""Who is at work on a run: files in its folder that processes lock until they close or die."""

from __future__ import annotations

import fcntl
import os
import socket
from hashlib import blake2b
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from reports.store import tables
from vocabulary import CheckpointError, ConfigurationError

_NAME = "run.lock"
LEAD_FILE = "lead.lock"


def lock_run(folder: Path) -> int:
    """Lock the run in `folder` together with the other processes at work on it; the descriptor to close at the end.

    Raises `CheckpointError` if the file system has no locks or cannot be written.
    """
    try:
        file = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_SH)
    except OSError as error:
        raise CheckpointError(f"{folder / _NAME} cannot be locked: {error.strerror}.") from error
    return file


def is_locked(folder: Path) -> bool:
    """Whether any process is at work on the run in `folder`; no where that cannot be seen."""
    try:
        with (folder / _NAME).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    return False


def is_led(connection: sa.Connection, run_id: str) -> bool:
    """Whether a process of any machine leads the run in a PostgreSQL database."""
    held = sa.text(
        "select 1 from pg_locks join pg_database on pg_locks.database = pg_database.oid "
        "where locktype = 'advisory' and granted and objsubid = 1 and datname = current_database() "
        "and (classid::bigint << 32 | objid::bigint) = :key"
    )
    return connection.execute(held, {"key": lock_key(run_id)}).first() is not None


class Lead:
    """One invocation at a time works in a run's folder: the process that begins it holds this until `close` or death.

    In the folder it is a lock on a file. A run in PostgreSQL has an advisory lock there, which lasts as long as the
    connection: invocations of several folders and machines hold it together, an `exclusive` one alone.

    Raises `ConfigurationError` if others are at work on the run that keep this one out.
    """

    def __init__(self, folder: Path, run_id: str, url: str | None, *, exclusive: bool = False) -> None:
        self._engine: Engine | None = None
        try:
            self._file = os.open(folder / LEAD_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 200, 0).decode(errors="replace")
            os.close(self._file)
            raise _busy(run_id, holder) from None
        except OSError as error:
            raise CheckpointError(f"{folder / LEAD_FILE} cannot be locked: {error.strerror}.") from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        try:
            if url is not None and url.startswith("postgresql"):
                self._lock_database(run_id, url, exclusive=exclusive)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another invocation work on the run."""
        os.close(self._file)
        if self._engine is not None:
            self._connection.close()
            self._engine.dispose()

    def _lock_database(self, run_id: str, url: str, *, exclusive: bool) -> None:
        self._engine = tables.connect(url)
        lock = sa.func.pg_try_advisory_lock if exclusive else sa.func.pg_try_advisory_lock_shared
        try:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            free = self._connection.execute(sa.select(lock(lock_key(run_id)))).scalar_one()
        except sa.exc.SQLAlchemyError as error:
            raise tables.failure(url, "opened", error) from error
        if not free:
            raise _elsewhere(run_id, exclusive=exclusive)


def lock_key(name: str) -> int:
    """The number of an advisory lock; that of a run has the run's id as its name."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def _elsewhere(run_id: str, *, exclusive: bool) -> ConfigurationError:
    alone = "this one has" if exclusive else "that one (--retry-from or a second look) has"
    return ConfigurationError(
        f"run {run_id!r} is being worked on from another folder or machine, and {alone} to be alone with it. Wait for "
        "its end, stop it, or use another --run-id."
    )


def _busy(run_id: str, holder: str) -> ConfigurationError:
    return ConfigurationError(
        f"run {run_id!r} is being worked on by {holder or 'another process'}: two at once would pay for every question "
        "twice. Wait for its end, stop it, or use another --run-id."
    )
