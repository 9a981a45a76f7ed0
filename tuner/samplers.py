"""Samplers by their names."""

from __future__ import annotations

import warnings
from hashlib import sha256
from importlib.util import find_spec

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, GridSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler

from tuner.settings import StudySettings
from vocabulary import ConfigurationError


def sampler_of(settings: StudySettings, worker: int, trials: int) -> BaseSampler:
    """The sampler of `settings` for one `worker` of a study that has so many `trials`.

    No two workers, and no two starts of one, propose the same. Raises `ConfigurationError` for a grid over a range
    without steps, and for ``gp`` without torch.
    """
    number = int.from_bytes(sha256(f"{settings.seed}:{worker}:{trials}".encode()).digest()[:4])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # `group`, which conditional parameters need, and qmc
        return _sampler(settings, number)


def _sampler(settings: StudySettings, number: int) -> BaseSampler:
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
            return GridSampler(settings.parameters.grid(), seed=settings.seed)
