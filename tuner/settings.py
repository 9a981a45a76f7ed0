"""What a study is about: everything that must be the same for its trials to be comparable."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal  # Any: JSON

from pydantic import BaseModel, ConfigDict, Field

from bench import BenchmarkConfig
from tuner.objectives import Constraint, Objective, parse_constraints, parse_objectives
from tuner.spaces import Parameter, Space
from vocabulary import ConfigurationError

SamplerName = Literal["tpe", "gp", "random", "nsgaii", "qmc", "grid"]
PrunerName = Literal["wilcoxon", "hyperband", "median", "none"]
_SAME_FOR_ALL = ("benchmark", "objectives", "constraints", "space", "config", "data", "part_seed", "pruner")


class StudySettings(BaseModel):
    """The settings of a study, kept in its storage. `data` is the hash of the benchmark's data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    name: str
    benchmark: str
    config: dict[str, Any]
    """The run's settings that are not searched, as `BenchmarkConfig` has them."""
    data: str
    space: tuple[dict[str, Any], ...]
    objectives: tuple[str, ...] = Field(min_length=1)
    constraints: tuple[str, ...] = ()
    sampler: SamplerName = "tpe"
    pruner: PrunerName = "none"
    seed: int = 0
    part_seed: int = 0
    noise_repeats: int = Field(default=3, ge=2)
    cache: str | None = None
    """The folder of the step cache that trials share; not part of what makes trials comparable."""
    engine: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    """What asks the questions of trials; no part of that either."""

    @property
    def goals(self) -> tuple[Objective, ...]:
        """The objectives; the first is what a single configuration is chosen by."""
        return parse_objectives(self.objectives, self.base.until)

    @property
    def limits(self) -> tuple[Constraint, ...]:
        """The constraints."""
        return parse_constraints(self.constraints, self.base.until)

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of all figures that a trial is looked at by."""
        return tuple(one.metric for one in self.goals) + tuple(one.metric for one in self.limits)

    @property
    def priced(self) -> bool:
        """Whether the dollars of trials can be compared: what comes from a cache costs nothing."""
        return self.cache is None

    @property
    def base(self) -> BenchmarkConfig:
        """The configuration that all trials share."""
        return BenchmarkConfig.model_validate(self.config)

    @property
    def parameters(self) -> Space:
        """What is searched."""
        return Space(tuple(_parameter(record) for record in self.space))

    def run_config(self, run_id: str, part: Literal["tune", "holdout"], **changes: Any) -> BenchmarkConfig:
        """The shared configuration for one run over one part of the benchmark."""
        shared = Path(self.cache) if self.cache else None
        own = {"run_id": run_id, "part": part, "part_seed": self.part_seed, "cache": shared, **changes}
        return self.base.model_copy(update={"engine": self.engine, "ray_address": self.ray_address, **own})

    def check_same(self, stored: StudySettings) -> None:
        """Raise `ConfigurationError` if trials with these settings cannot stand beside those of the `stored` ones."""
        for name in _SAME_FOR_ALL:
            mine, theirs = getattr(self, name), getattr(stored, name)
            if mine != theirs:
                raise ConfigurationError(
                    f"study {self.name} was begun with another {name}: {_shown(theirs, mine)} there, "
                    f"{_shown(mine, theirs)} here. Its trials would not be comparable: name another study with --name."
                )


def record_of(space: Space) -> tuple[dict[str, Any], ...]:
    """A space as JSON."""
    return tuple(
        {
            "name": one.name, "kind": one.kind, "default": one.default, "low": one.low, "high": one.high,
            "step": one.step, "log": one.log, "choices": list(one.choices),
            "active_if": {name: list(values) for name, values in one.active_if.items()}, "changes": one.changes,
        }
        for one in space
    )  # fmt: skip


def shared_config(config: BenchmarkConfig) -> dict[str, Any]:
    """What of `config` a study keeps: all but what names a single run."""
    gate = {"fail_under", "max_errors", "baseline", "no_worse", "max_drop", "max_rise"}
    single = {"run_id", "part", "part_seed", "max_usd", "cache", "cache_mb", "engine", "ray_address"}
    return config.model_dump(mode="json", exclude=gate | single)


def _parameter(record: dict[str, Any]) -> Parameter:
    values = {name: tuple(choices) for name, choices in record["active_if"].items()}
    return Parameter(**{**record, "choices": tuple(record["choices"]), "active_if": values})


def _shown(value: Any, other: Any) -> str:
    """Of two settings that differ, what is different about `value`."""
    if isinstance(value, dict) and isinstance(other, dict):
        own = {name: one for name, one in value.items() if other.get(name) != one}
        return ", ".join(f"{name}={one}" for name, one in own.items()) or "nothing more"
    if isinstance(value, tuple) and isinstance(other, tuple):
        own_items = [one for one in value if one not in other]
        return ", ".join(str(one["name"] if isinstance(one, dict) else one) for one in own_items) or "nothing more"
    return str(value)
