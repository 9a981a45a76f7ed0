"""No memory at all: the floor."""

from __future__ import annotations

from collections.abc import Sequence

from providers.base import Capabilities, Limits, Provider
from vocabulary import Question, SearchResult, Session


class NoMemory(Provider):
    """Keeps nothing and finds nothing: what the answering model knows by itself, or guesses."""

    name = "none"
    capabilities = Capabilities(finds=False)
    limits = Limits(scope="process")

    def ingest(self, container: str, session: Session) -> None:
        """Nothing is kept."""

    def search(
        self,
        container: str,  # noqa: ARG002  nothing depends on what is asked, here and below
        question: Question,  # noqa: ARG002
        top_k: int,  # noqa: ARG002
    ) -> Sequence[SearchResult]:
        """Nothing is found."""
        return []

    def clear(self, container: str) -> None:
        """There is nothing to remove."""
