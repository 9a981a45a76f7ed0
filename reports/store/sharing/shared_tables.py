"""The tables of a run that places share; they hold no result, and what counts while places are at work."""

from __future__ import annotations

import sqlalchemy as sa

from reports.store.run_lock import lock_key

metadata = sa.MetaData()
_TABLES_LOCK = 0x6D656D62706C6163  # any number that nobody else takes: "membplac" in ASCII

places = sa.Table(
    "places",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("place", sa.Text, primary_key=True),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("until", sa.Text, nullable=False),
    sa.Column("shard", sa.Text),
    sa.Column("heartbeat", sa.Float, nullable=False),
    sa.Column("ended", sa.Boolean, nullable=False),
)

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("benchmark", sa.Text, primary_key=True),
    sa.Column("question", sa.Text, primary_key=True),
    sa.Column("haystack", sa.Text, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Index("claims_of_haystacks", "haystack", "provider", "run_id"),  # never taken for the key: it begins otherwise
)

rates = sa.Table(
    "rates",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("next", sa.Float, nullable=False),
    sa.Column("pause_end", sa.Float, nullable=False),
)

parts = sa.Table(
    "parts",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("place", sa.Text, primary_key=True),
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("kept", sa.Integer, nullable=False),
    sa.Column("wanted", sa.Integer, nullable=False),
)

batches = sa.Table(
    "judge_batches",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("request", sa.Text, primary_key=True),
    sa.Column("batch", sa.Text, nullable=False),
    sa.Column("submitted", sa.Float, nullable=False),
)

closing_files = sa.Table(
    "closing_files",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("packed", sa.LargeBinary, nullable=False),
)


def make_tables(connection: sa.Connection) -> None:
    """Make the tables where they are not there yet."""
    if not exist(connection, closing_files):  # the newest
        # "create if it is not there" races with itself on PostgreSQL; the lock is gone with the transaction
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_TABLES_LOCK)))
        metadata.create_all(connection)


def exist(connection: sa.Connection, table: sa.Table = places) -> bool:
    """Whether the table is there."""
    return connection.execute(sa.select(sa.func.to_regclass(table.name))).scalar_one() is not None


def lock_claims(connection: sa.Connection, run_id: str) -> None:
    """Let nobody else claim questions of the run, or join it, until the end of the transaction.

    So two claims of the same questions never wait for each other, and never end in a deadlock. Rows are looked up by an
    index until then.
    """
    _lock(connection, claims_key(run_id))


def lock_parts(connection: sa.Connection, run_id: str) -> None:
    """Let nobody else divide what may be in flight, until the end of the transaction."""
    _lock(connection, lock_key(f"parts of {run_id}"))


def claims_key(run_id: str) -> int:
    """The advisory lock of `lock_claims`."""
    return lock_key(f"claims of {run_id}")


def _lock(connection: sa.Connection, key: int) -> None:
    by_index = sa.func.set_config("enable_seqscan", "off", True)  # one statement for both, as each costs a round trip
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key), by_index))
