"""Studies of Optuna as the service knows them: what each searches, and records of studies and trials."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast  # Any: JSON

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from tuner.attributes import HOLDOUT, SETTINGS, dead_of
from tuner.service.messages import (
    ObjectiveSpec,
    ParameterSpec,
    State,
    StudyRecord,
    StudySpec,
    StudySummary,
    TrialRecord,
)
from tuner.settings import StudySettings
from tuner.spaces import Parameter, Space
from tuner.trials import CONTINUES, ERROR, LEASE, METRICS
from tuner.verdict import Verdict
from vocabulary import ConfigurationError, SettingValue, did_you_mean

SPEC = "memorybench_service"
"""Attribute of a study that was made over HTTP: its `StudySpec`. It is written last, when all else is there."""

KEPT, ENQUEUED = "attributes", "enqueued_by"
"""Attributes of a trial: what a worker wants kept with it; the key of the request that enqueued it."""


class MissingError(ConfigurationError):
    """There is no such study or trial."""


class ConflictError(ConfigurationError):
    """The study or trial is not in a state that allows it."""


@dataclass(frozen=True)
class Served:
    """What a study searches, and how: what `sampler_of` reads."""

    spec: StudySpec

    @property
    def objectives(self) -> Sequence[ObjectiveSpec]:
        """What trials are measured by."""
        return self.spec.objectives

    @property
    def sampler(self) -> str:
        """The sampler's name."""
        return self.spec.sampler

    @property
    def seed(self) -> int:
        """Of the sampler."""
        return self.spec.seed

    @cached_property
    def parameters(self) -> Space:
        """The space; raises `ConfigurationError` if it cannot be searched."""
        space: dict[str, Parameter] = {}
        for one in self.spec.space:
            if one.name in space:
                raise ConfigurationError(f"parameter {one.name} is there twice.")
            for name, values in one.active_if.items():
                if name not in space or not all(space[name].contains(value) for value in values):
                    raise ConfigurationError(
                        f"parameter {one.name} is active at values of {name!r}, which must be those of a parameter "
                        "further up."
                    )
            space[one.name] = parameter_of(one)
        return Space(tuple(space.values()))

    @property
    def defaults(self) -> dict[str, SettingValue]:
        """Of the parameters that have one, their defaults, as far as they are active."""
        given = {one.name: one.default for one in self.spec.space if one.default is not None}
        return {name: value for name, value in self.parameters.defaults.items() if name in given}


def parameter_of(spec: ParameterSpec) -> Parameter:
    """A parameter that can be searched; raises `ConfigurationError`."""
    low, high = spec.low or 0.0, spec.high or 0.0
    first = (spec.choices[0] if spec.choices else None) if spec.kind == "choice" else low
    found = Parameter(
        spec.name, spec.kind, first, low=low, high=high, step=spec.step, log=spec.log, choices=spec.choices,
        active_if=dict(spec.active_if),
    ).checked()  # fmt: skip
    if spec.default is None:
        return found
    check_value(found, spec.default)
    return replace(found, default=spec.default)


def check_value(parameter: Parameter, value: SettingValue) -> None:
    """Raise `ConfigurationError` if a trial cannot have `value`."""
    offset = (value - parameter.low) / (parameter.step or 1) if isinstance(value, int | float) else 0.0
    stepped = parameter.kind == "int" or (parameter.kind == "float" and parameter.step is not None)
    if not parameter.contains(value) or (stepped and abs(offset - round(offset)) > 1e-6):
        raise ConfigurationError(f"{parameter.name} = {value}: it is searched in {parameter.describe()}.")


def check_params(space: Space, params: Mapping[str, SettingValue]) -> None:
    """Raise `ConfigurationError` if a trial of `space` cannot have `params`."""
    known = {parameter.name: parameter for parameter in space}
    for name, value in params.items():
        if name not in known:
            raise ConfigurationError(f"there is no parameter {name!r}.{did_you_mean(name, known)}")
        check_value(known[name], value)


def spec_of(study: optuna.Study) -> StudySpec | None:
    """What a study that was made over HTTP searches; None for others."""
    stored = study.user_attrs.get(SPEC)
    return None if stored is None else StudySpec.model_validate(stored)


def space_to_enqueue(study: optuna.Study) -> Space:
    """What trials of a study may have; raises `ConflictError` for a study that this suite did not make."""
    if spec := spec_of(study):
        return Served(spec).parameters
    if stored := study.user_attrs.get(SETTINGS):
        return StudySettings.model_validate(stored).parameters.without(dead_of(study))
    raise ConflictError(f"study {study.study_name} was not made by this tuner: what it searches is not known.")


