"""The checkpoint's tables: the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal  # Any: DB-API objects, for which SQLAlchemy has no types

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.util import immutabledict
from tenacity import retry, retry_if_exception_message, stop_after_delay, wait_fixed

from vocabulary import CheckpointError

SCHEMA_VERSION = 2

_LONGEST_LOCK_SECONDS = 60
_EPOCH_AS_JULIAN_DAY = 2440587.5
_TABLES_LOCK = 0x6D656D62656E6368  # any number that nobody else takes: "membench" in ASCII

metadata = sa.MetaData()

CLEARED = "cleared"
"""The state of a container that was ingested and removed since; it is ingested anew before it is searched."""
SHARED = "step cache"
"""The owner of a container that lies in a step cache: no run may clear it."""

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("parts", sa.Text, nullable=False),
    sa.Column("benchmarks", sa.Text),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("finished", sa.Float),
    sa.Column("sealed", sa.Boolean, nullable=False, default=False),
)

invocations = sa.Table(
    "invocations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False, index=True),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("ended", sa.Float),
    sa.Column("loop_lag_ms_p99", sa.Float),
)

outages = sa.Table(
    "outages",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("began", sa.Float, primary_key=True),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("over", sa.Boolean, nullable=False),
)

questions = sa.Table(
    "questions",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("benchmark", sa.Text, primary_key=True),
    sa.Column("question", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("replayed", sa.Boolean, nullable=False, default=False),
)


def _outcome_columns() -> Sequence[sa.Column[Any]]:
    """What is kept of a call: how it ended, what it gave and what it took."""
    return (
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("service_ms", sa.Float, nullable=False),
        sa.Column("waited_ms", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("retried", sa.Boolean, nullable=False),
        sa.Column("usage", sa.Text),
        sa.Column("error_type", sa.Text),
        sa.Column("error_message", sa.Text),
    )


steps = sa.Table(
    "steps",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("benchmark", sa.Text, primary_key=True),
    sa.Column("question", sa.Text, primary_key=True),
    sa.Column("phase", sa.Text, primary_key=True),
    *_outcome_columns(),
)

# Where several judges or repeats vote on an answer; the step of the phase "judge" is what the votes come to.
votes = sa.Table(
    "votes",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("benchmark", sa.Text, primary_key=True),
    sa.Column("question", sa.Text, primary_key=True),
    sa.Column("judge", sa.Text, primary_key=True),
    sa.Column("repeat", sa.Integer, primary_key=True, autoincrement=False),
    *_outcome_columns(),
)

containers = sa.Table(
    "containers",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("container", sa.Text, primary_key=True),
    sa.Column("benchmark", sa.Text, nullable=False),
    sa.Column("haystack", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("invocation", sa.Text, nullable=False),
    sa.Column("heartbeat", sa.Float, nullable=False),
    sa.Column("messages", sa.Integer, nullable=False, default=0),
    sa.Column("tokens", sa.Integer, nullable=False, default=0),
    sa.Column("indexing_ms", sa.Float),
    sa.Column("error_type", sa.Text),
    sa.Column("error_message", sa.Text),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("container", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),
    sa.Column("service_ms", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
)

notes = sa.Table(
    "notes",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("benchmark", sa.Text, primary_key=True),
    sa.Column("question", sa.Text, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("invocation", sa.Text, nullable=False),
)


def sqlite_url(path: Path) -> str:
    """The address of a checkpoint in a file."""
    return sa.URL.create("sqlite", database=str(path)).render_as_string()


def connect(url: str) -> Engine:
    """An engine for the checkpoint at `url`, its tables made where they are not there yet.

    Raises `CheckpointError` if that cannot be opened or written.
    """
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                # "create if it is not there" races with itself on PostgreSQL; the lock is gone with the transaction
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_TABLES_LOCK)))
            metadata.create_all(connection)
    except sa.exc.SQLAlchemyError as error:
        engine.dispose()
        raise failure(url, "opened", error) from error
    return engine


def failure(url: str, undone: Literal["opened", "read", "written"], error: BaseException) -> CheckpointError:
    """The error that says in one line what could not be done with the checkpoint at `url`, and what to do next."""
    way_out = {
        "opened": "Mend the cause, or keep the run elsewhere: --runs-dir DIR, --run-id NAME or --checkpoint-url URL.",
        "read": "Mend the cause and try again.",
        "written": "What was done before is kept: mend the cause and continue with --lf.",
    }
    what = cause(error).rstrip(".")
    if "no password supplied" in what:
        way_out[undone] = (
            "Give it in PGPASSWORD, in ~/.pgpass, or with the whole address in MEMORYBENCH_CHECKPOINT_URL."
        )
    return CheckpointError(f"the checkpoint at {shown(url)} cannot be {undone}: {what}. {way_out[undone]}")


def shown(url: str) -> str:
    """`url` as messages may show it: without any password."""
    parsed = _parsed(url)
    if parsed is None:
        return url.partition(":")[0] + "://..."
    if parsed.get_backend_name() == "sqlite":
        return f"sqlite:///{parsed.database}"  # the path as it is, not as an address quotes it
    hidden = {name: "hidden" for name in parsed.query if "password" in name}
    return parsed.update_query_dict(hidden).render_as_string(hide_password=True)


def without_password(url: str) -> str:
    """`url` as files may hold it: a database driver finds the password elsewhere."""
    parsed = _parsed(url)
    if parsed is None or parsed.get_backend_name() == "sqlite":
        return shown(url) if parsed is None else url
    query = {name: value for name, value in parsed.query.items() if "password" not in name}
    return parsed._replace(password=None, query=immutabledict(query)).render_as_string()


def same_database(url: str, candidates: Iterable[str | None]) -> str:
    """The first of `candidates` that is `url` with a password, else `url`."""
    return next((given for given in candidates if given and without_password(given) == url), url)


def _parsed(url: str) -> sa.URL | None:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return None
    # with an "@" in the password, not written as %40, half of the password is taken for the host
    return None if "@" in (parsed.host or "") else parsed


def cause(error: BaseException) -> str:
    """What the database said, in one line, without the statement."""
    original = getattr(error, "orig", None) or error
    return " ".join(str(original).split()) or type(original).__name__


def now(engine: Engine) -> sa.ColumnElement[float]:
    """Unix seconds by the database's clock, the same for all who use it: machines need not agree on the time."""
    if engine.dialect.name == "postgresql":
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)
    return (sa.func.julianday("now", type_=sa.Float) - _EPOCH_AS_JULIAN_DAY) * 86400.0


