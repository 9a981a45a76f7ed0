"""One thread that writes what many tasks hand it: whatever has gathered meanwhile goes into one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from reports.tables import cause
from schema import CheckpointError

Work = Callable[[sa.Connection], object]

_MOST_AT_ONCE = 256


class Writer:
    """Group commit: a future is done when its work is on disk; a killed process loses nothing whose future is done."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.SimpleQueue[tuple[Work, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="checkpoint-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> Future[None]:
        """Have `work` done in a transaction, after all that was submitted before it."""
        future: Future[None] = Future()
        self._waiting.put((work, future))
        return future

    def close(self) -> None:
        """Write what is waiting, then stop."""
        self._waiting.put(None)
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

    def _commit(self, batch: list[tuple[Work, Future[None]]]) -> None:
        try:
            with self._engine.begin() as connection:
                for work, _future in batch:
                    work(connection)
        except Exception as error:  # noqa: BLE001  whatever it is, the tasks that wait must hear of it
            failure = CheckpointError(
                f"the checkpoint at {self._engine.url.render_as_string()} cannot be written: {cause(error)}. What was "
                "done before is kept: mend the cause and continue with --lf."
            )
            failure.__cause__ = error
            for _work, future in batch:
                future.set_exception(failure)
        else:
            for _work, future in batch:
                future.set_result(None)
