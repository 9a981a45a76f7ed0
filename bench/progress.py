"""How far a download is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from bench.data import human_size
from bench.web import Say


class Progress(Protocol):
    """What is told of a download as it goes."""

    def add(self, count: int) -> None:
        """So many bytes more have come; fewer than none if they were thrown away."""

    def skip(self, count: int) -> None:
        """So many bytes need not be fetched: they were there."""

    def say(self, line: str) -> None:
        """Say a line without breaking a bar."""


@contextmanager
def show_progress(what: str, total: int, say: Say) -> Iterator[Progress]:
    """Show how `total` bytes of `what` come: a bar if the error stream is a terminal, else lines through `say`."""
    if not sys.stderr.isatty():
        yield _Lines(what, total, say)
        return
    bar = _Bar(what, total, say)
    try:
        yield bar
    finally:
        bar.close()


class _Lines:
    """A line at every tenth, but not more than one a second."""

    def __init__(self, what: str, total: int, say: Say) -> None:
        self._what = what
        self._total = max(1, total)
        self._say = say
        self._come = self._tenth = 0
        self._last = time.monotonic()

    def add(self, count: int) -> None:
        self._come += count
        tenth = self._come * 10 // self._total
        self._tenth = min(self._tenth, tenth)
        if tenth > self._tenth and time.monotonic() - self._last >= 1:
            self._tenth, self._last = tenth, time.monotonic()
            self._say(f"{self._what}: {human_size(self._come)} of {human_size(self._total)}")

    def skip(self, count: int) -> None:
        self._come += count
        self._tenth = self._come * 10 // self._total

    def say(self, line: str) -> None:
        self._say(line)


class _Bar:
    def __init__(self, what: str, total: int, say: Say) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped]  # it has no types of its own

        self._bar = tqdm(total=total, desc=what, unit="B", unit_scale=True, dynamic_ncols=True, file=sys.stderr)
        self._say = say

    def add(self, count: int) -> None:
        self._bar.update(count)

    def skip(self, count: int) -> None:
        self._bar.initial += count  # not to be taken for speed
        self._bar.n += count
        self._bar.refresh()

    def say(self, line: str) -> None:
        with self._bar.external_write_mode():
            self._say(line)

    def close(self) -> None:
        self._bar.close()