def is_unfinished(study: optuna.Study, directions: Sequence[str]) -> bool:
    """Whether a study is one whose creation over HTTP was cut off."""
    same = [one.name.lower() for one in study.directions] == list(directions)
    return same and not study.user_attrs and all(t.state == TrialState.WAITING for t in study.get_trials())


def check_single(study: optuna.Study) -> None:
    """Raise `ConflictError` for a study with several objectives."""
    if len(study.directions) > 1:
        raise ConflictError(f"study {study.study_name!r} has several objectives: there is no best trial, but a front.")


def all_begun(study: optuna.Study, space: Space) -> bool:
    """Whether each point of a grid has a trial."""
    trials = study.get_trials(deepcopy=False)
    begun = {one.system_attrs["grid_id"] for one in trials if "grid_id" in one.system_attrs}
    waiting = any(one.state == TrialState.WAITING for one in trials)
    return not waiting and len(begun) >= math.prod(len(values) for values in space.grid().values())


def study_summary(storage: BaseStorage, name: str) -> StudySummary:
    """A study for a list."""
    study_id = storage.get_study_id_from_name(name)
    attributes = storage.get_study_user_attrs(study_id)
    return StudySummary(
        name=name, trials=storage.get_n_trials(study_id),
        **_about(attributes, [direction.name.lower() for direction in storage.get_study_directions(study_id)]),
    )  # fmt: skip


def study_record(study: optuna.Study) -> StudyRecord:
    """All about a study but its trials."""
    trials = study.get_trials(deepcopy=False)
    attributes = study.user_attrs
    about = _about(attributes, [direction.name.lower() for direction in study.directions])
    if stored := attributes.get(SPEC):
        about |= {name: stored.get(name) for name in ("space", "sampler", "pruner", "seed")}
    elif stored := attributes.get(SETTINGS):
        settings = StudySettings.model_validate(stored)
        verdicts = (Verdict.model_validate(one) for one in attributes.get(HOLDOUT, {}).values())
        about |= {
            "space": tuple(_spec_of(one) for one in settings.parameters),
            "sampler": settings.sampler,
            "pruner": settings.pruner,
            "seed": settings.seed,
            "measured_on": "the tune part",
            "verdicts": tuple(f"trial {one.trial}: {one.sentence()}" for one in verdicts),
        }
    states = Counter(trial.state.name for trial in trials)
    return StudyRecord(name=study.study_name, trials=len(trials), states=states, **about)


def trial_record(trial: FrozenTrial) -> TrialRecord:
    """A trial as replies have it."""
    attributes = trial.user_attrs
    lease = attributes.get(LEASE, {}) if trial.state == TrialState.RUNNING else {}
    kept = attributes.get(KEPT, attributes.get(METRICS, {}))
    return TrialRecord(
        number=trial.number,
        state=cast("State", trial.state.name),
        params=trial.params or trial.system_attrs.get("fixed_params", {}),
        values=tuple(_finite(value) for value in trial.values or ()),
        constraints=trial.constraints,
        reports={step: _finite(value) for step, value in trial.intermediate_values.items()},
        attributes=kept,
        reason=attributes.get(ERROR),
        worker=attributes.get(LEASE, {}).get("worker"),
        lease_ends=datetime.fromtimestamp(lease["until"], UTC) if lease else None,
        continues=attributes.get(CONTINUES),
        started=_utc(trial.datetime_start),
        ended=_utc(trial.datetime_complete),
    )


def _about(attributes: Mapping[str, Any], directions: Sequence[str]) -> dict[str, Any]:
    if stored := attributes.get(SPEC):
        return {"origin": "http", "objectives": stored["objectives"]}
    if stored := attributes.get(SETTINGS):
        goals = [text.partition(":")[0] for text in stored["objectives"]]
        return {"origin": "optimize", "objectives": _objectives(goals, directions)}
    return {"origin": "other", "objectives": _objectives([f"value{n}" for n in range(len(directions))], directions)}


def _objectives(names: Sequence[str], directions: Sequence[str]) -> list[dict[str, str]]:
    return [{"name": name, "direction": direction} for name, direction in zip(names, directions, strict=True)]


def _spec_of(parameter: Parameter) -> ParameterSpec:
    number = parameter.kind != "choice"
    return ParameterSpec(
        name=parameter.name, kind=parameter.kind, low=parameter.low if number else None,
        high=parameter.high if number else None, step=parameter.step, log=parameter.log, choices=parameter.choices,
        active_if=parameter.active_if, default=parameter.default,
    )  # fmt: skip


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
