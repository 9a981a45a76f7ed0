"""The whole haystack as context: what a memory system saves, and what it must not lose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from providers.base import Capabilities, Limits, Provider, ProviderSettings
from providers.baselines.store import Store
from vocabulary import Question, SearchResult, Session


class FullContext(Provider):
    """Hands over every message of the container, in the order in which it was said, whatever `top_k` is.

    The results are not ranked and have no scores. All of them are in memory at once, and those of the latest container
    stay there: its next question gets the same tuple, unless the file has changed since.
    """

    name = "full-context"
    capabilities = Capabilities(ranked=False)
    # Reading the file is work of this process: two at once would only share its time, and be measured so.
    limits = Limits(concurrency=1, scope="process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self._store = Store(workspace / "full-context.sqlite")
        self._latest: tuple[str, tuple[int, int], tuple[SearchResult, ...]] | None = None

    def ingest(self, container: str, session: Session) -> None:
        """Store one session, in the place of one with the same id."""
        self._store.ingest(container, session)

    def search(
        self,
        container: str,
        question: Question,  # noqa: ARG002  everything is found, whatever is asked
        top_k: int,  # noqa: ARG002  and all of it is handed over
    ) -> Sequence[SearchResult]:
        """All messages, neither chosen by `question` nor cut at `top_k`."""
        with self._store.reading() as records:
            key, version = records.find(container), records.version()
            if self._latest and self._latest[:2] == (container, version):
                return self._latest[2]
            results = () if key is None else tuple(message.as_result() for message in records.all(key))
            self._latest = container, version, results
        return results

    def clear(self, container: str) -> None:
        """Remove a container."""
        self._store.clear(container)

    def close(self) -> None:
        """Close the file."""
        self._store.close()
        self._latest = None  # the next connection counts anew
