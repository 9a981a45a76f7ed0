"""A database that goes away in mid run: its connection is opened again, and what was under way is done again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TypeVar

import sqlalchemy as sa

from reports.store import tables

T = TypeVar("T")

_PAUSE_SECONDS = (0.1, 5.0)
_CLOSING_SECONDS = 5.0
_LOST = frozenset({"57P01", "57P02", "57P03"})  # the server is shut down, crashed, starts up (PostgreSQL, appendix A)


class Reconnecting:
    """Does work on a database again while its connection is lost, with a growing pause, for `patience` seconds.

    Work must leave the database alike if it is done twice: a commit whose reply was lost may have been made. May be
    used by several threads.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._end = float("inf")
        self._lost_at: float | None = None
        self._back_at = -float("inf")

    def run(self, work: Callable[[], T]) -> T:
        """What `work` returns; raises its last error when the patience is over, and any other error at once."""
        pause, longest = _PAUSE_SECONDS
        end: float | None = None
        while True:
            try:
                value = work()
            except sa.exc.DBAPIError as error:
                now = time.monotonic()
                if end is None:
                    end = now + self._patience
                if now >= min(end, self._end) or not _is_lost(error):
                    raise
                self._lost_at = self._lost_at or now
                time.sleep(pause)
                pause = min(longest, pause * 1.6)
            else:
                if end is not None:
                    self._lost_at, self._back_at = None, time.monotonic()
                return value

    def attempt(self, work: Callable[[], T], url: str, undone: Literal["read", "written"]) -> T:
        """As `run`; raises `CheckpointError`, which names the database and what was not done, for its failures."""
        try:
            return self.run(work)
        except sa.exc.SQLAlchemyError as error:
            raise tables.failure(url, undone, error) from error

    def close(self) -> None:
        """Somebody waits for the end: have little patience from now on."""
        self._end = min(self._end, time.monotonic() + _CLOSING_SECONDS)

    @property
    def lost_seconds(self) -> float | None:
        """For how long the connection has been lost; None while there is one."""
        lost_at = self._lost_at
        return None if lost_at is None else time.monotonic() - lost_at

    @property
    def back_seconds(self) -> float:
        """For how long the connection has been there without a break, as far as this process has noticed."""
        return time.monotonic() - self._back_at


def _is_lost(error: sa.exc.DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    if not isinstance(error, sa.exc.OperationalError) or type(error.orig).__module__.startswith("sqlite3"):
        return False
    state: str | None = getattr(error.orig, "sqlstate", None)  # None where no connection could be made
    return state is None or state.startswith("08") or state in _LOST
