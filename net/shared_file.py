"""A small file that all workers share: looked at without a system call, changed under a lock."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SharedFile:
    """A file of at least `size` bytes, of which so many are in `memory` as any process last wrote them.

    The event loop looks at such files several times a call. A system call there costs more than its own time: it
    releases the interpreter's lock, and a thread that computes meanwhile keeps that for milliseconds.
    """

    def __init__(self, path: Path, size: int = 1) -> None:
        self._size = size
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with self.locked():
            if os.fstat(self._file).st_size < size:
                os.ftruncate(self._file, size)
        self.memory = mmap.mmap(self._file, size)

    @property
    def empty(self) -> bool:
        """Whether nothing is written in it."""
        return not self.memory[0]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other process change it."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def read(self) -> bytes:
        """All of it."""
        return content_of(self._file)

    def write(self, content: bytes) -> None:
        """Replace all of it."""
        whole = content.ljust(self._size, b"\0")
        os.pwrite(self._file, whole, 0)
        os.ftruncate(self._file, len(whole))

    def close(self) -> None:
        """Close it."""
        self.memory.close()
        os.close(self._file)


def content_of(file: int) -> bytes:
    """What was written in the open `file`."""
    return os.pread(file, os.fstat(file).st_size, 0).rstrip(b"\0")
