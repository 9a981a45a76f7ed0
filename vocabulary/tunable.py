"""Settings that a search for better ones may change: declared in the annotation of the field, where it is defined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

SettingValue: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Tunable:
    """Which values of a setting are worth a try: ``rrf_k: Annotated[float, Tunable(low=1, high=200, log=True)]``.

    `low` and `high` are both tried, `step` is from `low` on; `log` tries as many values below 10 as between 10 and 100.
    A Literal or bool needs no bounds: all its values are `choices` unless some are given. `active_if` names settings
    of the same class and the values at which this one matters: ``{"rerank": ("cross-encoder",)}``.

    `changes` is the first phase whose results may depend on the setting. What "search" says of a setting holds for all
    time: containers that were ingested with another value of it are searched.
    """

    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    choices: tuple[SettingValue, ...] = ()
    active_if: Mapping[str, tuple[SettingValue, ...]] = field(default_factory=dict)
    changes: Literal["ingest", "search", "answer"] = "ingest"


@dataclass(frozen=True, slots=True)
class SearchOnly:
    """Says the same of a setting of which no values are worth a try: ingest does not read it, and never will."""
