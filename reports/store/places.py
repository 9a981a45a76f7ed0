"""Where runs are: a folder each, with the checkpoint in it or a ``run.json`` that names the checkpoint's database."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from reports.store import tables
from reports.store.checkpoint import Checkpoint
from reports.store.run_lock import LEAD_FILE, Lead, is_led, is_locked
from reports.store.runs import check_run_id, read_run
from reports.store.sharing import at_work
from vocabulary import CheckpointError, ConfigurationError

_CHECKPOINT = "checkpoint.sqlite"
_PLACE = "run.json"
_URL_VARIABLE = "MEMORYBENCH_CHECKPOINT_URL"
_BUSY_SECONDS = 5


def write_place(folder: Path, run_id: str, url: str) -> None:
    """Write into the run's `folder` which database its checkpoint is in, without the password."""
    place = {"run_id": run_id, "checkpoint_url": tables.without_password(url)}
    replace_file(folder / _PLACE, json.dumps(place, indent=2) + "\n")


def adopt_runs(runs_dir: Path, url: str) -> None:
    """Give each run in the database at `url` a folder in `runs_dir`, unless it has one, so that it is found there.

    From now on `open_run` takes the password from `url`.

    Raises `CheckpointError` if the database cannot be read, or the folders not be made.
    """
    os.environ[_URL_VARIABLE] = url
    engine = read_only_engine(url)
    try:
        with engine.connect() as connection:
            there = connection.execute(sa.select(tables.runs.c.run_id)).scalars().all()
        for run_id in there:
            folder = runs_dir / check_run_id(run_id)
            if not any((folder / name).exists() for name in (_CHECKPOINT, _PLACE)):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_place(folder, run_id, url)
    except sa.exc.SQLAlchemyError as error:
        raise tables.failure(url, "read", error) from error
    except OSError as error:
        raise CheckpointError(f"the runs of {tables.shown(url)} cannot be noted in {runs_dir}: {error}.") from error


def is_worked_on(checkpoint: Checkpoint, folder: Path) -> bool:
    """Whether any process is at work on the run whose files lie in `folder`; in PostgreSQL, of any machine.

    Raises `CheckpointError` if the database cannot be read.
    """
    here = is_locked(folder)
    if here or checkpoint.engine.dialect.name != "postgresql":
        return here
    try:
        with checkpoint.engine.connect() as connection:
            if is_led(connection, checkpoint.run_id):
                return True
    except sa.exc.SQLAlchemyError as error:
        raise tables.failure(checkpoint.url, "read", error) from error
    return at_work(checkpoint)


@contextmanager
def new_run_folder(runs_dir: Path, run_id: str) -> Iterator[Path]:
    """A draft of the folder of a run that is made at once; it gets its place where the block ends well.

    Otherwise it is removed; what a process that was killed has left is removed by the next. Raises
    `ConfigurationError` if the folder is there already, cannot be made, or another process is making it.
    """
    folder, draft = runs_dir / check_run_id(run_id), runs_dir / f".{run_id}.draft"
    if folder.exists():
        raise ConfigurationError(f"--run-id {run_id}: there is a {folder} already. Choose another name.")
    try:
        draft.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be made: {error.strerror}. Name another --runs-dir.") from error
    with closing(Lead(draft, run_id, None)):
        try:
            for left in draft.iterdir():
                if left.name != LEAD_FILE:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield draft
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def replace_file(path: Path, text: str) -> None:
    """Write a file that only its owner can read; a process killed meanwhile leaves the former file as it was."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.touch(mode=0o600)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)  # where the disk is full, for one


def open_run(runs_dir: Path, run_id: str, *, read_only: bool = False) -> Checkpoint:
    """A run that is there; raises `ConfigurationError` if it is not.

    The password of its database is that of MEMORYBENCH_CHECKPOINT_URL if that names the same database; else libpq takes
    it from PGPASSWORD or ~/.pgpass. What is opened `read_only` changes no file and takes no lock from who writes.
    """
    path = runs_dir / run_id / _CHECKPOINT
    place = runs_dir / run_id / _PLACE
    if path.is_file():
        url = tables.sqlite_url(path)
    elif place.is_file():
        url = tables.same_database(_read_place(place), [os.environ.get(_URL_VARIABLE)])
    else:
        there = ", ".join(list_runs(runs_dir)[-5:]) or "none"
        raise ConfigurationError(f"there is no run {run_id!r} in {runs_dir}. The latest there: {there}.")
    return Checkpoint(url, run_id, engine=read_only_engine(url) if read_only else None)


@lru_cache(maxsize=256)  # an engine keeps the statements that it has compiled, which takes longer than most reads
def read_only_engine(url: str) -> sa.Engine:
    """An engine that cannot write; raises `CheckpointError` if there is none for `url`."""
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            path = Path(parsed.database)
            # connections that stay open would keep the last writer from clearing the write-ahead log away
            return sa.create_engine("sqlite://", creator=lambda: _read_sqlite(path), poolclass=sa.NullPool)
        reads = {"postgresql_readonly": True}
        return sa.create_engine(url, execution_options=reads, connect_args={"connect_timeout": 10})
    except (ImportError, ValueError, TypeError, sa.exc.SQLAlchemyError) as error:
        raise tables.failure(url, "opened", error) from error


def _read_sqlite(path: Path) -> sqlite3.Connection:
    # a read-only connection to a database without a log would leave an empty one behind, unless it takes no locks
    at_rest = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    address = f"file:{quote(str(path.absolute()))}?mode=ro{at_rest}"
    return sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)


def list_runs(runs_dir: Path) -> list[str]:
    """The ids of the runs in a folder, oldest first."""
    begun: dict[str, float] = {}
    for name in (_PLACE, _CHECKPOINT):
        for path in runs_dir.glob(f"[!.]*/{name}"):
            with suppress(FileNotFoundError):  # removed in this moment
                begun[path.parent.name] = path.stat().st_ctime
    return sorted(begun, key=begun.__getitem__)


def newest_run(runs_dir: Path) -> str:
    """The id of the run that was begun last; raises `ConfigurationError` if there is none."""
    begun = []
    for run_id in list_runs(runs_dir):
        try:
            with closing(open_run(runs_dir, run_id)) as checkpoint:
                begun.append((read_run(checkpoint).started, run_id))
        except CheckpointError:
            continue  # a run that cannot be read is not the one that is meant; `list` shows it
    if not begun:
        raise ConfigurationError(f"there is no run in {runs_dir}: pytest bench makes one.")
    return max(begun)[1]


def _read_place(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["checkpoint_url"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} does not say where the run's checkpoint is: {type(error).__name__}: {error}. Continuing the run "
            "with --run-id and --checkpoint-url writes it anew."
        ) from error