def insert_new(connection: sa.Connection, table: sa.Table, values: Mapping[str, object]) -> bool:
    """Insert a row unless there is one with its key; whether it was inserted."""
    insert = upsert(connection.engine, table).values(values).on_conflict_do_nothing()
    # not by rowcount: PostgreSQL's driver gives -1 for it
    return connection.execute(insert.returning(sa.literal(1))).first() is not None


def upsert(engine: Engine, table: sa.Table) -> Any:  # the two dialects' Insert share no typed base
    """An insert into `table` that knows ``on_conflict_do_update``."""
    if engine.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def _engine(url: str) -> Engine:
    parsed = _parsed(url)
    dialect = parsed.get_backend_name() if parsed else ""
    if dialect not in ("sqlite", "postgresql"):
        raise CheckpointError(
            f"--checkpoint-url {shown(url)} is not the address of a database that can be used: write "
            "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE (special characters of the password as %2F, %40 ...) or "
            "sqlite:////ABSOLUTE/PATH.sqlite."
        )
    try:
        if dialect == "sqlite":
            engine = sa.create_engine(url, connect_args={"timeout": _LONGEST_LOCK_SECONDS})
            _speak_wal(engine)
        else:
            # the claims of `Leases` are made for it, whatever the server's default is
            engine = sa.create_engine(url, isolation_level="READ COMMITTED", connect_args=_timeouts(parsed))
    except ImportError as error:
        raise CheckpointError(
            f"the checkpoint at {shown(url)} cannot be opened: {error}. Write postgresql+psycopg://... and install "
            "psycopg: pip install 'psycopg[binary]'."
        ) from error
    except sa.exc.SQLAlchemyError as error:
        raise failure(url, "opened", error) from error
    return engine


def _timeouts(url: sa.URL | None) -> dict[str, int]:
    """A server that has gone without a word is noticed within a minute (libpq's own names and units)."""
    if url is None or url.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    keepalives = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
    return {name: value for name, value in {"connect_timeout": 10, **keepalives}.items() if name not in url.query}


_locked = retry_if_exception_message(match="database is locked")


@retry(retry=_locked, stop=stop_after_delay(_LONGEST_LOCK_SECONDS), wait=wait_fixed(0.02), reraise=True)
def _write_ahead(cursor: Any) -> None:  # DB-API cursor
    cursor.execute("PRAGMA journal_mode=WAL")  # SQLite does not wait for other writers by itself here


def _speak_wal(engine: Engine) -> None:
    """Many processes, one file: write-ahead log, and writers that queue at BEGIN instead of failing at COMMIT."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:  # DB-API connection
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_LONGEST_LOCK_SECONDS * 1000}")
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _began(connection: sa.Connection) -> None:
        if not connection.get_execution_options().get("reading"):  # a SELECT is a transaction of its own
            connection.exec_driver_sql("BEGIN IMMEDIATE")
