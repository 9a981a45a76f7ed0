"""Figures as a data set's own script prints them, from the verdicts of whatever judge the run had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.metrics.figures import NuggetScores, OfficialAccuracy, Score
from reports.metrics.statistics import ExactMean
from vocabulary import Gold, Nugget, Verdict, Vote

EVENT_ORDERING = "event_ordering"
"""BEAM's question type whose answers list events."""

PASSED = 0.5
"""A question whose score is at least so much counts as passed."""

NUGGET_SCORES = ("beam_nuggets", "beam_paper")
"""How a question's nuggets are summed up (`nugget_score`)."""


def longmemeval_accuracy(by_type: Mapping[str, tuple[int, int]], unanswerable: tuple[int, int]) -> OfficialAccuracy:
    """LongMemEval's three accuracies (Wu et al. 2025, arXiv 2410.10813, ``evaluation/print_qa_metrics.py``).

    `by_type` has (correct, n) of the questions of each type, those that cannot be answered among them, which are also
    `unanswerable`. Overall is the share of all questions; task-averaged the plain mean of the types' shares, a type of
    30 questions weighing as much as one of 133; abstention the share of the unanswerable ones.
    """
    averaged = ExactMean()
    for correct, n in by_type.values():
        averaged.add(correct / n)
    correct, n = (sum(counts) for counts in zip(*by_type.values(), strict=True)) if by_type else (0, 0)
    return OfficialAccuracy(
        overall=_share(correct, n),
        task_averaged=_mean(averaged),
        abstention=_share(*unanswerable),
    )


OFFICIAL_ACCURACY = {"longmemeval": longmemeval_accuracy}
"""By the name that a benchmark asks for (`bench.base.Benchmark.official_accuracy`) and that reports show."""


def _share(correct: int, n: int) -> Score:
    return Score(value=correct / n if n else None, n=n)


def nugget_score(name: str, nuggets: Sequence[Nugget], order: float | None, question_type: str) -> float:
    """The score of a question, between 0 and 1, from the grades of its nuggets; 0 without any.

    ``beam_nuggets`` is their mean, as mem0 and others sum BEAM up. ``beam_paper`` is what the paper's code computes
    (Tavakoli et al. 2025, arXiv 2510.27246, ``src/evaluation``): each grade goes through ``int()``, so that a half
    counts 0; for the order of events it prints `order` (`judges.event_order`), and where that was not graded this is
    the mean with its halves, which the code computes beside it.
    """
    if name == "beam_paper" and question_type == EVENT_ORDERING and order is not None:
        return order
    whole = name == "beam_paper" and question_type != EVENT_ORDERING
    scores = [int(one.score) if whole else one.score for one in nuggets]
    return sum(scores) / len(scores) if scores else 0.0


def verdict_score(name: str, verdict: Verdict | None, question_type: str) -> float:
    """The mean of `nugget_score` over the votes of a verdict that graded nuggets; 0 without any."""
    votes = _grading(verdict)
    return sum(nugget_score(name, vote.nuggets, vote.order, question_type) for vote in votes) / max(len(votes), 1)


def _grading(verdict: Verdict | None) -> list[Vote | Verdict]:
    return [vote for vote in ((verdict.votes or (verdict,)) if verdict else ()) if vote.nuggets]


class NuggetTally:
    """Averages nuggets over questions that come one at a time, by each name in `NUGGET_SCORES`."""

    def __init__(self) -> None:
        self._graded = False
        self._means = {name: _NuggetMean() for name in NUGGET_SCORES}

    def add(self, verdict: Verdict | None, gold: Gold) -> None:
        """Count one question that has a rubric."""
        if not gold.rubric:
            return
        self._graded |= bool(_grading(verdict))
        for name, mean in self._means.items():
            mean.add(verdict_score(name, verdict, gold.question_type), gold.question_type)

    def summary(self, types: Sequence[str]) -> dict[str, NuggetScores]:
        """The means so far, `types` in this order; empty if no judge graded nuggets."""
        return {name: mean.summary(types) for name, mean in self._means.items()} if self._graded else {}


class _NuggetMean:
    def __init__(self) -> None:
        self._overall, self._passed = ExactMean(), ExactMean()
        self._by_type: dict[str, ExactMean] = {}

    def add(self, score: float, question_type: str) -> None:
        self._overall.add(score)
        self._passed.add(score >= PASSED)
        self._by_type.setdefault(question_type, ExactMean()).add(score)

    def summary(self, types: Sequence[str]) -> NuggetScores:
        by_type = {name: _mean(self._by_type[name]) for name in types if name in self._by_type}
        averaged = ExactMean()
        for one in by_type.values():
            averaged.add(one.value or 0.0)
        return NuggetScores(
            overall=_mean(self._overall), task_averaged=_mean(averaged), passed=_mean(self._passed), by_type=by_type
        )


def _mean(mean: ExactMean) -> Score:
    return Score(value=mean.value, n=mean.n)
