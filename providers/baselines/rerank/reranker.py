"""The best results of a search in the order of a model that reads question and message together."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from providers.base import Recalled
from providers.baselines.rerank.computed import Computed, digest
from providers.baselines.rerank.models import Rerank, Scorer, make_scorer
from vocabulary import SearchResult

HELD_BYTES = 128 << 20
"""How much a late interaction holds of the vectors of messages: some 5,800 of LoCoMo's."""

_turn = threading.Lock()
_warm: dict[Rerank, Scorer] = {}
"""Scorers of this process that runs share: a late interaction holds vectors."""


class Reranker:
    """Puts the first `depth` results in another order; the threads of a process take turns."""

    def __init__(self, kind: Rerank, depth: int) -> None:
        self.depth = depth
        self._kind = kind
        self._scorer: Scorer | None = None
        self._recalls = False

    def reorder(
        self,
        question: str,
        results: Sequence[SearchResult],
        order: Mapping[str, int],
        top_k: int,
        computed: Computed | None,
    ) -> Sequence[SearchResult]:
        """At most `top_k` of `results` (best first), the first `depth` of these by their score in this model.

        Equal scores are in `order`, which is by message id. Results below `depth` keep their places and have no score:
        it would not compare. `computed` has the scores of other runs, and gets those of this one.
        """
        head = results[: self.depth]
        if not head:
            return []
        with _turn:
            scores, recalled = self._scores(question, [result.text for result in head], computed)
        scored = [result.model_copy(update={"score": score}) for result, score in zip(head, scores, strict=True)]
        scored.sort(key=lambda result: (-(result.score or 0.0), order[result.message_ids[0]]))
        rest = (result.model_copy(update={"score": None}) for result in results[self.depth : top_k])
        found = [*scored, *rest][:top_k]
        return Recalled(found) if recalled else found

    def _scores(self, question: str, texts: Sequence[str], computed: Computed | None) -> tuple[list[float], bool]:
        """A score for each text, and whether another run has spared this one any work."""
        scorer = self._scorer = self._scorer or self._open(shared=computed is not None)
        if computed is None:
            return scorer.scores(question, texts), False
        asked = digest(scorer.identity, question)
        known = computed.scores(asked)
        names = {digest(text): text for text in texts}
        new = {name: text for name, text in names.items() if name not in known}
        if new:
            found = dict(zip(new, scorer.scores(question, list(new.values())), strict=True))
            computed.keep_scores(asked, found)
            known |= found
        return [known[digest(text)] for text in texts], self._recalls or len(new) < len(names)

    def _open(self, *, shared: bool) -> Scorer:
        if not shared:
            return make_scorer(self._kind, HELD_BYTES)
        self._recalls = self._kind in _warm
        return _warm.setdefault(self._kind, make_scorer(self._kind, HELD_BYTES))
