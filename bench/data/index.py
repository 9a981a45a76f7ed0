"""What is in data files, found once: what is asked, and where in the file each haystack lies.

The first use of a file reads it from end to end and keeps what it finds in the user's cache folder. Every later use, by
any worker and any run, reads that; a haystack is read from the file when it is needed. What is known of a file is keyed
by its SHA-256, so copies share it. A file that has the path, the size and the modification time that it had is taken to
be the same; each haystack's own hash is checked when it is read.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from platformdirs import user_cache_path
from pydantic import ValidationError

from bench.data.json_items import Item, read_items
from bench.data.manifests import file_sha256
from vocabulary import Case, DataError, Word

_FORMAT = 1
W = TypeVar("W", bound=Word)


class FoundHaystack(NamedTuple):
    """A haystack in an item: `part` tells several haystacks of one item apart."""

    id: str
    sessions: int
    part: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What an item of a file holds; `facts` are counted over all items of a file."""

    cases: Sequence[Case] = ()
    haystacks: Sequence[FoundHaystack] = ()
    facts: Counter[str] = field(default_factory=Counter)


class Place(NamedTuple):
    """Where a haystack lies: `length` bytes of `file` from byte `offset` on."""

    file: Path
    offset: int
    length: int
    part: int
    sessions: int

    def read(self) -> bytes:
        """The item's text; raises `DataError` if the file cannot be read."""
        try:
            with self.file.open("rb") as stream:
                stream.seek(self.offset)
                return stream.read(self.length)
        except OSError as error:
            raise DataError(f"{self.file} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A data file as the index knows it: cases in the file's order, haystacks by their ids."""

    path: Path
    sha256: str
    cases: tuple[Case, ...]
    haystacks: dict[str, Place]
    facts: Counter[str]


class _State(Word):
    """A file as it was when its checksum was taken."""

    path: str
    size: int
    mtime_ns: int
    sha256: str = ""


class _Content(Word):
    """What is in a file: haystacks by their ids, each as a `Place` without its file."""

    cases: tuple[Case, ...]
    haystacks: dict[str, tuple[int, int, int, int]]
    facts: dict[str, int]


def index_file(path: Path, kind: str, find: Callable[[Item], Found]) -> IndexedFile:
    """What is in the file at `path`; `find` is called with each item if the index does not know the file.

    `kind` names the loader, its version and whatever changes what it finds. Raises `DataError`.
    """
    sha256, content = index_files([path], kind, _Content, partial(_read, path, find))
    return IndexedFile(
        path=path,
        sha256=sha256,
        cases=content.cases,
        haystacks={name: Place(path, *place) for name, place in content.haystacks.items()},
        facts=Counter(content.facts),
    )


def index_files(paths: Sequence[Path], kind: str, shape: type[W], learn: Callable[[], W]) -> tuple[str, W]:
    """The checksum of files and what `learn` makes of them; it is called where the index has nothing of that `kind`.

    `paths` are in an order that does not change; the checksum of one file is that of its bytes. Raises `DataError`.
    """
    try:
        known = [_known_sha256(path) for path in paths]
        sha256 = _joined(known)
        content = _stored(shape, _content_place(sha256, kind)) if all(known) else None
        if content is None:
            with _one_at_a_time():
                sha256, content = _learn(paths, kind, shape, learn)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from error
    return sha256, content


def is_indexed(path: Path) -> bool:
    """Whether the file at `path` was read before and is as it was then."""
    return bool(_known_sha256(path))


def index_folder() -> Path:
    """Where the index is: in the user's cache folder (``XDG_CACHE_HOME``), a folder for each version of its format."""
    return user_cache_path("memorybench") / f"index-{_FORMAT}"


def _learn(paths: Sequence[Path], kind: str, shape: type[W], learn: Callable[[], W]) -> tuple[str, W]:
    """Read the files, unless another process has while this one waited, or they are copies, or were touched."""
    before = [_state(path) for path in paths]
    sums = [_known_sha256(path) or file_sha256(path) for path in paths]
    sha256 = _joined(sums)
    content = _stored(shape, _content_place(sha256, kind)) or learn()
    if [_state(path) for path in paths] != before:
        raise DataError("was changed while it was read; try again when it is complete")
    _store(_content_place(sha256, kind), content)
    for path, state, one in zip(paths, before, sums, strict=True):
        _store(_state_place(path), state.model_copy(update={"sha256": one}))
    return sha256, content


def _joined(sums: Sequence[str]) -> str:
    return sums[0] if len(sums) == 1 else hashlib.sha256("\n".join(sums).encode()).hexdigest()


def _read(path: Path, find: Callable[[Item], Found]) -> _Content:
    cases: list[Case] = []
    haystacks: dict[str, tuple[int, int, int, int]] = {}
    facts = Counter[str]()
    for item in read_items(path):
        found = find(item)
        cases += found.cases
        facts.update(found.facts)
        for one in found.haystacks:
            haystacks.setdefault(one.id, (item.offset, item.length, one.part, one.sessions))
    return _Content(cases=tuple(cases), haystacks=haystacks, facts=facts)


def _state(path: Path) -> _State:
    stat = path.stat()
    return _State(path=os.fspath(path.resolve()), size=stat.st_size, mtime_ns=stat.st_mtime_ns)


def _state_place(path: Path) -> Path:
    return index_folder() / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()}.state.json"


def _content_place(sha256: str, kind: str) -> Path:
    return index_folder() / f"{sha256}.{hashlib.sha256(kind.encode()).hexdigest()[:16]}.json"


def _known_sha256(path: Path) -> str:
    """The file's checksum if the index has seen it as it is now, else empty."""
    known, now = _stored(_State, _state_place(path)), _state(path)
    return known.sha256 if known and known == now.model_copy(update={"sha256": known.sha256}) else ""


def _stored(shape: type[W], place: Path) -> W | None:
    try:
        return shape.model_validate_json(place.read_bytes())
    except (FileNotFoundError, ValidationError):  # damaged: made anew
        return None
    except OSError as error:
        raise _unusable(error) from error


def _store(place: Path, word: Word) -> None:
    draft = place.with_suffix(".new")
    try:
        draft.write_text(word.model_dump_json(), encoding="utf-8")
        draft.replace(place)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise _unusable(error) from error


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Wait until no other process reads a file for the first time; one that dies is waited for no longer."""
    from filelock import FileLock  # only a first use needs it

    try:
        index_folder().mkdir(parents=True, exist_ok=True)
        lock = FileLock(index_folder() / ".lock")
        lock.acquire()
    except OSError as error:
        raise _unusable(error) from error
    try:
        yield
    finally:
        lock.release()


def _unusable(error: OSError) -> DataError:
    reason = error.strerror or error
    return DataError(f"index {index_folder()}: {reason}. See to its disk, or set XDG_CACHE_HOME to another folder.")
