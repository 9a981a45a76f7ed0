"""Retrieval as a data set's own script counts it, by its own names and with its oddities, beside our figures."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal

from reports.retrieval_metrics import K, Ranking, ranking_of
from reports.statistics import ExactMean
from schema import Gold, SearchResult, Word

OfficialLevel = Literal["session", "turn"]
OFFICIAL_LEVELS: tuple[OfficialLevel, ...] = ("session", "turn")

_TURN = re.compile(r"(?P<session>s\d+)(?P<role>[ua])\d+")
"""How LongMemEval's messages are called here: the third turn of the twelfth session, said by the user, is s012u03."""


class OfficialSummary(Word):
    """Means over `n` questions, each between 0 and 1, by k as text; None where `n` is 0.

    Only k up to the run's top-k are here: what was not asked for was not measured.
    """

    n: int
    recall_any: dict[str, float | None]
    recall_all: dict[str, float | None]
    ndcg_any: dict[str, float | None]


class LongMemEvalRetrieval:
    """LongMemEval's retrieval metrics (Wu et al. 2025, arXiv 2410.10813, ``retrieval/eval_utils.py``), averaged.

    Only what the user says is there to be found: the corpus is made of user turns, and correct are those that are
    marked as evidence, or the sessions that hold one. Questions that cannot be answered, and those whose evidence was
    said by the assistant alone, are left out. With rel(i) = 1 where place i (from 1) is correct, and m correct in all:

    - recall_any@k = 1 if any of rel(1..k) is 1; recall_all@k = 1 if rel(1..k) has all m
    - ndcg_any@k = DCG@k / IDCG@k, DCG@k = rel(1) + sum of rel(i) / log2(i) for i from 2 to k: places 1 and 2 weigh the
      same (Järvelin & Kekäläinen 2002, with b = 2). IDCG@k has 1 on the first min(k, m) places.
    """

    def __init__(self, top_k: int) -> None:
        """`top_k` is the run's: how many results a search was asked for."""
        self._means = {level: _Means(top_k) for level in OFFICIAL_LEVELS}

    def add(self, results: Sequence[SearchResult] | None, gold: Gold) -> None:
        """Count one question; `results` None, for one whose search ended in an error, found nothing and counts 0."""
        correct = [told for told in map(_TURN.fullmatch, gold.evidence_messages) if told and told["role"] == "u"]
        if not gold.answerable or not correct:
            return
        found = results or ()
        self._means["turn"].add(_user_turns(found), {told.group() for told in correct})
        self._means["session"].add(ranking_of(found, "session"), {told["session"] for told in correct})

    def summary(self) -> dict[OfficialLevel, OfficialSummary]:
        """The means so far."""
        return {level: means.summary() for level, means in self._means.items()}


OFFICIAL_RETRIEVAL = {"longmemeval_official": LongMemEvalRetrieval}
"""Metrics by the name that a benchmark asks for (`bench.base.Benchmark.official_retrieval`) and that reports show."""


def odd_gain(places: Iterable[int], k: int) -> float:
    """DCG of binary gains at `places` (from 1) up to `k`, the second place discounted as little as the first."""
    return math.fsum(1 / math.log2(max(place, 2)) for place in places if place <= k)


class _Means:
    def __init__(self, top_k: int) -> None:
        self._any, self._all, self._ndcg = ({k: ExactMean() for k in K if k <= top_k} for _ in range(3))
        self._n = 0

    def add(self, ranking: Ranking, correct: Collection[str]) -> None:
        self._n += 1
        places = [place for place, found in enumerate(ranking, start=1) if found in correct]
        for k in self._any:
            within = sum(place <= k for place in places)
            self._any[k].add(float(within > 0))
            self._all[k].add(float(within == len(correct)))
            self._ndcg[k].add(odd_gain(places, k) / odd_gain(range(1, len(correct) + 1), k))

    def summary(self) -> OfficialSummary:
        any_, all_, ndcg = ({str(k): mean.value for k, mean in by.items()} for by in (self._any, self._all, self._ndcg))
        return OfficialSummary(n=self._n, recall_any=any_, recall_all=all_, ndcg_any=ndcg)


def _user_turns(results: Iterable[SearchResult]) -> Ranking:
    """The ranking without what the assistant said, which is not in the corpus; an unknown origin keeps its place."""

    def kept() -> Iterator[str | None]:
        for message in ranking_of(results, "message"):
            told = _TURN.fullmatch(message) if message else None
            if not told or told["role"] == "u":
                yield message

    return tuple(kept())
