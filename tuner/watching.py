"""A trial while its run goes on: what its questions score so far, and whether it is worth going on."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from random import Random
from statistics import fmean

import optuna

from bench import QuestionOutcome
from reports.metrics import K
from reports.report import retrieval_values
from reports.store import SelectedQuestion
from tuner.pruners import EVERY, FIRST, block_of
from tuner.settings import StudySettings


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a trial was stopped: after `asked` of `total` questions its first objective was `value` on these.

    `behind` is by how much that is worse than what trial `best` has on the same questions; None if that is not known.
    """

    asked: int
    total: int
    value: float
    best: int | None = None
    behind: float | None = None


class Watch:
    """Follows the questions of one trial and ends its run where the pruner of the study says so, unless it is `whole`.

    A pruner compares trials on the same questions, so the questions are asked in a random order: those that come first
    stand for all. ``wilcoxon`` draws another one for each run, so that no trial depends on the same few questions.
    """

    def __init__(
        self, study: optuna.Study, trial: optuna.Trial, settings: StudySettings, *, run_id: str, whole: bool = False
    ) -> None:
        self.stop: Stop | None = None
        self._study, self._trial, self._settings, self._run_id = study, trial, settings, run_id
        self._by_block = settings.pruner == "wilcoxon"
        self._whole = whole
        self._size = block_of(settings)
        self._block_of: dict[str, int] = {}
        self._left: Counter[int] = Counter()
        self._block: list[float] = []
        self._values: list[float] = []
        self._asked = 0

    def order(self, selected: Sequence[SelectedQuestion]) -> list[SelectedQuestion]:
        """`selected` by blocks, which are the same ones in all trials of the study."""
        shuffled = Random(self._settings.part_seed).sample(selected, len(selected))
        blocks = [shuffled[first : first + self._size] for first in range(0, len(shuffled), self._size)]
        self._block_of = {one.case.id: number for number, block in enumerate(blocks) for one in block}
        self._left = Counter(self._block_of.values())
        if self._by_block:
            Random(self._run_id).shuffle(blocks)
        return [one for block in blocks for one in block]

    def ends(self, outcome: QuestionOutcome) -> bool:
        """Take note of a question, and say whether the run ends with it."""
        self._asked += 1
        block, total = self._block_of[outcome.case.id], len(self._block_of)
        if (value := self._value(outcome)) is not None:
            self._values.append(value)
            self._block.append(value)
        self._left[block] -= 1
        if not self._left[block]:
            if self._by_block and self._block:
                self._trial.report(fmean(self._block), block)
            self._block.clear()
        if self._asked < FIRST or self._asked % EVERY or not self._values:
            return False
        if not self._by_block:
            self._trial.report(fmean(self._values), self._asked)
        if self._asked < total and not self._whole and self._should_stop():
            self.stop = self._stop()
        return self.stop is not None

    def attributes(self) -> dict[str, object]:
        """The `Stop` as JSON; only of a trial that was stopped."""
        assert self.stop is not None
        return asdict(self.stop)

    def estimate(self) -> float:
        """What a stopped trial would probably have given in the end, for the sampler alone.

        It is the best trial's value without what this one is behind it on the questions that both have: the mean so far
        would depend on how easy these are. It is never better than the best trial's.
        """
        assert self.stop is not None
        if self.stop.best is None or self.stop.behind is None:
            return self.stop.value
        best = self._study.best_value
        sign = 1 if self._settings.goals[0].direction == "maximize" else -1
        return best - sign * max(0.0, self.stop.behind)

    def _value(self, outcome: QuestionOutcome) -> float | None:
        """The first objective of one question; None if the question has none."""
        metric = self._settings.goals[0].metric
        if metric == "accuracy":
            return float(outcome.verdict is not None and outcome.verdict.correct)
        return retrieval_values(outcome.case.gold.evidence_messages, outcome.results, max(K)).get(metric)

    def _should_stop(self) -> bool:
        with warnings.catch_warnings():
            # a best trial from before has no values of its questions: then nothing is stopped
            warnings.filterwarnings("ignore", ".*best trial has no intermediate values", UserWarning)
            return self._trial.should_prune()

    def _stop(self) -> Stop:
        value, total = fmean(self._values), len(self._block_of)
        try:
            best = self._study.best_trial
        except ValueError:  # no trial keeps all constraints
            return Stop(self._asked, total, value)
        mine = self._study.get_trials(deepcopy=False)[self._trial.number].intermediate_values
        shared = mine.keys() & best.intermediate_values.keys()
        steps = shared if self._by_block else {max(shared, default=-1)} & shared
        if not steps:
            return Stop(self._asked, total, value)
        difference = fmean(best.intermediate_values[step] - mine[step] for step in steps)
        sign = 1 if self._settings.goals[0].direction == "maximize" else -1
        return Stop(self._asked, total, value, best.number, sign * difference)
