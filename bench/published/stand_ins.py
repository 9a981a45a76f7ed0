"""Who takes the places of memory system and answering model where answers are recorded: neither is ever called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from llms import Answerer
from providers import Provider
from vocabulary import Answer, Question, SearchResult, Session

_NEVER = "the answers are recorded: nothing is ingested, searched or answered"


class RecordedProvider(Provider):
    """The memory system behind recorded answers."""

    def ingest(self, container: str, session: Session) -> NoReturn:
        """Never called."""
        del container, session
        raise AssertionError(_NEVER)

    def search(self, container: str, question: Question, top_k: int) -> NoReturn:
        """Never called."""
        del container, question, top_k
        raise AssertionError(_NEVER)

    def clear(self, container: str) -> None:
        """There is nothing to remove."""


class RecordedAnswerer(Answerer):
    """The model behind recorded answers; `version` is a hash of them. Here it is no model: it costs nothing."""

    name = "imported"
    offline = True

    def __init__(self, digest: str) -> None:
        self.version = digest[:12]

    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        """Never called."""
        del question, results
        raise AssertionError(_NEVER)
