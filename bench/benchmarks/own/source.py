"""Which files a data set consists of, and its contents through the index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.benchmarks.own.contents import Contents, Gathering
from bench.benchmarks.own.faults import Fault
from bench.benchmarks.own.records import SUFFIXES, require_parquet
from bench.data import index_files
from vocabulary import ConfigurationError, DataError, DataMissingError

LOADER_VERSION = 1
"""To be raised whenever the same files give other cases or haystacks: what an index knows is then found anew."""

_HUB_RECORDS = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
"""Files about a data set that the Hugging Face library puts beside it."""


class Source(NamedTuple):
    """A data set: the path that the user gave, the name that its stem gives, and its files in order."""

    path: Path
    name: str
    files: tuple[Path, ...]


def find_source(path: Path) -> Source:
    """The data set at `path`, a file or a folder.

    Raises `DataMissingError` if it is not there, `ConfigurationError` if nothing in it can be read.
    """
    name = dataset_name(path)
    if path.is_dir():
        files = tuple(sorted(_files_in(path)))
        if not files:
            raise _nothing_in(path)
    elif path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise ConfigurationError(
                f"{path} is none of {', '.join(SUFFIXES)}. `python -m bench convert` reads transcripts."
            )
        files = (*_sessions_beside(path), path) if path.suffix.lower() == ".csv" else (path,)
    else:
        raise DataMissingError(f"{path}: there is no such file or folder.")
    for file in files:
        if file.suffix.lower() == ".parquet":
            require_parquet(file)
    return Source(path, name, files)


def dataset_name(path: Path) -> str:
    """The name of the data set at `path`: the stem of a file, the name of a folder, in letters that tests may have."""
    plain = path.resolve().name if path.is_dir() else path.resolve().stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.") or "dataset"


def read_source(source: Source) -> tuple[str, Contents]:
    """The checksum of the data set and its contents; raises `DataError` with the first fault if it has any."""
    names = [str(file.relative_to(source.path if source.path.is_dir() else file.parent)) for file in source.files]
    kind = "/".join(["own", str(LOADER_VERSION), source.name, *names])
    return index_files(source.files, kind, Contents, lambda: _learn(source))


def find_faults(source: Source, *, needs_questions: bool = True) -> tuple[list[Fault], Gathering]:
    """All that is wrong in the data set, and what was found in it."""
    try:
        gathering = Gathering(source.name, source.files, needs_questions=needs_questions)
    except OSError as error:
        raise DataError(f"{error.filename or source.path} cannot be read: {error.strerror}.") from error
    return gathering.faults, gathering


def _learn(source: Source) -> Contents:
    faults, gathering = find_faults(source)
    if faults:
        rest = f"{len(faults) - 1} more: " if len(faults) > 1 else ""
        raise DataError(f"{faults[0]} ({rest}`python -m bench check {source.path}` shows all)")
    return gathering.contents


def _files_in(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() in SUFFIXES and file.is_file() and not hidden and file.name not in _HUB_RECORDS:
            yield file


def _nothing_in(folder: Path) -> ConfigurationError:
    if any(folder.rglob("*.arrow")):
        return ConfigurationError(
            f"{folder} holds Arrow files of save_to_disk, which are not read. Write Parquet: "
            "load_from_disk(FOLDER).to_parquet(FILE)."
        )
    return ConfigurationError(f"{folder} holds no file that ends in {', '.join(SUFFIXES)}.")


def _sessions_beside(questions: Path) -> tuple[Path, ...]:
    """The file of sessions beside a CSV of questions: the one with the same stem, or the only one of its folder."""
    beside = [file for file in sorted(questions.parent.iterdir()) if file.suffix.lower() in SUFFIXES]
    others = [file for file in beside if file.suffix.lower() != ".csv"]
    same = [file for file in others if file.stem == questions.stem]
    if len(same or others) != 1:
        found = ", ".join(file.name for file in others) or "none"
        raise ConfigurationError(
            f"{questions}: a CSV of questions needs the file of sessions beside it, named {questions.stem}.jsonl or "
            f"the only one there (found: {found}). Or name a folder that holds both."
        )
    return tuple(same or others)
