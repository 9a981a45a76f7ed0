"""Which parameters matter, and how sure that is."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

RESAMPLES = 100


@dataclass(frozen=True, slots=True)
class Importance:
    """The share that a parameter has in what separates the best trials from the others, with its 95 % interval."""

    name: str
    share: float
    low: float
    high: float


def importances(study: optuna.Study, objective: int = 0, *, resamples: int = RESAMPLES) -> list[Importance]:
    """The importance of each parameter for an objective by its index (PED-ANOVA), the largest first.

    The interval is that of a percentile bootstrap over trials. Empty for fewer than two trials.
    """
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(trials) < 2:
        return []
    direction = study.directions[objective]
    shares = _shares(trials, objective, direction)
    drawn = random.Random(0)
    again = [_shares(drawn.choices(trials, k=len(trials)), objective, direction) for _ in range(resamples)]
    found = []
    for name, share in shares.items():
        values = sorted(one.get(name, 0.0) for one in again) or [share]
        low, high = values[int(0.025 * len(values))], values[min(len(values) - 1, int(0.975 * len(values)))]
        found.append(Importance(name, share, min(low, share), max(high, share)))
    return found


def _shares(trials: Sequence[FrozenTrial], objective: int, direction: optuna.study.StudyDirection) -> dict[str, float]:
    study = optuna.create_study(direction=direction, storage=InMemoryStorage())
    for trial in trials:
        study.add_trial(
            optuna.create_trial(value=trial.values[objective], params=trial.params, distributions=trial.distributions)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all trials are equally good shows in equal shares
        try:
            return optuna.importance.get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        except (ValueError, RuntimeError):  # a sample in which all trials are the same
            return {}
