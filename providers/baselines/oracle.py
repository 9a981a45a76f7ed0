"""The gold evidence and nothing else: what an answering model can do when retrieval is perfect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from providers.base import Ceiling, Limits, ProviderSettings
from providers.baselines.store import BY_ID, Store
from vocabulary import Gold, Question, SearchResult, Session


class Oracle(Ceiling):
    """Finds the messages that the benchmark names as evidence, in the order in which they were said.

    Where a benchmark names sessions only, these are found whole. Questions without evidence get nothing.
    """

    name = "oracle"
    # Reading the file is work of this process: two at once would only share its time, and be measured so.
    limits = Limits(concurrency=1, scope="process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self._store = Store(workspace / "oracle.sqlite", BY_ID)

    def ingest(self, container: str, session: Session) -> None:
        """Store one session, in the place of one with the same id."""
        self._store.ingest(container, session)

    def search_gold(
        self,
        container: str,
        question: Question,  # noqa: ARG002  the gold says it all
        gold: Gold,
        top_k: int,
    ) -> Sequence[SearchResult]:
        """At most `top_k` messages of the evidence, the earliest first."""
        with self._store.reading() as records:
            key = records.find(container)
            if key is None:
                return []
            if gold.evidence_messages:
                found = [message for id_ in set(gold.evidence_messages) for message in records.of_id(key, id_)]
            else:
                found = [message for id_ in set(gold.evidence_sessions) for message in records.of_session(key, id_)]
        found.sort(key=lambda message: message.number)
        return [message.as_result() for message in found[: max(top_k, 0)]]

    def clear(self, container: str) -> None:
        """Remove a container."""
        self._store.clear(container)

    def close(self) -> None:
        """Close the file."""
        self._store.close()
