"""What a study keeps about itself besides its trials: the names of its attributes, and readers of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any  # JSON

import optuna

SETTINGS = "memorybench"
"""`StudySettings`, as JSON."""

NOISE = "noise"
"""By objective, the values of the default settings: trial 0's first, then those of its repeats."""

DEAD = "dead_parameters"
"""By name, why a parameter is not searched."""

HOLDOUT = "holdout"
"""By trial number, the verdict on it: a `Verdict`, as JSON."""

_PAID = "usd:"


def noise_of(study: optuna.Study) -> Mapping[str, Sequence[float]]:
    """By objective, what the repeats of the default settings gave on the tune part; empty before they are measured."""
    return _read(study, NOISE)


def dead_of(study: optuna.Study) -> Mapping[str, str]:
    """By name, why a parameter is not searched; empty before they are looked for."""
    return _read(study, DEAD)


def keep_paid(study: optuna.Study, run_id: str, usd: float) -> None:
    """Write down what a run that belongs to no trial has cost in all, in US dollars."""
    study.set_user_attr(f"{_PAID}{run_id}", usd)  # an attribute for each run: no process overwrites another's


def paid_beside_trials(study: optuna.Study) -> dict[str, float]:
    """What repeats, checks and measurements on the holdout part have cost, in US dollars by run id."""
    attributes = study.user_attrs
    return {name.removeprefix(_PAID): usd for name, usd in attributes.items() if name.startswith(_PAID)}


def _read(study: optuna.Study, name: str) -> dict[str, Any]:
    found: dict[str, Any] = study.user_attrs.get(name, {})
    return found
