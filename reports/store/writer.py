"""One thread that writes what many tasks hand it: whatever has gathered meanwhile goes into one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import groupby
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from reports.store import tables
from reports.store.reconnecting import Reconnecting
from vocabulary import CheckpointError

Work = Callable[[sa.Connection], object]
"""What is to be done in a transaction. It may be begun twice, so it must not change anything but the database."""

_MOST_AT_ONCE = 256


class Put(NamedTuple):
    """Values for a statement: rows that wait one after the other for the same statement are executed together."""

    statement: sa.Executable
    values: dict[str, object]


class Writer:
    """Group commit: a future is done when its work is on disk; a killed process loses nothing whose future is done."""

    def __init__(self, engine: Engine, reconnecting: Reconnecting | None = None) -> None:
        self._engine = engine
        self._reconnecting = reconnecting or Reconnecting(0.0)
        self._url = engine.url.render_as_string(hide_password=False)
        self._waiting: queue.SimpleQueue[tuple[Work | Put, Future[None]] | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="checkpoint-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work | Put) -> Future[None]:
        """Have `work` done in a transaction, after all that was submitted before it.

        It is done even if nobody waits for it any more: what was paid for is kept. The future's exception is a
        `CheckpointError`.
        """
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # from here on cancelling the future, or a task that awaits it, is void
        with self._closing:
            if self._closed:
                future.set_exception(CheckpointError(f"the checkpoint at {tables.shown(self._url)} is closed."))
            else:
                self._waiting.put((work, future))
        return future

    def close(self) -> None:
        """Write what is waiting, then stop."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._reconnecting.close()
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            while len(batch) < _MOST_AT_ONCE and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    self._commit(batch)
                    return
                batch.append(following)
            self._commit(batch)

    def _commit(self, batch: Sequence[tuple[Work | Put, Future[None]]]) -> None:
        try:
            self._reconnecting.run(lambda: self._transaction([work for work, _future in batch]))
        except Exception as error:  # noqa: BLE001  whatever it is, the tasks that wait must hear of it
            # a fault of the database strikes all alike; any other may be one work's own, and no reason to lose the rest
            if len(batch) > 1 and not isinstance(error, sa.exc.OperationalError):
                for alone in batch:
                    self._commit([alone])
                return
            for _work, future in batch:
                future.set_exception(self._told(error))
        else:
            for _work, future in batch:
                future.set_result(None)

    def _transaction(self, works: Sequence[Work | Put]) -> None:
        with self._engine.begin() as connection:
            _do(connection, works)

    def _told(self, error: Exception) -> CheckpointError:
        if isinstance(error, CheckpointError):
            return error
        failure = tables.failure(self._url, "written", error)
        failure.__cause__ = error
        return failure


def _do(connection: sa.Connection, works: Sequence[Work | Put]) -> None:
    for _statement, alike in groupby(works, lambda work: id(work.statement) if isinstance(work, Put) else None):
        first, *others = alike
        if isinstance(first, Put):
            rows = [first, *(row for row in others if isinstance(row, Put))]
            connection.execute(first.statement, [row.values for row in rows])
        else:
            for work in (first, *others):
                assert not isinstance(work, Put)
                work(connection)
