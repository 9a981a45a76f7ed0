"""Which parameters matter, and how sure that is."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

RESAMPLES = 100


@dataclass(frozen=True, slots=True)
class Importance:
    """The share that a parameter has in what separates the best trials from the others, with its 95 % interval.

    `luck` is the share that it has in one of twenty cases where the trials' values are dealt out anew: one that is not
    larger says nothing.
    """

    name: str
    share: float
    low: float
    high: float
    luck: float


def importances(study: optuna.Study, objective: int = 0, *, resamples: int = RESAMPLES) -> list[Importance]:
    """The importance of each parameter for an objective by its index (PED-ANOVA), the largest first.

    The interval is that of a percentile bootstrap over trials, `luck` that of permutations. Empty for fewer than two
    trials.
    """
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(trials) < 2:
        return []
    direction = study.directions[objective]
    values = [trial.values[objective] for trial in trials]
    shares = _shares(trials, values, direction)
    drawn = random.Random(0)
    again, dealt = [shares], [shares]
    for _ in range(resamples):
        chosen = drawn.choices(range(len(trials)), k=len(trials))
        again.append(_shares([trials[n] for n in chosen], [values[n] for n in chosen], direction))
        dealt.append(_shares(trials, drawn.sample(values, len(values)), direction))
    found = []
    for name, share in shares.items():
        low, high = (_quantile([one.get(name, 0.0) for one in again], part) for part in (0.025, 0.975))
        luck = _quantile([one.get(name, 0.0) for one in dealt], 0.95)
        found.append(Importance(name, share, min(low, share), max(high, share), luck))
    return found


def _quantile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def _shares(
    trials: Sequence[FrozenTrial], values: Sequence[float], direction: optuna.study.StudyDirection
) -> dict[str, float]:
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances  # imports scikit-learn

    study = optuna.create_study(direction=direction, storage=InMemoryStorage())
    for trial, value in zip(trials, values, strict=True):
        study.add_trial(optuna.create_trial(value=value, params=trial.params, distributions=trial.distributions))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all trials are equally good shows in equal shares
        try:
            return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        except (ValueError, RuntimeError):  # a sample in which all trials are the same
            return {}
