"""Which of the files that a hub lists were found to be as published when they were fetched.

`bench.data.published_files` reads the record.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.data import PUBLISHED, Listing


class Published:
    """The record, beside the data, of which files were found to be as published when they were fetched."""

    def __init__(self, listing: Listing, folder: Path) -> None:
        self._revision = listing.revision
        self._folder = folder / listing.folder

    def add(self, found: Mapping[str, dict[str, Any]]) -> None:  # any: a JSON object's values
        """Note files (path at the hub → their sha256 and bytes), beside those of other processes."""
        if not found:
            return
        path = self._folder / PUBLISHED
        with _locked(self._folder):
            try:
                record = json.loads(path.read_bytes())
                known = record["files"] if record["revision"] == self._revision else {}
            except (FileNotFoundError, ValueError, KeyError, TypeError):
                known = {}  # what it said of other files is found out again when they are asked for
            files = dict(sorted({**known, **found}.items()))
            replace_file(path, json.dumps({"revision": self._revision, "files": files}, indent=1))


def replace_file(path: Path, text: str) -> None:
    """Write a file in one step: a reader sees the old one or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
