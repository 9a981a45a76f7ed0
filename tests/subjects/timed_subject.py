"""Memory systems to measure: one that takes as long as it is told, one that finds nothing and says that it does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from providers import Provider, ProviderSettings
from tests.subjects.watched import Watched, note
from vocabulary import Question, SearchResult, Session


class Asleep(Provider):
    """Its client belongs to one loop."""

    name = "asleep"
    api = "v7"

    class Settings(ProviderSettings):
        seconds: float = 0.001

    settings: Settings

    async def ingest(self, container: str, session: Session) -> None:
        self._loop = asyncio.get_running_loop()
        note("ingest", f"{container} {session.id}")

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        assert asyncio.get_running_loop() is self._loop
        await asyncio.sleep(self.settings.seconds)
        return [SearchResult(text=f"{container} {question.text} {top_k}")]

    async def clear(self, container: str) -> None:
        assert asyncio.get_running_loop() is self._loop
        note("clear", container)


class Empty(Watched):
    """Has lost everything."""

    name = "empty"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        del container, question, top_k
        return []
