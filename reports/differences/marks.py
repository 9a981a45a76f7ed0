"""What a comparison keeps of one question of one provider: numbers and ids, no text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from reports.metrics import FAILED, Level, RetrievalScores, Sourced, ranking_of, score_ranking
from reports.store import Step

TIMED = ("search", "answer", "judge")


class Found(NamedTuple):
    """How many pieces of evidence a question names, and at which places (from 1) of the ranking they were found."""

    evidence: int
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Marks:
    """One question. `found` has the levels at which it names evidence, `ms` the service times that the run measured.

    `outcome` is that of `QuestionRecord`; `groups` has "answerable" or "unanswerable", then the benchmark's own.
    """

    question: str
    question_type: str
    groups: tuple[str, ...]
    cluster: str
    outcome: str
    found: Mapping[Level, Found] = field(default_factory=dict)
    ms: Mapping[str, float] = field(default_factory=dict)
    context_tokens: int | None = None
    usd: float | None = None

    @property
    def correct(self) -> bool:
        """Whether the verdict is correct; an error and a question that was not asked are not."""
        return self.outcome == "correct"

    def belongs_to(self, part: str | None) -> bool:
        """Whether the question is of this type or group; None is all of them."""
        return part is None or part == self.question_type or part in self.groups

    def value(self, figure: str, level: Level = "message") -> float | None:
        """What the question contributes to a figure; None where nothing was to be measured.

        `figure` is "accuracy", "context_tokens", "usd", "search_ms" and the like, "mrr", or "recall@10" and the like.
        """
        if figure == "accuracy":
            return float(self.correct)
        if figure in ("context_tokens", "usd"):
            number: float | None = getattr(self, figure)
            return number
        if figure.endswith("_ms"):
            return self.ms.get(figure.removesuffix("_ms"))
        found = self.found.get(level)
        if found is None:
            return None
        scores = _scores(found)
        metric, _, cutoff = figure.partition("@")
        if metric == "mrr":
            return scores.mrr
        by_cutoff: dict[int, float] = getattr(scores, metric)
        return by_cutoff[int(cutoff)]


def mark(
    question: str, question_type: str, cluster: str, outcome: str, *,
    answerable: bool, groups: Sequence[str], evidence: Mapping[Level, Sequence[str]],
    results: Iterable[Sourced] | None, steps: Iterable[Step], context_tokens: int | None, usd: float | None = None,
) -> Marks:  # fmt: skip
    """The marks of a question; `results` is None where no search was done, which has found nothing."""
    every = None if results is None else list(results)
    return Marks(
        question, question_type, ("answerable" if answerable else "unanswerable", *groups), cluster, outcome,
        {level: _found(ids, every, level) for level, ids in evidence.items() if ids},
        times_of(steps), context_tokens, usd,
    )  # fmt: skip


def times_of(steps: Iterable[Step]) -> dict[str, float]:
    """Service times of what this run did: not of errors, of the step cache, or of batches."""
    return {
        step.phase: step.service_ms
        for step in steps
        if step.phase in TIMED and step.error is None and step.attempts and not (step.usage and step.usage.batched)
    }


def _found(evidence: Sequence[str], results: Sequence[Sourced] | None, level: Level) -> Found:
    wanted = frozenset(evidence)
    ranking = () if results is None else ranking_of(results, level)
    return Found(len(wanted), tuple(place for place, one in enumerate(ranking, start=1) if one in wanted))


@lru_cache(maxsize=65536)
def _scores(found: Found) -> RetrievalScores:
    """The scores of a ranking with evidence at these places, by the one implementation of them."""
    if not found.places:
        return FAILED
    ids = {place: str(number) for number, place in enumerate(found.places)}
    ranking = [ids.get(place) for place in range(1, found.places[-1] + 1)]
    return score_ranking(ranking, [str(number) for number in range(found.evidence)])
