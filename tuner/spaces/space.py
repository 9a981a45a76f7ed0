"""What a search may change, and between what: read from the settings of a provider and of the run."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal  # Any: a field's annotation

import optuna
from pydantic import BaseModel

from bench import BenchmarkConfig
from bench.pipeline import Participants, answer_settings
from providers import Provider
from vocabulary import ConfigurationError, SettingValue, Tunable, did_you_mean

Kind = Literal["int", "float", "choice"]
Preset = Literal["quick", "standard", "full"]
PRESETS: Mapping[Preset, tuple[str, ...]] = {
    "quick": ("search",),
    "standard": ("ingest", "search"),
    "full": ("ingest", "search", "answer"),
}
"""The settings that each preset searches, by the first phase that they change."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One setting: its values, and the one that the provider has without a search.

    `changes` is the first phase whose results may depend on it; `active_if` names the values of other parameters at
    which it matters.
    """

    name: str
    kind: Kind
    default: SettingValue
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    choices: tuple[SettingValue, ...] = ()
    active_if: Mapping[str, tuple[SettingValue, ...]] = field(default_factory=dict)
    changes: str = "ingest"

    def checked(self) -> Parameter:
        """The same with its upper end on a step, if it can be searched; raises `ConfigurationError` otherwise."""
        if problem := self._problem():
            raise ConfigurationError(f"parameter {self.name} = {self.describe()}: {problem}.")
        if self.step is None:
            return self
        return replace(self, high=self.low + int((self.high - self.low) / self.step + 1e-9) * self.step)

    def _problem(self) -> str | None:
        if self.kind == "choice":
            if len(self.choices) < 2:
                return "a search needs two values or more"
            if len(set(self.choices)) < len(self.choices):
                return "a value stands there twice"
        elif not (math.isfinite(self.low) and math.isfinite(self.high)):
            return "both ends must be finite"
        elif self.low >= self.high:
            return "the lower end must be below the upper one"
        elif self.log and self.step is not None:
            return "a logarithmic range has no step"
        elif self.log and self.low <= 0:
            return "a logarithmic range begins above 0"
        elif self.step is not None and not 0 < self.step <= self.high - self.low:
            return "the step must be above 0 and fit into the range"
        if not self.contains(self.default):
            return (
                f"the default {self.default} is not in it, and trial 0 is the default settings; widen it, or give "
                f"--provider-option {self.name}=VALUE to start from another value"
            )
        return None

    def contains(self, value: SettingValue) -> bool:
        """Whether a search may try `value`."""
        if self.kind == "choice":
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self.kind == "float" or value == int(value)

    def suggest(self, trial: optuna.Trial) -> SettingValue:
        """The value that the sampler has for `trial`."""
        if self.kind == "choice":
            value: SettingValue = trial.suggest_categorical(self.name, self.choices)
            return value
        if self.kind == "int":
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return trial.suggest_float(self.name, self.low, self.high, log=self.log, step=self.step)

    def ends(self) -> tuple[SettingValue, ...]:
        """The values that are farthest from each other: those that show first whether it matters."""
        if self.kind == "choice":
            return tuple(value for value in self.choices if value != self.default)
        ends = (int(self.low), int(self.high)) if self.kind == "int" else (self.low, self.high)
        return tuple(value for value in ends if value != self.default)

    def describe(self) -> str:
        """As `--param` takes it: ``1..200 log`` or ``none|cross-encoder``."""
        if self.kind == "choice":
            return "|".join(str(value).lower() if value is None else str(value) for value in self.choices)
        step = f" step {self.step:g}" if self.step is not None else ""
        return f"{self.low:g}..{self.high:g}{step}{' log' if self.log else ''}"


@dataclass(frozen=True, slots=True)
class Space:
    """All that a search may change."""

    parameters: tuple[Parameter, ...]

    @property
    def defaults(self) -> dict[str, SettingValue]:
        """The settings of trial 0, those that do not matter there left out."""
        return self.active({parameter.name: parameter.default for parameter in self.parameters})

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def suggest(self, trial: optuna.Trial) -> dict[str, SettingValue]:
        """Values for a trial; of a parameter that does not matter at the others' values there is none."""
        values: dict[str, SettingValue] = {}
        for parameter in self.parameters:
            if _is_active(parameter, values):
                values[parameter.name] = parameter.suggest(trial)
        return values

    def active(self, values: Mapping[str, SettingValue]) -> dict[str, SettingValue]:
        """`values` without those of parameters that do not matter at the others'."""
        kept: dict[str, SettingValue] = {}
        for parameter in self.parameters:
            if parameter.name in values and _is_active(parameter, kept):
                kept[parameter.name] = values[parameter.name]
        return kept

    def without(self, names: Iterable[str]) -> Space:
        """The space without these parameters, and without what matters only at values that they do not have now."""
        gone = set(names)
        kept = tuple(parameter for parameter in self.parameters if parameter.name not in gone)
        return Space(tuple(p for p in kept if not gone.intersection(p.active_if)))

    def narrowed(self, changes: Mapping[str, Mapping[str, Any]]) -> Space:
        """The space with other bounds or choices of some parameters; raises `ConfigurationError`."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, change in changes.items():
            if name not in known:
                raise ConfigurationError(
                    f"--param {name}: there is no such parameter.{did_you_mean(name, known)} There are: "
                    f"{', '.join(known)}."
                )
            known[name] = replace(known[name], **change).checked()
        return Space(tuple(known.values()))

    def grid(self) -> dict[str, Sequence[SettingValue]]:
        """Every value of every parameter, for a grid; raises `ConfigurationError` where a range has no steps."""
        grid: dict[str, Sequence[SettingValue]] = {}
        for parameter in self.parameters:
            if parameter.kind == "choice":
                grid[parameter.name] = parameter.choices
            elif parameter.step is None and parameter.kind == "float":
                raise ConfigurationError(
                    f"--sampler grid: {parameter.name} has no steps. Give it some: --param "
                    f'"{parameter.name}={parameter.low:g}..{parameter.high:g} step VALUE".'
                )
            else:
                step = parameter.step or 1
                count = int((parameter.high - parameter.low) / step + 1e-9) + 1
                values = [parameter.low + index * step for index in range(count)]
                grid[parameter.name] = [int(value) for value in values] if parameter.kind == "int" else values
        return grid


def space_of(config: BenchmarkConfig, *, preset: Preset = "standard", deepest: int = 1) -> Space:
    """All that the provider of `config` and a run declare as tunable, as far as it can change what the run measures.

    Their values in `config` are the defaults that the search starts from. `deepest` is the largest k of the objectives,
    which ``top_k`` must not fall below. Choices that cannot be used here (as for want of an extra) are left out. Raises
    `ConfigurationError` for a configuration that no run accepts.
    """
    participants, name = Participants.of(config), config.provider[0]
    settings = participants.settings[name]
    wanted = [phase for phase in PRESETS[preset] if phase != "answer" or config.until in ("answer", "judge")]
    own = [_usable(parameter, settings) for parameter in _declared(type(settings), settings)]
    answering = {*answer_settings(participants.answerer)}
    if participants.providers[name].answer_prompt is Provider.answer_prompt:
        answering.discard("answer_prompt")
    run = [one for one in _declared(BenchmarkConfig, config) if one.changes != "answer" or one.name in answering]
    run = [replace(one, low=max(one.low, deepest)) if one.name == "top_k" else one for one in run]
    lone = [one.name for one in own if one.kind == "choice" and len(one.choices) < 2]
    space = Space(tuple(one for one in (*own, *run) if one.changes in wanted)).without(lone)
    return Space(tuple(one.checked() for one in space))


def _usable(parameter: Parameter, settings: BaseModel) -> Parameter:
    """`parameter` with those of its choices that the settings accept on this machine."""

    def accepted(choice: SettingValue) -> bool:
        try:
            type(settings).model_validate({**dict(settings), parameter.name: choice})
        except ConfigurationError:
            return False
        return True

    return replace(parameter, choices=tuple(filter(accepted, parameter.choices)))


def _declared(model: type[BaseModel], values: BaseModel) -> Iterator[Parameter]:
    for name, info in model.model_fields.items():
        for tunable in info.metadata:
            if isinstance(tunable, Tunable):
                yield _parameter(name, info.annotation, tunable, getattr(values, name))


def _parameter(name: str, annotation: Any, tunable: Tunable, default: SettingValue) -> Parameter:
    choices, kinds = tunable.choices, _without_none(annotation)
    if not choices and typing.get_origin(kinds[0]) is Literal:
        choices = typing.get_args(kinds[0])
    if not choices and bool in kinds:
        choices = (False, True)
    if choices:
        return Parameter(name, "choice", default, choices=choices, active_if=tunable.active_if, changes=tunable.changes)
    if tunable.low is None or tunable.high is None:
        raise TypeError(f"{name}: a number is tunable between low and high; give both to Tunable")
    kind: Kind = "int" if int in kinds else "float"
    return Parameter(
        name, kind, default, low=tunable.low, high=tunable.high, step=tunable.step, log=tunable.log,
        active_if=tunable.active_if, changes=tunable.changes,
    )  # fmt: skip


def _without_none(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return tuple(kind for kind in typing.get_args(annotation) if kind is not type(None))
    return (annotation,)


def _is_active(parameter: Parameter, values: Mapping[str, SettingValue]) -> bool:
    return all(values.get(name) in among for name, among in parameter.active_if.items())
