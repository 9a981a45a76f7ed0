"""A memory system that all folders see, as a service on the network, and one that keeps its store in a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from providers import Limits, ProviderSettings
from tests.subjects.watched import Watched, note
from vocabulary import ProviderError, Question, SearchResult, Session

SLOTS = 3
PER_SECOND = 40


class Local(Watched):
    """Notes which process searches, waits while there is a file ``hold``, and fails for some questions."""

    name = "local"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        note("begun", f"{os.getpid()} {question.id}")
        while (Path(os.environ["WATCHED"]) / "hold").exists():
            time.sleep(0.02)
        time.sleep(float(os.environ.get("SLOW", "0.05")))
        note("by", str(os.getpid()))
        found = super().search(container, question, top_k)
        if question.id[1] in "01":
            raise ProviderError("no answer from 10.0.0.7")
        return found


class Service(Local):
    """The same for all folders."""

    name = "service"
    limits = Limits(concurrency=SLOTS, per_minute=60 * PER_SECOND)

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self.workspace = Path(os.environ["WATCHED"]) / "service"
        self.workspace.mkdir(exist_ok=True)

    def ingest(self, container: str, session: Session) -> None:
        note("sent", f"{os.getpid()} {container} {session.id}")
        with timed():
            super().ingest(container, session)

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        with timed():
            return super().search(container, question, top_k)


@contextmanager
def timed() -> Iterator[None]:
    """Note when a call began and ended."""
    begun = time.monotonic()
    note("came", str(begun))
    try:
        yield
    finally:
        note("timed", f"{begun} {time.monotonic()}")
