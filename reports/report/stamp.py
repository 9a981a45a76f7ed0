"""Whether the files of a run are what would be written now: then they are left as they are.

A stamp beside them has a hash of all that they are made from, this code included, and their sizes and times.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path

import reports
import vocabulary
from reports.store import read_versions

STAMP = ".report.stamp"
_STAMPED = {".json", ".jsonl", ".html"}
_CODE = {".py", ".j2", ".css", ".js"}


def source_of(parts: Iterable[object]) -> str:
    """A hash of `parts`, by what they print as, of the packages in use, and of the code that reports are made by."""
    hashed = blake2b(_code(), digest_size=16)
    for part in (read_versions(), *parts):
        hashed.update(repr(part).encode() + b"\0")
    return hashed.hexdigest()


def stamp_of(folder: Path, source: str) -> str:
    """The stamp of the files that lie in a run's `folder`, made from `source`."""
    files = {
        path.name: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.iterdir())
        if path.suffix in _STAMPED
    }
    return json.dumps({"source": source, "files": files})


def is_current(folder: Path, source: str) -> bool:
    """Whether the files in `folder` were made from `source` and are all there, untouched since."""
    try:
        return (folder / STAMP).read_text() == stamp_of(folder, source) + "\n"
    except (OSError, ValueError):
        return False


@cache
def _code() -> bytes:
    hashed = blake2b()
    for package in (reports, vocabulary):
        for folder in package.__path__:
            for path in sorted(Path(folder).rglob("*.*")):
                if path.suffix in _CODE:
                    hashed.update(path.read_bytes())
    return hashed.digest()
