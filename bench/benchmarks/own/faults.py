"""What is wrong in a user's data set, each fault with its file, line and field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bench.benchmarks.own.format import OwnHaystack, OwnMessage, OwnQuestion, OwnSession
from vocabulary import did_you_mean

FIELDS = {
    name for model in (OwnHaystack, OwnMessage, OwnQuestion, OwnSession) for name in model.model_fields
}  # fmt: skip
_WORDS = {
    "missing": "is missing",
    "model_type": "must be an object",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "must consist of letters, digits and . _ -, and begin with one of the first two",
}


class Fault(NamedTuple):
    """A fault: `line` counts from 1 (rows of a parquet file), `field` is a path such as ``questions[2].date``."""

    file: Path
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.message}"


def faults_of(error: ValidationError, file: Path, line: int) -> Iterator[Fault]:
    """The faults that pydantic found in what stands at `line` of `file`."""
    for details in error.errors(include_url=False):
        if details["type"] == "too_short" and details["input"]:
            continue  # follows from the faults of all its items
        yield Fault(file, line, _path(details["loc"]), _message(details))


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".") or "line"


def _message(details: ErrorDetails) -> str:
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        return f"is no field of the format.{did_you_mean(str(details['loc'][-1]), FIELDS)}"
    text = _WORDS.get(kind) or details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return text if kind == "missing" else f"{text[:1].lower()}{text[1:]} (found {value!r:.60})"
