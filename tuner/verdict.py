"""What a search found: which trials cannot be distinguished, which is recommended, and what the holdout part says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from reports.metrics import paired_interval
from reports.report import QuestionScores
from tuner.objectives import Objective
from tuner.trials import Trial

SHARES = ("accuracy", "recall", "hit", "ndcg", "mrr", "f1", "exact_match", "abstention")
"""Figures between 0 and 1, whose differences are printed in points (hundredths)."""


class Verdict(BaseModel):
    """The first objective on the holdout part: the default settings against those of a trial.

    `gain` is how much better the trial is, None for `low` and `high` where questions have no score of their own (as for
    a percentile of times). `looks` is how many trials of the study have been measured on the holdout part.
    """

    model_config = ConfigDict(frozen=True)

    trial: int
    metric: str
    default: float
    tuned: float
    gain: float
    low: float | None = None
    high: float | None = None
    n: int
    clusters: int
    looks: int = 1

    @property
    def better(self) -> bool:
        """Whether the trial is better than the default settings, as far as the holdout part can tell."""
        return self.low is not None and self.low > 0

    @property
    def worse(self) -> bool:
        """Whether it is worse."""
        return self.high is not None and self.high < 0

    def sentence(self) -> str:
        """The verdict in words."""
        clusters = f" in {self.clusters} cluster{'' if self.clusters == 1 else 's'}" if self.clusters < self.n else ""
        where = f"{self.metric} on the holdout part ({self.n} questions{clusters})"
        values = f"{_figure(self.metric, self.default)} with the defaults, {_figure(self.metric, self.tuned)} tuned"
        if self.low is None or self.high is None:
            end = "one measurement of each, which has no interval: measure again before you rely on it"
        else:
            between = f"[{_points(self.metric, self.low)}, {_points(self.metric, self.high)}]"
            size = f"{_points(self.metric, abs(self.gain))} {between} {_unit(self.metric)}".rstrip()
            if self.better:
                end = f"better by {size}"
            elif self.worse:
                end = f"worse by {size}: keep the default"
            else:
                end = f"no difference was shown ({_points(self.metric, self.gain)} {between}): keep the default"
        if self.looks > 1:
            end += f". The holdout part was looked at {self.looks} times: the last look is not independent"
        return f"{where}: {values}; {end}."


@dataclass(frozen=True, slots=True)
class Ranking:
    """Feasible trials, best first; those that are `tied` cannot be distinguished from the best.

    `worth` are the tied ones that measured no worse than trial 0, the default settings; `recommended` is the cheapest
    of these.
    """

    trials: Sequence[Trial]
    tied: Sequence[Trial]
    worth: Sequence[Trial]
    recommended: Trial | None


def rank(
    trials: Sequence[Trial],
    goal: Objective,
    scores: Mapping[int, Sequence[QuestionScores]],
    noise: float,
    *,
    priced: bool = True,
) -> Ranking:
    """Order `trials` by `goal`, and find those that the tune part cannot tell from the best one.

    `scores` are those of each trial's questions, by its number. Two trials are tied where the paired interval of their
    difference holds 0, or where they are no farther apart than `noise`, the range of the default settings' repeats.
    """
    sign = 1 if goal.direction == "maximize" else -1
    ordered = sorted(
        (trial for trial in trials if trial.feasible),
        key=lambda trial: (-sign * trial.metrics[goal.metric], trial.number),
    )
    if not ordered:
        return Ranking((), (), (), None)
    best = ordered[0]
    tied = [one for one in ordered if one is best or _same(goal, best, one, scores, noise)]
    worth = ordered[: next((place for place, one in enumerate(ordered, 1) if one.number == 0), len(ordered))]
    worth = [one for one in tied if one in worth]
    return Ranking(ordered, tied, worth, min(worth, key=lambda one: (one.cost(priced=priced), ordered.index(one))))


def judge(
    goal: Objective, trial: int, default: tuple[float, Sequence[QuestionScores]],
    tuned: tuple[float, Sequence[QuestionScores]], looks: int,
) -> Verdict:  # fmt: skip
    """Compare a run with the defaults and one with a trial's settings over the same questions."""
    gain = goal.gain(tuned[0], default[0])
    pairs = paired(goal, default[1], tuned[1])
    low = high = None
    if pairs:
        gain, (low, high) = paired_interval(pairs)
    return Verdict(
        trial=trial, metric=goal.metric, default=default[0], tuned=tuned[0], gain=gain, low=low, high=high,
        n=len(pairs) or len(tuned[1]), clusters=len({one.cluster for one in tuned[1]}), looks=looks,
    )  # fmt: skip


def _same(
    goal: Objective, best: Trial, other: Trial, scores: Mapping[int, Sequence[QuestionScores]], noise: float
) -> bool:
    if abs(best.metrics[goal.metric] - other.metrics[goal.metric]) <= noise:
        return True
    pairs = paired(goal, scores[other.number], scores[best.number])
    if not pairs:
        return False
    _, (low, high) = paired_interval(pairs)
    return low <= 0 <= high


def paired(
    goal: Objective, before: Sequence[QuestionScores], after: Sequence[QuestionScores]
) -> list[tuple[str, float]]:
    """By how much each question that both have a score of is better after than before."""
    known = {one.question: one.values[goal.metric] for one in before if goal.metric in one.values}
    return [
        (one.cluster, goal.gain(one.values[goal.metric], known[one.question]))
        for one in after
        if goal.metric in one.values and one.question in known
    ]


def is_share(metric: str) -> bool:
    """Whether a figure lies between 0 and 1, and its differences are given in points."""
    return metric.startswith(SHARES)


def _unit(metric: str) -> str:
    return "points" if is_share(metric) else ""


def _points(metric: str, value: float) -> str:
    return f"{value * 100:.1f}" if is_share(metric) else f"{value:.4g}"


def _figure(metric: str, value: float) -> str:
    return f"{value:.3f}" if is_share(metric) else f"{value:.4g}"
