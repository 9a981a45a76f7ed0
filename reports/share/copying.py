"""A run's checkpoint in a file of its own, wherever its database is: the same rows make the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any  # the columns of a row are known only when it is read

import sqlalchemy as sa

from reports.store import Checkpoint, tables
from vocabulary import CheckpointError

_BATCH = 200


def copy_checkpoint(checkpoint: Checkpoint, path: Path, look: Callable[[str, Iterable[bytes]], None]) -> None:
    """Write the rows of this run into a new SQLite file; `look` is called with each table's name and its texts.

    Owners of containers, which name machines, are left out.
    """
    engine = sa.create_engine(tables.sqlite_url(path))
    try:
        with engine.begin() as target, checkpoint.engine.connect() as source:
            tables.metadata.create_all(target)
            for table in tables.metadata.sorted_tables:
                rows = _rows(source, table, checkpoint.run_id)
                while batch := list(islice(rows, _BATCH)):
                    look(table.name, [_texts(batch)])
                    target.execute(sa.insert(table), batch)
    except sa.exc.SQLAlchemyError as error:
        raise CheckpointError(
            f"the checkpoint of {checkpoint.run_id} cannot be copied: {tables.cause(error)}."
        ) from error
    finally:
        engine.dispose()


def _rows(source: sa.Connection, table: sa.Table, run_id: str) -> Iterator[dict[str, Any]]:
    query = sa.select(table).where(table.c.run_id == run_id).order_by(*table.primary_key)
    for row in source.execution_options(yield_per=_BATCH, reading=True).execute(query).mappings():
        values = dict(row)
        if table is tables.containers and values["owner"] != tables.SHARED:
            values |= {"owner": "", "heartbeat": 0.0}
        yield values


def _texts(rows: list[dict[str, Any]]) -> bytes:
    texts = (value for row in rows for value in row.values() if isinstance(value, str))
    return "\n".join(texts).encode(errors="replace")
