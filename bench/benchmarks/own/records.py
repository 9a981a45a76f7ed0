"""The records of a file (JSON Lines, JSON, CSV or Parquet): what each says, and where it lies to be read again."""

from __future__ import annotations

import csv
import json
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple  # Any: parsed JSON

from bench.benchmarks.own.faults import Fault
from bench.data import each_key_once, other_kind, read_items
from vocabulary import ConfigurationError, DataError, clean_json

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")
_BOM = b"\xef\xbb\xbf"
_BY_ROW = -1
"""Stands for the length of a record that is a row of a table."""


class Spot(NamedTuple):
    """Where a record lies: `length` bytes from byte `offset` on, or row `offset` of a Parquet file."""

    offset: int
    length: int


class Record(NamedTuple):
    """An object of a file; a value that is null is not there. `line` counts from 1."""

    line: int
    spot: Spot
    value: dict[str, Any]  # parsed JSON


def read_records(path: Path) -> Iterator[Record | Fault]:
    """The records of the file at `path`, and what in it is none. Raises `OSError`, `ConfigurationError`."""
    read = {".jsonl": _lines, ".json": _items, ".csv": _rows, ".parquet": _table}[path.suffix.lower()]
    return read(path)


def read_again(path: Path, spot: Spot) -> Any:  # any: parsed JSON
    """The value of the record at `spot`; raises `DataError` if it is no longer there, `OSError`."""
    if spot.length == _BY_ROW:
        return _without_null(_row_of(path, spot.offset))
    with path.open("rb") as stream:
        stream.seek(spot.offset)
        data = stream.read(spot.length)
    try:
        return _without_null(json.loads(clean_json(data)))
    except ValueError as error:
        raise DataError(f"{path} was changed while it was in use. Run again.") from error


def _lines(path: Path) -> Iterator[Record | Fault]:
    offset = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if number == 1 and (kind := other_kind(line)):
                yield Fault(path, number, "line", kind)
                return
            start, offset = offset, offset + len(line)
            if number == 1 and line.startswith(_BOM):
                start, line = start + len(_BOM), line.removeprefix(_BOM)
            if not line.strip():
                continue
            try:
                value = json.loads(line.decode(), object_pairs_hook=each_key_once)
            except UnicodeDecodeError as error:
                yield Fault(path, number, "line", f"is not UTF-8 ({error.reason} at byte {error.start + 1})")
            except json.JSONDecodeError as error:
                yield Fault(path, number, "line", f"is not JSON ({error.msg}, column {error.colno})")
            except (DataError, ValueError, RecursionError) as error:  # a key twice, too many digits, nested too deeply
                yield Fault(path, number, "line", f"is not JSON ({error})")
            else:
                yield _record(path, number, Spot(start, len(line)), value)


def _items(path: Path) -> Iterator[Record | Fault]:
    line, passed = 1, 0
    try:
        with path.open("rb") as stream:
            for item in read_items(path):
                line += stream.read(item.offset - passed).count(b"\n")
                passed = item.offset
                yield _record(path, line, Spot(item.offset, item.length), item.value)
    except DataError as error:
        yield Fault(path, _faulty_line(path) or line, "line", str(error))


def _faulty_line(path: Path) -> int:
    """The line at which a file stops to be JSON; 0 if that is not the fault."""
    try:
        json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        return error.lineno
    except (ValueError, RecursionError):  # not UTF-8, or not to be read at all
        pass
    return 0


def _rows(path: Path) -> Iterator[Record | Fault]:
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            head = stream.readline()
            stream.seek(0)
            rows = csv.DictReader(stream, delimiter=";" if head.count(";") > head.count(",") else ",", strict=True)
            if "question" not in (names := [name.strip() for name in rows.fieldnames or ()]):
                yield Fault(path, 1, "question", f"there is no such column, but {', '.join(names) or 'none'}")
                return
            rows.fieldnames = names
            line = rows.line_num + 1
            for row in rows:
                if None in row:
                    yield Fault(path, line, "line", f"has {len(row[None])} more cells than the first line")
                else:
                    yield Record(line, Spot(0, 0), dict(_cells(row)))
                line = rows.line_num + 1
    except UnicodeDecodeError as error:
        yield Fault(path, line, "line", f"is not UTF-8 ({error.reason})")
    except csv.Error as error:
        yield Fault(path, line, "line", f"is not CSV ({error})")


def _cells(row: dict[str, str | None]) -> Iterator[tuple[str, object]]:
    """The cells that are not empty; ids of evidence are separated by semicolons."""
    for name, text in row.items():
        if text and text.strip():
            ids = [part.strip() for part in text.split(";") if part.strip()]
            yield name, ids if name == "evidence" else text.strip()


def _table(path: Path) -> Iterator[Record | Fault]:
    import pyarrow as pa

    row = 0
    try:
        for batch in _open_table(path).iter_batches(batch_size=64):
            for value in batch.to_pylist():
                yield _record(path, row + 1, Spot(row, _BY_ROW), value)
                row += 1
    except pa.ArrowException as error:
        yield Fault(path, row + 1, "line", f"is not Parquet ({error})")


def _row_of(path: Path, row: int) -> object:
    table = _open_table(path)
    ends = list(accumulate(table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)))
    group = bisect_right(ends, row)
    first = ends[group - 1] if group else 0
    return table.read_row_group(group).slice(row - first, 1).to_pylist()[0]


@cache
def require_parquet(path: Path) -> None:
    """Raise `ConfigurationError` where what reads the Parquet file at `path` is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401  # only whether it is there
    except ImportError as error:
        raise ConfigurationError(f"{path}: Parquet needs pyarrow: pip install 'memorybench[parquet]'.") from error


def _open_table(path: Path) -> Any:  # any: pyarrow has no types
    require_parquet(path)
    from pyarrow import parquet

    return parquet.ParquetFile(path)


def _record(path: Path, line: int, spot: Spot, value: object) -> Record | Fault:
    value = _without_null(value)
    if not isinstance(value, dict):
        return Fault(path, line, "line", f"must be an object (found {value!r:.60})")
    return Record(line, spot, value)


def _without_null(value: object) -> object:
    """A value without what is null in it: tables of Hugging Face have every field in every row."""
    if isinstance(value, dict):
        return {name: _without_null(part) for name, part in value.items() if part is not None}
    return [_without_null(part) for part in value] if isinstance(value, list) else value
