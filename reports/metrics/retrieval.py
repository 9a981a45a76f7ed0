"""How much of a question's evidence a search found, and how early: recall, hit, nDCG and reciprocal rank."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from reports.metrics.figures import Retrieval
from reports.metrics.statistics import ExactMean

K = (1, 3, 5, 10, 30, 50)
"""How many places of a ranking are looked at."""

_SCORES_KEPT = 1024
"""So many different scores are counted before they are added up: each addition is exact, and not cheap."""

Level = Literal["message", "session"]


class Sourced(Protocol):
    """A search result, or the line of a file that was made of one."""

    @property
    def session_ids(self) -> tuple[str, ...]:
        """The sessions that it comes from."""

    @property
    def message_ids(self) -> tuple[str, ...]:
        """The messages that it comes from."""


Ranking = tuple[str | None, ...]
"""Distinct ids, best first. None is a place whose origin is unknown; it may occur several times."""


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalScores:
    """The retrieval metrics of one question, each between 0 and 1; `recall`, `hit` and `ndcg` by k, for all of `K`.

    `places` is the length of the ranking, `unattributed` how many of those places have no known origin. Most questions
    with the same scores share one object.
    """

    recall: dict[int, float]
    hit: dict[int, float]
    ndcg: dict[int, float]
    mrr: float
    places: int
    unattributed: int


FAILED = RetrievalScores(dict.fromkeys(K, 0.0), dict.fromkeys(K, 0.0), dict.fromkeys(K, 0.0), 0.0, 0, 0)
"""A question whose search ended in an error: 0 in every metric, and still counted."""


def ranking_of(results: Iterable[Sourced], level: Level) -> Ranking:
    """The distinct messages or sessions that `results` come from, in order of first appearance.

    A result of three messages takes three places: k counts messages (or sessions), never results, so that larger pieces
    of text earn nothing. A result that does not say where it comes from takes one place, as it does in the model's
    context; otherwise a provider would gain by naming only its safest sources.
    """
    seen: set[str] = set()
    ranking: list[str | None] = []
    for result in results:
        ids = result.message_ids if level == "message" else result.session_ids
        if not ids:
            ranking.append(None)
        for found in ids:
            if found not in seen:
                seen.add(found)
                ranking.append(found)
    return tuple(ranking)


def score_ranking(ranking: Sequence[str | None], evidence: Iterable[str]) -> RetrievalScores:
    """Score a ranking of distinct ids against the ids of the gold evidence.

    With m distinct ids of evidence, and rel(i) = 1 where place i (from 1) holds one of them, else 0:

    - recall@k = sum of rel(1..k) / m; hit@k = 1 if any of rel(1..k) is 1
    - nDCG@k = DCG@k / IDCG@k, DCG@k = sum of rel(i) / log2(i + 1) for i up to k, IDCG@k the same with 1 on the first
      min(k, m) places: the ideal is over ALL evidence, found or not (Järvelin & Kekäläinen 2002, binary gains)
    - mrr = 1 / the first place that holds evidence, over the whole ranking; 0 if there is none

    Raises `ValueError` if there is no evidence (such a question is left out of retrieval metrics, it has no score) or
    if an id is ranked twice.
    """
    wanted = frozenset(evidence)
    if not wanted:
        raise ValueError("no evidence to score against: leave questions without evidence out of retrieval metrics")
    known = [found for found in ranking if found is not None]
    if len(set(known)) != len(known):
        twice = next(found for found in known if known.count(found) > 1)
        raise ValueError(f"{twice!r} is ranked twice: make the ranking with ranking_of, which keeps first appearances")
    places = tuple(place for place, found in enumerate(ranking, start=1) if found in wanted)
    return _scores(places, len(wanted), len(ranking), len(ranking) - len(known))


@lru_cache(maxsize=4096)
def _scores(places: tuple[int, ...], wanted: int, ranked: int, unattributed: int) -> RetrievalScores:
    """The scores where evidence is at these `places`; most questions of a run are alike in that."""
    found_by = {k: sum(place <= k for place in places) for k in K}
    return RetrievalScores(
        recall={k: found_by[k] / wanted for k in K},
        hit={k: float(found_by[k] > 0) for k in K},
        ndcg={k: _gain(places, k) / _ideal(wanted, k) for k in K},
        mrr=1 / places[0] if places else 0.0,
        places=ranked,
        unattributed=unattributed,
    )


class RetrievalMean:
    """Averages questions one at a time; the result is the same to the last digit in whatever order they come."""

    def __init__(self, top_k: int) -> None:
        """`top_k` is the run's: how many results a search was asked for. Raises `ValueError` below 1."""
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}: a search asks for at least 1 result")
        self._recall, self._hit, self._ndcg = ({k: ExactMean() for k in K if k <= top_k} for _ in range(3))
        self._mrr = ExactMean()
        self._places = self._unattributed = 0
        self._alike = Counter[RetrievalScores]()

    def add(self, scores: RetrievalScores) -> None:
        """Count one question; `FAILED` for one whose search ended in an error."""
        self._alike[scores] += 1
        if len(self._alike) == _SCORES_KEPT:
            self._add_up()

    def _add_up(self) -> None:
        for scores, n in self._alike.items():
            for means, values in ((self._recall, scores.recall), (self._hit, scores.hit), (self._ndcg, scores.ndcg)):
                for k, mean in means.items():
                    mean.add(values[k], n)
            self._mrr.add(scores.mrr, n)
            self._places += n * scores.places
            self._unattributed += n * scores.unattributed
        self._alike.clear()

    def summary(self) -> Retrieval:
        """The means so far; None for cut-offs beyond the run's top-k."""
        self._add_up()
        return Retrieval(
            n=self._mrr.n,
            recall=by_cutoff(self._recall),
            hit=by_cutoff(self._hit),
            ndcg=by_cutoff(self._ndcg),
            mrr=self._mrr.value,
            unattributed=self._unattributed / self._places if self._places else None,
        )


def by_cutoff(means: Mapping[int, ExactMean]) -> dict[str, float | None]:
    """The means by cut-off as text; a cut-off that was not measured is None."""
    return {str(k): means[k].value if k in means else None for k in K}


@lru_cache(maxsize=1024)
def _ideal(evidence: int, k: int) -> float:
    return _gain(range(1, evidence + 1), k)


def _gain(places: Iterable[int], k: int) -> float:
    return math.fsum(1 / math.log2(place + 1) for place in places if place <= k)
