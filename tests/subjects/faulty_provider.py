"""A memory system that fails at each of its steps for some questions, with a secret at hand: given by dotted path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256

from providers import Provider
from vocabulary import ProviderError, Question, SearchResult, Session


class Faulty(Provider):
    """Finds nothing; one haystack in two cannot be ingested, one question in three cannot be searched."""

    name = "faulty"

    def ingest(self, container: str, session: Session) -> None:
        key = os.environ["OPENAI_API_KEY"]  # in the frame that a traceback with its variables would show
        if _drawn(container, 2):
            raise RuntimeError(f"a key of {len(key)} characters did not help to ingest {session.id}")

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        key = os.environ["ANTHROPIC_API_KEY"]
        if _drawn(question.id, 3):
            raise ProviderError(f"a key of {len(key)} characters did not help to search {container} for {top_k}")
        return [SearchResult(text="Somebody: nothing of importance.")]

    def clear(self, container: str) -> None:
        """There is nothing to clear."""


def _drawn(text: str, one_in: int) -> bool:
    return sha256(text.encode()).digest()[0] % one_in == 0
