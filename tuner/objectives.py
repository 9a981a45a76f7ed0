"""What a search is for: figures to raise or lower, and limits that a configuration must keep."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vocabulary import ConfigurationError, Phase

_LOWER_IS_BETTER = re.compile(r"(p\d+|context_tokens|usd|errors)\b")
_RETRIEVAL = re.compile(r"(?P<name>recall|hit|ndcg)@(?P<k>1|3|5|10|30|50)|mrr")
_ANSWERED = re.compile(r"accuracy(\..+)?|(f1|exact_match)\..+")
_OTHER = re.compile(r"context_tokens|usd|errors|p(50|95|99)\.(ingest|indexing|search|answer|judge)_ms")
_KNOWN = (
    "accuracy, accuracy.TYPE, f1.NAME, exact_match.NAME, recall@K, hit@K, ndcg@K (K in 1, 3, 5, 10, 30, 50), mrr, "
    "context_tokens, usd, errors, p50.PHASE_ms, p95.PHASE_ms, p99.PHASE_ms"
)


@dataclass(frozen=True, slots=True)
class Objective:
    """A figure of a run, and whether more of it is better."""

    metric: str
    direction: Literal["maximize", "minimize"]

    def better(self, one: float, other: float) -> bool:
        """Whether `one` is better than `other`."""
        return one > other if self.direction == "maximize" else one < other

    def gain(self, one: float, other: float) -> float:
        """How much better `one` is than `other`."""
        return one - other if self.direction == "maximize" else other - one

    def __str__(self) -> str:
        return f"{self.metric}:{self.direction[:3]}"


@dataclass(frozen=True, slots=True)
class Constraint:
    """A limit of a figure: ``p95.search_ms<=300``."""

    metric: str
    limit: float
    at_most: bool

    def excess(self, value: float) -> float:
        """By how much `value` breaks it; 0 or less where it is kept."""
        return value - self.limit if self.at_most else self.limit - value

    def __str__(self) -> str:
        return f"{self.metric}{'<=' if self.at_most else '>='}{self.limit:g}"


def parse_objectives(texts: Iterable[str], until: Phase) -> tuple[Objective, ...]:
    """From ``METRIC``, ``METRIC:max`` or ``METRIC:min``; raises `ConfigurationError`."""
    objectives = []
    for text in texts:
        metric, _, direction = text.partition(":")
        if direction not in ("", "min", "max", "minimize", "maximize"):
            raise ConfigurationError(f"--objective {text}: a direction is min or max, not {direction!r}.")
        _check(f"--objective {text}", metric, until)
        lower = direction.startswith("min") if direction else bool(_LOWER_IS_BETTER.match(metric))
        objectives.append(Objective(metric, "minimize" if lower else "maximize"))
    names = [objective.metric for objective in objectives]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"--objective {' '.join(names)}: give each figure once.")
    return tuple(objectives)


def parse_constraints(texts: Iterable[str], until: Phase) -> tuple[Constraint, ...]:
    """From ``METRIC<=VALUE`` or ``METRIC>=VALUE``; raises `ConfigurationError`."""
    constraints = []
    for text in texts:
        found = re.fullmatch(r"\s*(?P<metric>[^<>=\s]+)\s*(?P<sign><=|>=)\s*(?P<limit>\S+)\s*", text)
        try:
            limit = float(found["limit"]) if found else float("nan")
        except ValueError:
            limit = float("nan")
        if found is None or not abs(limit) < float("inf"):
            raise ConfigurationError(f"--constraint {text}: write it as METRIC<=VALUE or METRIC>=VALUE.")
        _check(f"--constraint {text}", found["metric"], until)
        constraints.append(Constraint(found["metric"], limit, found["sign"] == "<="))
    return tuple(constraints)


def cutoff_of(metric: str) -> int | None:
    """The k of ``recall@k`` and the like; None of other figures."""
    found = _RETRIEVAL.fullmatch(metric)
    return int(found["k"]) if found and found["k"] else None


def is_time(metric: str) -> bool:
    """Whether it is a time, such as ``p95.search_ms``: what comes from a cache has none."""
    return metric.endswith("_ms")


def _check(option: str, metric: str, until: Phase) -> None:
    if _ANSWERED.fullmatch(metric):
        if until in ("ingest", "search"):
            raise ConfigurationError(f"{option}: nothing is answered with --until {until}. Leave --until out.")
    elif not (_RETRIEVAL.fullmatch(metric) or _OTHER.fullmatch(metric)):
        raise ConfigurationError(f"{option}: there is no figure {metric!r}. There are {_KNOWN}.")
