"""A memory system with settings that help, harm, or do nothing, and one that ignores them all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from providers import Provider, ProviderSettings
from providers.baselines.bm25 import Bm25, Bm25Settings
from vocabulary import Question, SearchResult, Session, Tunable


class Knobs(ProviderSettings):
    """Three settings, each of another kind."""

    skip: Annotated[int, Tunable(low=0, high=12, changes="search")] = Field(6, ge=0, description="best results hidden")
    idle: Annotated[float, Tunable(low=0.0, high=1.0, changes="search")] = Field(0.5, description="nothing")
    order: Annotated[Literal["best", "worst"], Tunable()] = Field("best", description="which results come first")


class Memory(Provider):
    """`bm25` without its `skip` best results."""

    name = "tunable-memory"
    Settings = Knobs
    limits = Bm25.limits

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self._words = Bm25(Bm25Settings(), workspace)

    def ingest(self, container: str, session: Session) -> None:
        self._words.ingest(container, session)
        note("ingest", container)

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        assert isinstance(self.settings, Knobs)
        note("search", f"{container} {question.id}")
        found = self._words.search(container, question, top_k + self.settings.skip)[self.settings.skip :]
        return found if self.settings.order == "best" else list(reversed(found))

    def clear(self, container: str) -> None:
        self._words.clear(container)

    def close(self) -> None:
        self._words.close()


class Deaf(Memory):
    """Ignores its settings, as far as results tell."""

    name = "deaf-memory"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        return self._words.search(container, question, top_k)


class Noisy(Deaf):
    """Ignores its settings, and misses three in ten of its results at random: others in each run, the same in one."""

    name = "noisy-memory"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        found = self._words.search(container, question, 2 * top_k)
        return [result for result in found if not self._misses(question.id, result.message_ids[0])][:top_k]

    def _misses(self, question: str, message: str) -> bool:
        return sha256(f"{self.workspace} {question} {message}".encode()).digest()[0] < 0.3 * 256


def note(call: str, text: str) -> None:
    """Add a line to the file of that name in the folder ``TUNABLE_CALLS``."""
    if folder := os.environ.get("TUNABLE_CALLS"):
        with (Path(folder) / call).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
