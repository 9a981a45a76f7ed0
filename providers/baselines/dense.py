"""Dense retrieval: messages found by what they mean, with the packaged model or any embedder by its address."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, field_validator, model_validator

from net import check_address
from providers.base import Capabilities, Limits, MaybeAwaitable, Provider, ProviderSettings, Recalled
from providers.baselines.embedding_server import EmbeddingServer
from providers.baselines.packaged_model import IDENTITY, QUERY_PREFIX, find_model, load_model
from providers.baselines.rerank import Computed, digest
from providers.baselines.vector_forms import OneVector
from providers.baselines.vectors import VectorStore
from vocabulary import ConfigurationError, Question, SearchOnly, SearchResult, Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGED = "packaged"


class DenseSettings(ProviderSettings):
    """What can be set about an embedder.

    Making one raises `ConfigurationError` if its embedder cannot work here.
    """

    embedder: str = Field(PACKAGED, description="packaged, or the base address of an OpenAI-compatible server")
    embedding_model: str | None = Field(None, description="the model's name at that server")
    query_prefix: Annotated[str | None, SearchOnly()] = Field(
        None, description="put before each question; by default the packaged model's own"
    )
    document_prefix: str = Field("", description="put before each message")
    embedding_batch: int = Field(64, ge=1, le=2048, description="how many texts one request to a server holds")
    # Neither changes what is found, so another machine may choose otherwise and go on with the run.
    key_variable: str = Field(
        "EMBEDDING_API_KEY", exclude=True, description="environment variable that holds the server's key, if it has one"
    )
    held_mb: int = Field(192, ge=0, exclude=True, description="how many megabytes of vectors a process keeps in memory")

    @field_validator("embedder")
    @classmethod
    def _address(cls, value: str) -> str:
        if value == PACKAGED:
            return value
        address = check_address(
            "embedder",
            value,
            key="the environment variable EMBEDDING_API_KEY",
            example=f"http://localhost:11434/v1, nor {PACKAGED!r}",
        )
        return address.removesuffix("/embeddings")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.embedder != PACKAGED:
            if not self.embedding_model:
                raise ConfigurationError(
                    f"embedder {self.embedder} needs the name of its model: --provider-option embedding_model=NAME."
                )
            return self
        if self.embedding_model:
            raise ConfigurationError(
                f"embedding_model={self.embedding_model} is for an embedder by its address: add --provider-option "
                "embedder=http://HOST:PORT/v1. The packaged one is a model by itself."
            )
        find_model()
        return self

    @property
    def identity(self) -> str:
        """Names the vectors of messages: the same text has the same vector under the same identity."""
        model = IDENTITY if self.embedder == PACKAGED else f"{self.embedder} {self.embedding_model}"
        return f"{model}\n{self.document_prefix}"


class Dense(Provider):
    """Exact search by the cosine of embeddings, over messages with their speaker and caption, without their date.

    A text's vector is computed once in a run, in whichever haystack it comes first. Scores are cosine similarities;
    equal ones are in the order of the haystack. A message that says nothing is kept and never found.

    With the packaged embedder all is computed in this process; with one by its address, `ingest` and `search` are
    awaitable, and as many may be under way as the run allows.
    """

    name = "dense"
    shares = True
    capabilities = Capabilities(needs="the extra `dense`, or an embedder's address")
    Settings = DenseSettings
    # A search is a computation in this process: two at once would only share its time, and be measured so.
    limits = Limits(concurrency=1, scope="process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        if not isinstance(settings, DenseSettings):
            raise TypeError(f"settings of {type(self).__name__} are DenseSettings, not {type(settings).__name__}")
        self._vectors = VectorStore(workspace / "dense.sqlite", settings.identity, settings.held_mb << 20, OneVector())
        self._computed: Computed | None = None
        self._document_prefix = settings.document_prefix
        self._query_prefix = settings.query_prefix or ""
        self.server: EmbeddingServer | None = None
        if settings.embedder != PACKAGED:
            self.limits = Limits()  # the class's are for the embedder that computes here
            self.server = EmbeddingServer(
                settings.embedder,
                settings.embedding_model or "",
                batch=settings.embedding_batch,
                key_variable=settings.key_variable,
                hold=lambda seconds: self.hold(seconds),  # which the run sets
            )
        elif settings.query_prefix is None:
            self._query_prefix = QUERY_PREFIX

    def ingest(self, container: str, session: Session) -> MaybeAwaitable[None]:
        """Embed and store one session, in the place of one with the same id."""
        if self.server is not None:
            return self.ingest_by_server(self.server, container, session)
        self.ingest_here(container, session)
        return None

    def search(self, container: str, question: Question, top_k: int) -> MaybeAwaitable[Sequence[SearchResult]]:
        """At most `top_k` messages, best first; none for a question without text."""
        if self.server is not None:
            return self.search_by_server(self.server, container, question, top_k)
        return self.search_here(container, question, top_k)

    def ingest_here(self, container: str, session: Session) -> None:
        """`ingest` with the packaged embedder."""
        texts = self._vectors.unknown(session)
        vectors = load_model().embed(self._as_documents(texts)) if texts else ()
        self._vectors.put(container, session, dict(zip(texts, vectors, strict=True)))

    async def ingest_by_server(self, server: EmbeddingServer, container: str, session: Session) -> None:
        """`ingest` with an embedder by its address."""
        texts = await asyncio.to_thread(self._vectors.unknown, session)
        vectors = await server.embed(self._as_documents(texts))
        await asyncio.to_thread(self._vectors.put, container, session, dict(zip(texts, vectors, strict=True)))

    def search_here(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """`search` with the packaged embedder."""
        if not question.text.strip():
            return []
        query, recalled = self._query_vector(self._query_prefix + question.text)
        found = [message.as_result(score) for message, score in self._vectors.nearest(container, query, top_k)]
        return Recalled(found) if recalled else found

    async def search_by_server(
        self, server: EmbeddingServer, container: str, question: Question, top_k: int
    ) -> Sequence[SearchResult]:
        """`search` with an embedder by its address."""
        if not question.text.strip():
            return []
        (query,) = await server.embed([self._query_prefix + question.text])
        found = await asyncio.to_thread(self._vectors.nearest, container, query, top_k)
        return [message.as_result(score) for message, score in found]

    def order(self, container: str, message_ids: Sequence[str]) -> dict[str, int]:
        """Of messages of a container, by their ids: the numbers that order them as they were said."""
        return self._vectors.order(container, message_ids)

    def clear(self, container: str) -> None:
        """Remove a container."""
        self._vectors.clear(container)

    def close(self) -> MaybeAwaitable[None]:
        """Close the files and the connections."""
        self._vectors.close()
        if self._computed is not None:
            self._computed.close()
        return self.server.close() if self.server is not None else None

    @property
    def computed(self) -> Computed | None:
        """What other runs computed, and can use; None where nothing is shared."""
        if self._computed is None and self.shared is not None:
            self._computed = Computed(self.shared / "computed.sqlite")
        return self._computed

    def _query_vector(self, text: str) -> tuple[NDArray[np.float32], bool]:
        """The vector of a question, and whether it had been computed before."""
        import numpy as np

        name, computed = digest(IDENTITY, text), self.computed
        if computed and (known := computed.vector(name)) is not None:
            return np.frombuffer(known, np.float32), True
        (vector,) = load_model().embed([text])
        if computed:
            computed.keep_vector(name, vector.tobytes())
        return vector, False

    def _as_documents(self, texts: Sequence[str]) -> list[str]:
        return [self._document_prefix + text for text in texts]
