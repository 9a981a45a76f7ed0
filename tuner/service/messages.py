"""What requests to the service and its replies hold: JSON whose numbers are finite, unknown fields refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from vocabulary import SettingValue

SamplerName: TypeAlias = Literal["tpe", "gp", "random", "nsgaii", "qmc", "grid"]
PrunerName: TypeAlias = Literal["wilcoxon", "hyperband", "median", "none"]
State: TypeAlias = Literal["RUNNING", "WAITING", "COMPLETE", "PRUNED", "FAIL"]
Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")]
"""Letters, digits, ``.``, ``_`` and ``-``: it stands in addresses."""

LeaseSeconds: TypeAlias = Annotated[float, Field(ge=0.05, le=86400.0)]
LEASE_SECONDS = 300.0
"""The lease of a trial, unless the request has another."""


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Reply(BaseModel):
    """What a client reads; it ignores fields that a later service adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ObjectiveSpec(_Request):
    """A figure that trials are measured by."""

    name: str = Field(min_length=1, max_length=200)
    direction: Literal["maximize", "minimize"] = "minimize"


class ParameterSpec(_Request):
    """What may be varied: an int or a float between `low` and `high` (both are tried), or one of `choices`.

    `step` counts from `low`; `log` tries as many values below 10 as between 10 and 100. `active_if` names parameters
    further up and the values at which this one matters; at others a trial has none of it. A `default` is a value of
    the study's first trial.
    """

    name: Name
    kind: Literal["int", "float", "choice"]
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    choices: tuple[SettingValue, ...] = Field(default=(), max_length=1000)
    active_if: Mapping[str, tuple[SettingValue, ...]] = Field(default_factory=dict)
    default: SettingValue = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> ParameterSpec:
        numbers = (self.low, self.high, self.step)
        if self.kind == "choice":
            if any(number is not None for number in numbers) or self.log:
                raise ValueError("a choice has choices and no low, high, step or log")
        elif self.low is None or self.high is None or self.choices:
            raise ValueError("a number has low and high and no choices")
        elif self.kind == "int" and any(number is not None and number % 1 for number in numbers):
            raise ValueError("low, high and step of an int are whole numbers")
        return self


class StudySpec(_Request):
    """A study: what is varied, what is measured, and how values are proposed.

    It is kept with the study: sampler and pruner are made from it at every request. The pruner stops no trial before
    `prune_from` steps are reported. ``wilcoxon`` compares the values of equal steps, as of the same question; for
    ``median`` and ``hyperband`` a value is that of all work so far, and its step says how much that is.
    """

    name: Name
    space: tuple[ParameterSpec, ...] = Field(min_length=1, max_length=200)
    objectives: tuple[ObjectiveSpec, ...] = Field(default=(ObjectiveSpec(name="value"),), min_length=1, max_length=16)
    sampler: SamplerName = "tpe"
    pruner: PrunerName = "none"
    prune_from: int = Field(default=10, ge=1, lt=2**31)
    seed: int = Field(default=0, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _prunes_by_one_objective(self) -> StudySpec:
        if self.pruner != "none" and len(self.objectives) > 1:
            raise ValueError("a study with several objectives has no pruner")
        return self


class AskRequest(_Request):
    """`worker` is a name for people; `lease_seconds` is how long the trial stays with it."""

    worker: str = Field(default="", max_length=200)
    lease_seconds: LeaseSeconds = LEASE_SECONDS


class TellRequest(_Request):
    """The end of a trial: a value for each objective, in their order, or `pruned` without values.

    A constraint is kept where its value is 0 or less. `attributes` are any JSON that is to be kept with the trial.
    """

    values: tuple[float, ...] = ()
    pruned: bool = False
    constraints: Mapping[str, float] = Field(default_factory=dict, max_length=100)
    attributes: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> TellRequest:
        if self.pruned == bool(self.values):
            raise ValueError("give values, or pruned without values")
        return self


class ReportRequest(_Request):
    """The value of the only objective after some part of the work; `step` counts from 0."""

    step: int = Field(ge=0, lt=2**31)
    value: float


class FailRequest(_Request):
    """Why a trial has no result; with `again` its parameters are proposed to the next one who asks."""

    reason: str = Field(default="", max_length=2000)
    again: bool = False


class HeartbeatRequest(_Request):
    """A lease that ends so many seconds from now."""

    lease_seconds: LeaseSeconds = LEASE_SECONDS


class EnqueueRequest(_Request):
    """Parameters of a trial to come; those that are left out are proposed by the sampler."""

    params: dict[str, SettingValue] = Field(min_length=1)


class TrialRecord(_Reply):
    """One trial. `values` follow the objectives; None stands for one that is not finite.

    `lease_ends` is when another may get its parameters, unless the lease is renewed; None if nobody works at it.
    `continues` is the number of the trial whose parameters these are: its worker has vanished, or gave it back.
    """

    number: int
    state: State
    params: dict[str, SettingValue]
    values: tuple[float | None, ...] = ()
    constraints: dict[str, float] = {}
    reports: dict[int, float | None] = {}
    attributes: dict[str, JsonValue] = {}
    reason: str | None = None
    worker: str | None = None
    lease_ends: datetime | None = None
    continues: int | None = None
    started: datetime | None = None
    ended: datetime | None = None


class StudySummary(_Reply):
    """A study in a list. `origin` is ``http``, ``optimize`` (of `python -m tuner optimize`), or ``other``."""

    name: str
    origin: Literal["http", "optimize", "other"]
    objectives: tuple[ObjectiveSpec, ...]
    trials: int


class StudyRecord(StudySummary):
    """A study: `states` counts its trials, `space` is what is searched, both ends of ranges included.

    `measured_on` and `verdicts` are of studies that `python -m tuner optimize` made: the part of the benchmark that the
    values of trials come from, and what the held-out part said.
    """

    states: dict[State, int]
    space: tuple[ParameterSpec, ...] = ()
    sampler: str | None = None
    pruner: str | None = None
    seed: int | None = None
    measured_on: str | None = None
    verdicts: tuple[str, ...] = ()


class Importance(_Reply):
    """The share of the variation of `objective` that each parameter explains, of all `trials` that ended."""

    objective: str
    trials: int
    shares: dict[str, float]


class ShouldPrune(_Reply):
    """Whether a trial is so much worse than others at its last step that the rest of its work is not worth while."""

    prune: bool


class Health(_Reply):
    """Whether the service works."""

    status: str


class Problem(_Reply):
    """What is wrong with a request."""

    detail: str
