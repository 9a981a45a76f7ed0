"""Word search and dense retrieval together, by reciprocal rank fusion; reranked by a packaged model if that is set."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from providers.base import Capabilities, MaybeAwaitable, Provider, ProviderSettings, Recalled
from providers.baselines.bm25 import Bm25, Bm25Settings
from providers.baselines.dense import Dense, DenseSettings
from providers.baselines.rerank import Rerank, Reranker, find_reranker
from vocabulary import Question, SearchResult, Session, Tunable

SMALLEST_DEPTH = 100
"""How far down both rankings are read unless `depth` is set (further if more results are asked for)."""


class HybridSettings(DenseSettings, Bm25Settings):
    """What can be set about the fusion, its word search and its embedder."""

    rrf_k: Annotated[float, Tunable(low=1, high=200, log=True, changes="search")] = Field(
        10, ge=0, allow_inf_nan=False, description="the k of reciprocal rank fusion"
    )
    words_weight: Annotated[float, Tunable(low=0.0, high=1.0, changes="search")] = Field(
        0.5, ge=0, le=1, description="how much the word search counts in the fusion; the rest is for meaning"
    )
    least_words: Annotated[float, Tunable(low=0.0, high=6.0, changes="search")] = Field(
        0.0, ge=0, description="the least score by words that a result of the word search needs"
    )
    least_similarity: Annotated[float, Tunable(low=0.0, high=0.8, changes="search")] = Field(
        0.0, ge=0, le=1, description="the least cosine similarity that a result by meaning needs"
    )
    depth: Annotated[int | None, Tunable(choices=(None, 20, 50, 200, 500), changes="search")] = Field(
        None, ge=1, le=10_000, description="how far down both rankings are read"
    )
    # a cross-encoder finds as much in some forty times the time: it is searched where --param names it
    rerank: Annotated[Rerank, Tunable(choices=("none", "late-interaction"), changes="search")] = Field(
        "none", description="a packaged model that puts the best of the fusion in another order"
    )
    rerank_depth: Annotated[
        int,
        Tunable(
            low=10, high=100, step=10, changes="search", active_if={"rerank": ("late-interaction", "cross-encoder")}
        ),
    ] = Field(50, ge=1, le=1000, description="how many of the best are reranked")

    @model_validator(mode="after")
    def _reranks_here(self) -> Self:
        if self.rerank != "none":
            find_reranker(self.rerank)
        return self


class Hybrid(Provider):
    """`bm25` and `dense` asked the same, and their rankings fused: a score is the sum of 1 / (rrf_k + rank).

    Both see exactly what they see alone. Equal scores are in the order of the haystack. With `rerank`, the best
    `rerank_depth` of the fusion are in the order of that model, with its scores (`Reranker`).
    """

    name = "hybrid"
    shares = True
    version = "2"
    capabilities = Capabilities(needs="the extra `dense`, or an embedder's address")
    Settings = HybridSettings
    limits = Dense.limits

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        if not isinstance(settings, HybridSettings):
            raise TypeError(f"settings of {type(self).__name__} are HybridSettings, not {type(settings).__name__}")
        self._rrf_k = settings.rrf_k
        self._depth = settings.depth
        self._bm25 = Bm25(settings, workspace)
        self._set = settings
        self._dense = Dense(settings, workspace)
        self.limits = self._dense.limits  # they depend on the embedder
        self._reranker: Reranker | None = None
        if settings.rerank != "none":
            self._reranker = Reranker(settings.rerank, settings.rerank_depth)

    def ingest(self, container: str, session: Session) -> MaybeAwaitable[None]:
        """Store one session for both, in the place of one with the same id."""
        if self._dense.server is not None:
            return self._ingest_by_server(container, session)
        self._bm25.ingest(container, session)
        self._dense.ingest_here(container, session)
        return None

    def search(self, container: str, question: Question, top_k: int) -> MaybeAwaitable[Sequence[SearchResult]]:
        """At most `top_k` messages, best first."""
        self._dense.shared = self.shared
        if self._dense.server is not None:
            return self._search_by_server(container, question, top_k)
        depth = self._reading_depth(top_k)
        words = self._bm25.search(container, question, depth)
        meaning = self._dense.search_here(container, question, depth)
        found = self._fused(container, question, (words, meaning), top_k)
        return Recalled(found) if isinstance(meaning, Recalled) else found

    def clear(self, container: str) -> None:
        """Remove a container from both."""
        self._bm25.clear(container)
        self._dense.clear(container)

    def close(self) -> MaybeAwaitable[None]:
        """Close the files and the connections."""
        self._bm25.close()
        return self._dense.close()

    async def _ingest_by_server(self, container: str, session: Session) -> None:
        server = self._dense.server
        assert server is not None
        await asyncio.to_thread(self._bm25.ingest, container, session)
        await self._dense.ingest_by_server(server, container, session)

    async def _search_by_server(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        server = self._dense.server
        assert server is not None
        depth = self._reading_depth(top_k)
        rankings = await asyncio.gather(
            asyncio.to_thread(self._bm25.search, container, question, depth),
            self._dense.search_by_server(server, container, question, depth),
        )
        return await asyncio.to_thread(self._fused, container, question, rankings, top_k)

    def _reading_depth(self, top_k: int) -> int:
        return self._depth or max(SMALLEST_DEPTH, top_k, self._reranker.depth if self._reranker else 0)

    def _fused(
        self, container: str, question: Question, rankings: Sequence[Sequence[SearchResult]], top_k: int
    ) -> Sequence[SearchResult]:
        least = (self._set.least_words, self._set.least_similarity)
        rankings = [_at_least(floor, ranking) for floor, ranking in zip(least, rankings, strict=True)]
        found = {result.message_ids[0]: result for ranking in rankings for result in ranking}
        order = self._dense.order(container, list(found))
        ids = [[result.message_ids[0] for result in ranking] for ranking in rankings]
        weights = (2 * self._set.words_weight, 2 - 2 * self._set.words_weight)
        fused = fuse(ids, self._rrf_k, order, weights)
        most = max(top_k, 0)
        if self._reranker is None or not most:
            return [found[id_].model_copy(update={"score": score}) for id_, score in fused[:most]]
        best = [found[id_] for id_, _score in fused[: max(most, self._reranker.depth)]]
        return self._reranker.reorder(question.text, best, order, most, self._dense.computed)


def _at_least(floor: float, ranking: Sequence[SearchResult]) -> Sequence[SearchResult]:
    """The results whose score is at least `floor`; 0 keeps all."""
    return [result for result in ranking if (result.score or 0.0) >= floor] if floor else ranking


def fuse(
    rankings: Sequence[Sequence[str]], k: float, order: Mapping[str, int], weights: Sequence[float] = ()
) -> list[tuple[str, float]]:
    """Everything in `rankings` (best first) with its score: the sum of weight / (k + rank) over them, ranks from 1.

    Best first; scores that are equal to 12 decimals are in the `order` of what they are of. Reciprocal rank fusion is
    from Cormack, Clarke, Buettcher: "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009, where k is 60; why it is 10 here is in ``docs/providers/embedded.md``.
    """
    scores: defaultdict[str, float] = defaultdict(float)
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, id_ in enumerate(ranking, start=1):
            scores[id_] += weight / (k + rank)
    return sorted(scores.items(), key=lambda item: (-round(item[1], 12), order[item[0]]))
