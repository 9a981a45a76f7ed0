"""Reading a file of published answers: its format is known by its shape."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import IO

from bench.published.agent_memory_benchmark import read_agent_memory_benchmark
from bench.published.answers import PublishedSet, Record
from bench.published.lines import is_lines, read_lines
from bench.published.locomo_audit import read_locomo_audit
from bench.published.mem0 import read_mem0
from bench.published.zep import read_zep
from vocabulary import ConfigurationError, DataError

_KNOWN = (
    "mem0's memory-benchmarks, locomo-audit, agent-memory-benchmark, Zep's grades, LongMemEval hypotheses, a "
    "results.jsonl of this suite, or lines of question_id and answer (docs/published-answers.md)"
)


def read_published(path: Path) -> list[PublishedSet]:
    """The answers in a file, a set for each publisher and benchmark in it; gzip is unpacked.

    Raises `ConfigurationError` for a file that is not there, `DataError` for what is none of the known formats.
    """
    try:
        with path.open("rb") as plain:
            digest = file_digest(plain, "sha256").hexdigest()
        with _opened(path) as file:
            first = _object(file.readline())
            file.seek(0)
            stem = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
            found = list(_read(file, first, stem))
    except FileNotFoundError:
        raise ConfigurationError(f"there is no file {path}.") from None
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    except DataError as error:
        raise DataError(f"{path}: {error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        fault = f"{type(error).__name__}: {error}"
        raise DataError(f"{path} cannot be read as published answers ({fault}). Known: {_KNOWN}.") from error
    if not found:
        raise DataError(f"{path} has the shape of no format that is known: {_KNOWN}.")
    return [one._replace(facts={"file": path.name, "sha256": digest, **one.facts}) for one in found]


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]  # GzipFile reads bytes too


def _read(file: IO[bytes], first: Record | None, stem: str) -> Iterator[PublishedSet]:
    if first is not None and is_lines(first):
        yield from read_lines(_records(file), stem)
        return
    document = json.load(file)
    if not isinstance(document, dict):
        return
    for sets in (
        read_mem0(document),
        read_locomo_audit(document, stem),
        read_agent_memory_benchmark(document),
        read_zep(document),
    ):
        yield from sets


def _records(file: IO[bytes]) -> Iterator[tuple[int, Record]]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            record = _object(line)
            if record is None:
                raise DataError(f"line {number} is no JSON object")
            yield number, record


def _object(line: bytes) -> Record | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
