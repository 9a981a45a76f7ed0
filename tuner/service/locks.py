"""One change of a study at a time, in this process and in all that serve the same storage."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from zlib import crc32

import sqlalchemy as sa
from filelock import FileLock, Timeout

from vocabulary import ConfigurationError

_SECONDS = 30
"""After so long without the lock a request is refused."""


class Locks:
    """A lock for each study in the storage at `url`.

    PostgreSQL holds it where several processes may serve one storage. A journal or SQLite file is served by one process
    only: raises `ConfigurationError` if there is another one.
    """

    def __init__(self, url: str) -> None:
        self._threads = [threading.Lock() for _ in range(64)]
        self._engine: sa.Engine | None = None
        self._file: FileLock | None = None
        kind, _, place = url.partition(":")
        if kind.startswith("postgresql"):
            # connections of its own: a request that waits for a lock keeps none from the request that has it
            waits = {"options": f"-c lock_timeout={_SECONDS}s"}
            self._engine = sa.create_engine(url, pool_pre_ping=True, connect_args=waits)
        elif file := place if kind == "journal" else sa.make_url(url).database if kind == "sqlite" else None:
            self._file = FileLock(f"{file}.served", thread_local=False)
            try:
                self._file.acquire(timeout=0)
            except Timeout:
                raise ConfigurationError(
                    f"--storage {url} is served by another process. PostgreSQL can be served by several."
                ) from None

    @contextlib.contextmanager
    def held(self, study: str) -> Iterator[None]:
        """Hold the lock of `study`; raises `TimeoutError` if it is not free within 30 seconds."""
        number = crc32(study.encode())
        lock = self._threads[number % len(self._threads)]
        if not lock.acquire(timeout=_SECONDS):
            raise TimeoutError(f"study {study} is busy")
        try:
            if self._engine is None:
                yield
                return
            with self._engine.begin() as connection:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CLASS, number - 2**31)))
                yield
        finally:
            lock.release()

    def close(self) -> None:
        """Let others serve the storage."""
        if self._engine is not None:
            self._engine.dispose()
        if self._file is not None:
            self._file.release()


_CLASS = 0x6D656D6F
"""Keeps these locks apart from those of other programs in the same database."""
