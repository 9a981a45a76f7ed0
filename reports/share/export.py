"""A run as a table for other programs: CSV, JSON lines or Parquet, written while it is read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from reports.share.columns import COLUMNS, TEXTS, Column, Kind, Row, Value
from reports.share.output import new_file
from vocabulary import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1000
"""Rows that are in memory at once."""


def columns_of(*, texts: bool) -> tuple[Column, ...]:
    """The columns of a file."""
    return (*COLUMNS, *TEXTS) if texts else COLUMNS


def csv_lines(rows: Iterable[Row], *, texts: bool = False) -> Iterator[str]:
    """A heading and a record for each row; null is an empty cell, a boolean `true` or `false`."""
    columns, buffer = columns_of(texts=texts), io.StringIO()
    writer = csv.writer(buffer, lineterminator="")
    writer.writerow([column.name for column in columns])
    yield buffer.getvalue()
    for row in rows:
        buffer.seek(buffer.truncate(0))
        writer.writerow([_cell(value) for value in _values(columns, row)])
        yield buffer.getvalue()


def json_lines(rows: Iterable[Row], *, texts: bool = False) -> Iterator[str]:
    """An object for each row, every column in each."""
    columns = columns_of(texts=texts)
    for row in rows:
        values = zip((column.name for column in columns), _values(columns, row), strict=True)
        yield json.dumps(dict(values), ensure_ascii=False)


def write_parquet(rows: Iterable[Row], path: Path, *, texts: bool = False) -> None:
    """Write `path`, a row group for every 1,000 rows. Raises `ConfigurationError` where pyarrow is missing."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigurationError(
            "--format parquet needs pyarrow: pip install -e '.[parquet]'. csv and jsonl need nothing."
        ) from error
    columns, remaining = columns_of(texts=texts), iter(rows)
    schema = pa.schema([pa.field(column.name, _arrow_type(column.kind)) for column in columns])
    with new_file(path) as file, pq.ParquetWriter(file, schema) as writer:
        while batch := [_values(columns, row) for row in islice(remaining, _BATCH)]:
            arrays = [
                pa.array(column, field.type) for column, field in zip(zip(*batch, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _arrow_type(kind: Kind) -> pa.DataType:
    import pyarrow as pa

    types = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    return types[kind]


def _values(columns: Sequence[Column], row: Row) -> list[Value]:
    values = (column.of(row) for column in columns)
    # lone surrogates: models may return them, and UTF-8 cannot hold them
    return [value.encode(errors="replace").decode() if isinstance(value, str) else value for value in values]


def _cell(value: Value) -> str | int | float:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value
