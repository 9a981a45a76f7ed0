"""A memory system whose containers only one process may have open, as an embedded store's; and one that hides it."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from providers import Limits, ProviderSettings
from tests.subjects.watched import Slow, first_time, note, unlucky
from vocabulary import ProviderError, Question, SearchResult, Session


class Alone(Slow):
    """Keeps a container that it has touched as long as its process lives: for any other process that is an error."""

    name = "alone"
    limits = Limits(concurrency=4, scope="process", containers="one-process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self._one_at_a_time = threading.Lock()
        self._open: dict[str, TextIOWrapper] = {}

    def ingest(self, container: str, session: Session) -> None:
        self._keep(container)
        super().ingest(container, session)

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        self._keep(container)
        return super().search(container, question, top_k)

    def clear(self, container: str) -> None:
        self._keep(container)
        super().clear(container)

    def close(self) -> None:
        for file in self._open.values():
            file.close()

    def _keep(self, container: str) -> None:
        with self._one_at_a_time:
            if container in self._open:
                return
            file = (self.workspace / f"{container}.lock").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise ProviderError(f"container {container} is open in another process") from None
            self._open[container] = file
            note("open", f"{container} {os.getpid()}")


class Undeclared(Alone):
    """The same, and does not say so."""

    name = "undeclared"
    limits = Limits(concurrency=4, scope="process")


class ByInstance(Alone):
    """Says so on the instance only."""

    name = "by-instance"
    limits = Limits(concurrency=4, scope="process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self.limits = Limits(concurrency=4, scope="process", containers="one-process")


class Stumbling(Alone):
    """Fails at the first search for some questions."""

    name = "stumbling"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        if unlucky(question.text) and first_time(f"{container} {question.id}"):
            raise ProviderError("the index is being rebuilt")
        return super().search(container, question, top_k)
