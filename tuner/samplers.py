"""Samplers by their names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from typing import Protocol

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, GridSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from tuner.spaces import Space
from vocabulary import ConfigurationError


class Searched(Protocol):
    """What a sampler is made from."""

    @property
    def sampler(self) -> str:
        """Its name."""

    @property
    def seed(self) -> int:
        """What its random numbers begin with."""

    @property
    def objectives(self) -> Sequence[object]:
        """What trials are measured by."""

    @property
    def parameters(self) -> Space:
        """What is searched."""


class Grid(GridSampler):
    """Every combination once. Trials are told one by one, so there is no loop that the last one could stop."""

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Nothing."""


def sampler_of(settings: Searched, worker: int, trials: int) -> BaseSampler:
    """The sampler of `settings` for one `worker` of a study that has so many `trials`.

    No two workers, and no two starts of one, propose the same. Raises `ConfigurationError` for a grid over a range
    without steps, and for ``gp`` without torch.
    """
    number = int.from_bytes(sha256(f"{settings.seed}:{worker}:{trials}".encode()).digest()[:4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # `group`, which conditional parameters need, and qmc
        return _sampler(settings, number)


def _sampler(settings: Searched, number: int) -> BaseSampler:
    match settings.sampler:
        case "tpe":
            one = len(settings.objectives) == 1
            return TPESampler(multivariate=one, group=one, constant_liar=True, seed=number)
        case "gp":
            if find_spec("torch") is None:
                raise ConfigurationError(
                    "--sampler gp needs torch: pip install torch, or choose tpe, random, nsgaii, qmc or grid."
                )
            return GPSampler(seed=number)
        case "random":
            return RandomSampler(seed=number)
        case "nsgaii":
            return NSGAIISampler(seed=number)
        case "qmc":
            return QMCSampler(scramble=True, seed=settings.seed)  # a sequence that all workers draw from
        case "grid":
            return Grid(settings.parameters.grid(), seed=settings.seed)
    raise ConfigurationError(f"there is no sampler {settings.sampler!r}.")
