"""A SQLite file that several processes use at once: how it is opened, and what is said when it fails.

Readers do not wait for writers (write-ahead log); of writers one is at it and the others wait.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vocabulary import ProviderError

WAIT_SECONDS = 60.0
"""How long a process waits for another one's transaction before it gives up."""


def open_shared(path: Path) -> sqlite3.Connection:
    """The file at `path`, made with its folder if it is not there.

    Transactions are the caller's to begin and to end, and threads take turns. A killed process leaves out what it had
    not committed; a loss of power may take the last of what was committed. Raises what sqlite3 does (`file_errors`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _use_write_ahead_log(connection)
        # With a write-ahead log this survives a killed process, and costs no sync for each transaction.
        connection.execute("pragma synchronous = normal")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Within it, what goes wrong with the file becomes a `ProviderError` that names it and the way out."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # a fault of this code, not of the file
    except sqlite3.DatabaseError as error:
        raise _provider_error(error, path) from error
    except OSError as error:
        raise ProviderError(
            f"{path}: {error.strerror or error}. Choose a folder that can be written with --runs-dir."
        ) from error


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file over; SQLite does not wait by itself when several processes do this at the same moment."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            if not _is_held(error) or time.monotonic() > end:
                raise
        time.sleep(0.01)


_REMEDIES = {
    sqlite3.SQLITE_FULL: "Make room on its disk, or choose another with --runs-dir, and resume the run with --lf.",
    sqlite3.SQLITE_READONLY: "Make it writable, or choose another folder with --runs-dir.",
    sqlite3.SQLITE_CANTOPEN: "Check that its folder exists and can be written, or choose another with --runs-dir.",
    sqlite3.SQLITE_IOERR: "Check its disk (full? a network share?), or choose another with --runs-dir.",
    sqlite3.SQLITE_CORRUPT: "The file is damaged: remove it, and ingest anew in a run of its own.",
    sqlite3.SQLITE_NOTADB: "The file is not a SQLite database: remove it, and ingest anew in a run of its own.",
}


def _provider_error(error: sqlite3.DatabaseError, path: Path) -> ProviderError:
    if _is_held(error):
        return ProviderError(
            f"{path}: {error}: another process held it for more than {WAIT_SECONDS:.0f} s. Use fewer workers (-n).",
            transient=True,
        )
    remedy = _REMEDIES.get(_kind(error), "Check the file, or choose another folder with --runs-dir.")
    return ProviderError(f"{path}: {error}. {remedy}")


def _is_held(error: sqlite3.DatabaseError) -> bool:
    """Whether another process was in the way."""
    return _kind(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _kind(error: sqlite3.DatabaseError) -> int:
    """SQLite's primary code: the low byte of the extended one; 0 where the error is not SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
