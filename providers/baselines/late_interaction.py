"""Late interaction: messages found by the vectors of their tokens, with a packaged ColBERT; no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from providers.base import Capabilities, Limits, Provider, ProviderSettings
from providers.baselines.rerank import TOKENS_IDENTITY, find_reranker, load_token_model
from providers.baselines.vector_forms import VectorOfEachToken
from providers.baselines.vectors import VectorStore
from vocabulary import Question, SearchResult, Session


class LateInteractionSettings(ProviderSettings):
    """What can be set about it. Making one raises `ConfigurationError` if the extra `dense` is not installed."""

    # It does not change what is found, so another machine may choose otherwise and go on with the run.
    held_mb: int = Field(192, ge=0, exclude=True, description="how many megabytes of vectors a process keeps in memory")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        find_reranker("late-interaction", "choose another provider, such as bm25")
        return self


class LateInteraction(Provider):
    """Exact search by MaxSim over the tokens of messages with their date, speaker and caption.

    A score is the mean over the question's tokens of their best cosine with a token of the message (Khattab and
    Zaharia: "ColBERT", SIGIR 2020, divided by the number of the question's tokens): -1 to 1. The vectors are kept with
    a byte a number. A text's vectors are computed once in a run. Equal scores are in the order of the haystack. A
    message that says nothing is kept and never found.
    """

    name = "late-interaction"
    capabilities = Capabilities(needs="the extra `dense`")
    Settings = LateInteractionSettings
    # A search is a computation in this process: two at once would only share its time, and be measured so.
    limits = Limits(concurrency=1, scope="process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        if not isinstance(settings, LateInteractionSettings):
            raise TypeError(f"settings of {type(self).__name__} are not {type(settings).__name__}")
        self._vectors = VectorStore(
            workspace / "tokens.sqlite", TOKENS_IDENTITY, settings.held_mb << 20, VectorOfEachToken()
        )

    def ingest(self, container: str, session: Session) -> None:
        """Embed and store one session, in the place of one with the same id."""
        model = load_token_model()
        self._vectors.put(container, session, {text: model.message(text) for text in self._vectors.unknown(session)})

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """At most `top_k` messages, best first; none for a question without text."""
        if not question.text.strip():
            return []
        asked = load_token_model().question(question.text)
        return [message.as_result(score) for message, score in self._vectors.nearest(container, asked, top_k)]

    def clear(self, container: str) -> None:
        """Remove a container; the vectors stay for other containers with the same texts."""
        self._vectors.clear(container)

    def close(self) -> None:
        """Close the file."""
        self._vectors.close()
