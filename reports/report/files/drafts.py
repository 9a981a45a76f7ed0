"""A file takes its place only when it is whole, and its text is what UTF-8 can hold."""

from __future__ import annotations

import errno
import json
import math
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import BaseModel, JsonValue
from pydantic_core import PydanticSerializationError, to_jsonable_python

from reports.store import lives
from vocabulary import CheckpointError


def remove_drafts(folder: Path) -> None:
    """Remove the drafts of processes that were killed."""
    for draft in folder.glob(".*.tmp"):
        process = draft.name.split(".")[-2]
        if process.isdecimal() and not lives(int(process)):
            draft.unlink(missing_ok=True)


class Draft:
    """A file that takes its place only when it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")

    def __enter__(self) -> Self:
        try:
            self._temporary.touch(mode=0o600)
            self._file: BinaryIO = self._temporary.open("wb")
        except OSError as error:
            raise self._failure(error) from error
        return self

    def write(self, line: str) -> None:
        """Add a line."""
        self.write_bytes(line.encode() + b"\n")

    def write_bytes(self, piece: bytes) -> None:
        """Add a part of the file as it is."""
        try:
            self._file.write(piece)
        except OSError as error:
            raise self._failure(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._temporary.replace(self.path)
        except OSError as error:
            raise self._failure(error) from error
        finally:
            with suppress(OSError):  # what could not be flushed cannot be on closing either, and has been reported
                self._file.close()
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)

    def _failure(self, error: OSError) -> CheckpointError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            way_out = "Free some space, or choose another folder with --runs-dir"
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            way_out = "Make the folder writable, or choose another with --runs-dir"
        else:
            way_out = "See to the folder, or choose another with --runs-dir"
        why = error.strerror or str(error)
        return CheckpointError(f"cannot write {self.path}: {why}. {way_out}; what the checkpoint holds is not lost.")


def json_of(model: BaseModel, indent: int | None = None) -> str:
    """`model` as JSON."""
    try:
        return model.model_dump_json(indent=indent)
    except PydanticSerializationError:
        # A lone surrogate: providers and models may return one, UTF-8 cannot hold it.
        plain = writable(to_jsonable_python(model))
        return json.dumps(plain, indent=indent, ensure_ascii=False, separators=(",", ": " if indent else ":"))


def writable(value: JsonValue) -> JsonValue:
    """`value` without what JSON in UTF-8 cannot hold: lone surrogates become "?", numbers that are none become null."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [writable(one) for one in value]
    if isinstance(value, dict):
        return {str(writable(key)): writable(one) for key, one in value.items()}
    return value
