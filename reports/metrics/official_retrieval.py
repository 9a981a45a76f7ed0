"""Retrieval as a data set's own script counts it, by its own names and with its oddities, beside our figures."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence

from reports.metrics.figures import OfficialRetrieval, OfficialScores
from reports.metrics.retrieval import K, Level, Ranking, by_cutoff, ranking_of
from reports.metrics.statistics import ExactMean
from vocabulary import Gold, SearchResult

OFFICIAL, SESSION_CORPUS = "longmemeval_official", "longmemeval_session_corpus"

_TURN = re.compile(r"(?P<session>s\d+)(?P<role>[ua])\d+")
"""How LongMemEval's messages are called here: the third turn of the twelfth session, said by the user, is s012u03."""


class LongMemEvalRetrieval:
    """LongMemEval's retrieval metrics (Wu et al. 2025, arXiv 2410.10813, ``retrieval/eval_utils.py``), averaged.

    Only what the user says is there to be found: the corpus is made of user turns, and correct are those that are
    marked as evidence, or the sessions that hold one. Questions that cannot be answered, and those whose evidence was
    said by the assistant alone, are left out. With rel(i) = 1 where place i (from 1) is correct, and m correct in all:

    - recall_any@k = 1 if any of rel(1..k) is 1; recall_all@k = 1 if rel(1..k) has all m
    - ndcg_any@k = DCG@k / IDCG@k, DCG@k = rel(1) + sum of rel(i) / log2(i) for i from 2 to k: places 1 and 2 weigh the
      same (Järvelin & Kekäläinen 2002, with b = 2). IDCG@k has 1 on the first min(k, m) places.

    The authors score sessions in two ways. ``longmemeval_official`` has the one that they print beside their turn level
    (``turn2session``): it reads the ranking of turns to the place where k distinct sessions were seen, and a session's
    evidence turns and its other turns count as two. recall_all wants every evidence session, each by an evidence turn;
    nDCG still counts turns. ``longmemeval_session_corpus`` is their run over a corpus of whole sessions.
    """

    def __init__(self, top_k: int) -> None:
        """`top_k` is the run's: how many results a search was asked for."""
        self._turn, self._session_of_turns, self._session = (_Means(top_k) for _ in range(3))

    def add(self, results: Sequence[SearchResult] | None, gold: Gold) -> None:
        """Count one question; `results` None, for one whose search ended in an error, found nothing and counts 0."""
        evidence = [match for match in map(_TURN.fullmatch, gold.evidence_messages) if match and match["role"] == "u"]
        if not gold.answerable or not evidence:
            return
        found = results or ()
        session_of = {match.group(): match["session"] for match in evidence}
        turns = _user_turns(found)
        self._turn.add(turns, {turn: turn for turn in session_of})
        self._session_of_turns.add(turns, session_of, of_sessions=True)
        self._session.add(ranking_of(found, "session"), {session: session for session in session_of.values()})

    def summary(self, levels: Collection[Level]) -> dict[str, OfficialRetrieval]:
        """The means so far by name; a level is null where results do not say enough for it (`levels`)."""
        turn, session_of_turns = (
            means.summary() if "message" in levels else None for means in (self._turn, self._session_of_turns)
        )
        session = self._session.summary() if "session" in levels else None
        return {
            OFFICIAL: OfficialRetrieval(session=session_of_turns, turn=turn),
            SESSION_CORPUS: OfficialRetrieval(session=session, turn=None),
        }


OFFICIAL_RETRIEVAL = {OFFICIAL: LongMemEvalRetrieval}
"""Metrics by the name that a benchmark asks for (`bench.base.Benchmark.official_retrieval`)."""


def odd_gain(places: Iterable[int], k: float) -> float:
    """DCG of binary gains at `places` (from 1) up to `k`, the second place discounted as little as the first."""
    return math.fsum(1 / math.log2(max(place, 2)) for place in places if place <= k)


class _Means:
    def __init__(self, top_k: int) -> None:
        self._any, self._all, self._ndcg = ({k: ExactMean() for k in K if k <= top_k} for _ in range(3))
        self._n = 0

    def add(self, ranking: Ranking, correct: Mapping[str, str], *, of_sessions: bool = False) -> None:
        """Count a ranking; `correct` has what is to be found for each correct id: itself, or its session."""
        self._n += 1
        places = {place: correct[turn] for place, turn in enumerate(ranking, start=1) if turn and turn in correct}
        for k in self._any:
            last = _place_of_session(ranking, correct, k) if of_sessions else k
            within = {target for place, target in places.items() if place <= last}
            self._any[k].add(float(bool(within)))
            self._all[k].add(float(len(within) == len(set(correct.values()))))
            self._ndcg[k].add(odd_gain(places, last) / odd_gain(range(1, len(correct) + 1), last))

    def summary(self) -> OfficialScores:
        any_, all_, ndcg = (by_cutoff(means) for means in (self._any, self._all, self._ndcg))
        return OfficialScores(n=self._n, recall_any=any_, recall_all=all_, ndcg_any=ndcg)


def _place_of_session(ranking: Ranking, correct: Container[str | None], k: int) -> float:
    """The place of a ranking of turns at which `k` distinct sessions were seen, infinite where it has fewer."""
    seen: set[tuple[str | int, bool]] = set()
    for place, turn in enumerate(ranking, start=1):
        match = _TURN.fullmatch(turn) if turn else None
        seen.add((match["session"] if match else place, turn in correct))
        if len(seen) == k:
            return place
    return math.inf


def _user_turns(results: Iterable[SearchResult]) -> Ranking:
    """The ranking without what the assistant said, which is not in the corpus; an unknown origin keeps its place."""

    def kept() -> Iterator[str | None]:
        for message in ranking_of(results, "message"):
            match = _TURN.fullmatch(message) if message else None
            if not match or match["role"] == "u":
                yield message

    return tuple(kept())
