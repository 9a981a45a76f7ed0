"""Word search and dense retrieval together, by reciprocal rank fusion."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from providers.base import Capabilities, MaybeAwaitable, Provider, ProviderSettings
from providers.baselines.bm25 import Bm25, Bm25Settings
from providers.baselines.dense import Dense, DenseSettings
from vocabulary import Question, SearchResult, Session, Tunable

SMALLEST_DEPTH = 100
"""How far down both rankings are read unless `depth` is set (further if more results are asked for)."""


class HybridSettings(DenseSettings, Bm25Settings):
    """What can be set about the fusion, its word search and its embedder."""

    rrf_k: Annotated[float, Tunable(low=1, high=200, log=True, changes="search")] = Field(
        60, ge=0, allow_inf_nan=False, description="the k of reciprocal rank fusion"
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


class Hybrid(Provider):
    """`bm25` and `dense` asked the same, and their rankings fused: a score is the sum of 1 / (rrf_k + rank).

    Both see exactly what they see alone. Equal scores are in the order of the haystack.
    """

    name = "hybrid"
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

    def ingest(self, container: str, session: Session) -> MaybeAwaitable[None]:
        """Store one session for both, in the place of one with the same id."""
        if self._dense.server is not None:
            return self._ingest_by_server(container, session)
        self._bm25.ingest(container, session)
        self._dense.ingest_here(container, session)
        return None

    def search(self, container: str, question: Question, top_k: int) -> MaybeAwaitable[Sequence[SearchResult]]:
        """At most `top_k` messages, best first."""
        if self._dense.server is not None:
            return self._search_by_server(container, question, top_k)
        depth = self._reading_depth(top_k)
        words = self._bm25.search(container, question, depth)
        meaning = self._dense.search_here(container, question, depth)
        return self._fused(container, (words, meaning), top_k)

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
        return await asyncio.to_thread(self._fused, container, rankings, top_k)

    def _reading_depth(self, top_k: int) -> int:
        return self._depth or max(SMALLEST_DEPTH, top_k)

    def _fused(self, container: str, rankings: Sequence[Sequence[SearchResult]], top_k: int) -> Sequence[SearchResult]:
        least = (self._set.least_words, self._set.least_similarity)
        rankings = [_at_least(floor, ranking) for floor, ranking in zip(least, rankings, strict=True)]
        found = {result.message_ids[0]: result for ranking in rankings for result in ranking}
        order = self._dense.order(container, list(found))
        ids = [[result.message_ids[0] for result in ranking] for ranking in rankings]
        weights = (2 * self._set.words_weight, 2 - 2 * self._set.words_weight)
        fused = fuse(ids, self._rrf_k, order, weights)
        return [found[id_].model_copy(update={"score": score}) for id_, score in fused[: max(top_k, 0)]]


def _at_least(floor: float, ranking: Sequence[SearchResult]) -> Sequence[SearchResult]:
    """The results whose score is at least `floor`; 0 keeps all."""
    return [result for result in ranking if (result.score or 0.0) >= floor] if floor else ranking


def fuse(
    rankings: Sequence[Sequence[str]], k: float, order: Mapping[str, int], weights: Sequence[float] = ()
) -> list[tuple[str, float]]:
    """Everything in `rankings` (best first) with its score: the sum of weight / (k + rank) over them, ranks from 1.

    Best first; scores that are equal to 12 decimals are in the `order` of what they are of. Reciprocal rank fusion is
    from Cormack, Clarke, Buettcher: "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009, where k is 60.
    """
    scores: defaultdict[str, float] = defaultdict(float)
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, id_ in enumerate(ranking, start=1):
            scores[id_] += weight / (k + rank)
    return sorted(scores.items(), key=lambda item: (-round(item[1], 12), order[item[0]]))
