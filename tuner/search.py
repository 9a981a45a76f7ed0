"""A search from beginning to end: noise of the defaults, dead parameters, trials, a verdict on held-out questions."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.trial import TrialState

from reports.report import QuestionScores, read_scores
from tuner.attributes import DEAD, HOLDOUT, NOISE, keep_paid, noise_of
from tuner.evaluation import TrialMetrics, TrialOptions, evaluate
from tuner.knobs import SAMPLE, dead_parameters
from tuner.settings import StudySettings
from tuner.trials import (
    ERROR,
    Trial,
    UnfinishedError,
    any_without_worker,
    finished,
    paid,
    propose_defaults,
    run_one,
    spent,
    take_up_abandoned,
)
from tuner.verdict import Ranking, Verdict, judge, rank
from vocabulary import ConfigurationError, SettingValue

_LOOK_SECONDS = 0.5
_HOLDOUT_COST = 2 * 40 / 60
"""What the two runs on the holdout part cost, in runs on the tune part: these are the shares of the parts."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a search ends: after so many finished trials, seconds or US dollars, whatever comes first.

    `max_usd` is for all runs of the study, and includes what the two runs on the holdout part will cost.
    """

    trials: int
    seconds: float | None = None
    max_usd: float | None = None


class Search:
    """A study that is searched in this process, and by `workers` others where there is more than one."""

    def __init__(
        self, study: optuna.Study, settings: StudySettings, limits: Limits, *, note: Callable[[str], None]
    ) -> None:
        self.study, self.settings, self.limits, self._note = study, settings, limits, note
        self._deadline = time.monotonic() + limits.seconds if limits.seconds is not None else None

    def measure_defaults(self) -> dict[str, list[float]]:
        """Make the default settings trial 0, and repeat them as runs of their own that share nothing with it.

        The figures of each objective, trial 0's first; kept in the study, so measured once. Raises `ConfigurationError`
        if the default settings cannot be measured: nothing could be compared with them.
        """
        if known := noise_of(self.study):
            return {metric: list(values) for metric, values in known.items()}
        take_up_abandoned(self.study)
        propose_defaults(self.study, self.settings.parameters)
        while not finished(self.study):
            self._note("trial 0: the default settings")
            done = run_one(self.study, self.settings, max_usd=self._unspent())
            if done.state != TrialState.COMPLETE:
                raise ConfigurationError(f"the default settings cannot be measured: {done.user_attrs.get(ERROR)}")
        first, *_ = finished(self.study)
        repeats = [first.metrics]
        for repeat in range(1, self.settings.noise_repeats):
            self._note(f"the default settings once more, {repeat + 1} of {self.settings.noise_repeats}")
            repeats.append(self._evaluate(first.params, f"default-{repeat}", "tune", cache=None).values)
        noise = {goal.metric: [one[goal.metric] for one in repeats] for goal in self.settings.goals}
        self.study.set_user_attr(NOISE, noise)
        return noise

    def drop_dead_parameters(self) -> dict[str, str]:
        """Find the parameters that change nothing, and leave them out of all further trials.

        Raises `ConfigurationError` if none is left.
        """
        dead: dict[str, str] | None = self.study.user_attrs.get(DEAD)
        if dead is None:
            dead = dead_parameters(
                self.settings, lambda params, name: self._evaluate(params, name, "tune", limit=SAMPLE), self._note
            )
            self.study.set_user_attr(DEAD, dead)
        if not self.settings.parameters.without(dead).parameters:
            reasons = "; ".join(f"{name}: {words}" for name, words in dead.items())
            raise ConfigurationError(f"no parameter changes anything, so there is nothing to search. {reasons}.")
        return dead

    def work(self, look: Callable[[], None]) -> None:
        """Do trials in this process until the search's limits; `look` is called after each."""
        while True:
            take_up_abandoned(self.study)
            if self._wants_more():
                try:
                    run_one(self.study, self.settings, max_usd=self._for_trials())
                except UnfinishedError:
                    return
                look()
            elif self._may_be_taken_up():
                time.sleep(_LOOK_SECONDS)
            else:
                return

    def work_with(self, workers: int, storage: str, look: Callable[[], None]) -> None:
        """Do trials in `workers` processes; `look` is called now and then.

        A worker that dies is replaced, and its trial taken up, at most as often as there are trials.
        """
        command = [sys.executable, "-m", "tuner", "worker", self.settings.name, "--storage", storage,
                   "--trials", str(self.limits.trials)]  # fmt: skip
        running: dict[int, subprocess.Popen[bytes]] = {}
        left = self.limits.trials + workers
        try:
            while True:
                for number in range(1, workers + 1):
                    idle = number not in running or running[number].poll() is not None
                    if idle and left > 0 and self._wants_more():
                        limits = [f"--max-usd={self.limits.max_usd}"] if self.limits.max_usd is not None else []
                        limits += [f"--timeout={self._deadline - time.monotonic()}s"] if self._deadline else []
                        running[number] = subprocess.Popen(
                            [*command, *limits, "--number", str(number + workers * left)]
                        )
                        left -= 1
                ended = all(process.poll() is not None for process in running.values())
                if ended and not (take_up_abandoned(self.study) and left > 0) and not self._may_be_taken_up():
                    return
                look()
                time.sleep(_LOOK_SECONDS)
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.wait()

    def ranking(self) -> Ranking:
        """The trials in order, by the tune part."""
        goal = self.settings.goals[0]
        noise = noise_of(self.study).get(goal.metric, [0.0])
        trials = finished(self.study)
        scores = {one.number: self.scores(one) for one in trials}
        return rank(trials, goal, scores, max(noise) - min(noise), priced=self.settings.priced)

    def candidate(self, ranking: Ranking) -> Trial | None:
        """The trial to measure on the holdout part: the cheapest that is tied and worth it, but not the defaults.

        Where none measured better than these, it is the best of the others.
        """
        defaults = self.settings.parameters.defaults
        others = [trial for trial in ranking.worth if trial.params != defaults]
        others = others or [trial for trial in ranking.trials if trial.params != defaults][:1]
        return min(others, key=lambda one: (one.cost(priced=self.settings.priced), one.number), default=None)

    def scores(self, trial: Trial) -> Sequence[QuestionScores]:
        """What each question of a trial scored; empty if its run was removed."""
        return self._read_scores(trial.run_id, trial.params)

    def holdout_scores(self, trial: Trial) -> tuple[Sequence[QuestionScores], Sequence[QuestionScores]]:
        """What each question of the holdout part scored with the default settings, and with those of `trial`.

        Empty for runs that were removed, or not made yet.
        """
        defaults = self.settings.parameters.defaults
        default = self._read_scores(f"{self.settings.name}-holdout-default", defaults)
        return default, self._read_scores(f"{self.settings.name}-holdout-{trial.number:04d}", trial.params)

    def _read_scores(self, run_id: str, params: Mapping[str, SettingValue]) -> Sequence[QuestionScores]:
        config = self.settings.base
        folder = config.runs_dir / run_id
        if not folder.is_dir():
            return ()
        return read_scores(
            folder, provider=config.provider[0],
            top_k=int(params.get("top_k") or config.top_k), judged=config.until == "judge",
        )  # fmt: skip

    def judge(self, trial: Trial) -> Verdict:
        """Measure `trial` and the default settings on the holdout part, once, and compare them."""
        kept: dict[str, Any] = self.study.user_attrs.get(HOLDOUT, {})
        if str(trial.number) in kept:
            return Verdict.model_validate(kept[str(trial.number)])
        goal = self.settings.goals[0]
        self._note("the default settings on the holdout part")
        default = self._evaluate(self.settings.parameters.defaults, "holdout-default", "holdout")
        self._note(f"trial {trial.number} on the holdout part")
        tuned = self._evaluate(trial.params, f"holdout-{trial.number:04d}", "holdout")
        verdict = judge(
            goal, trial.number, (default.value(goal.metric), default.scores), (tuned.value(goal.metric), tuned.scores),
            looks=len(kept) + 1,
        )  # fmt: skip
        self.study.set_user_attr(HOLDOUT, {**kept, str(trial.number): verdict.model_dump(mode="json")})
        return verdict

    def _evaluate(
        self, params: Mapping[str, SettingValue], name: str, part: Literal["tune", "holdout"], **changes: Any
    ) -> TrialMetrics:
        run_id, money = f"{self.settings.name}-{name}", self._unspent()
        if money is not None and money <= 0:
            raise UnfinishedError(self._spent_words(run_id))
        limit = None if money is None else money + paid(self.study).get(run_id, 0.0)
        config = self.settings.run_config(run_id, part, max_usd=limit, **changes)
        done = evaluate(params, TrialOptions(self.settings.benchmark, config))
        keep_paid(self.study, run_id, done.values.get("usd", 0.0))
        if not done.complete:
            raise UnfinishedError(self._spent_words(run_id))
        return done

    def _spent_words(self, run_id: str) -> str:
        return (
            f"run {run_id} is not finished: the study has spent ${spent(self.study):.4g}, and --max-usd is "
            f"{self.limits.max_usd:g} for all of it. The same command with a larger one goes on."
        )

    def _wants_more(self) -> bool:
        counted = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING))
        waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return (bool(waiting) or len(counted) < self.limits.trials) and self._may_go_on()

    def _may_go_on(self) -> bool:
        """Whether there is time and money left for a trial."""
        money = self._for_trials()
        in_time = self._deadline is None or time.monotonic() < self._deadline
        return in_time and (money is None or money > 0)

    def _may_be_taken_up(self) -> bool:
        """Whether there is a trial of which it is not known yet that its worker is gone."""
        return self._may_go_on() and any_without_worker(self.study)

    def _unspent(self) -> float | None:
        """What is left of the money; None without a limit."""
        return None if self.limits.max_usd is None else self.limits.max_usd - spent(self.study)

    def _for_trials(self) -> float | None:
        """What is left for trials: without what the holdout part costs, if it is as dear as the dearest run so far."""
        money, costs = self._unspent(), paid(self.study).values()
        return None if money is None else money - _HOLDOUT_COST * max(costs, default=0.0)
