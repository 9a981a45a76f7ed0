"""Thresholds as text, ``NAME=VALUE``: understood or refused, also for what a run selects."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from reports.metrics import NUGGET_SCORES, K, Level
from vocabulary import PHASES, ConfigurationError, Gold, Phase, did_you_mean

GROUPS = ("answerable", "unanswerable")
PERCENTILES = ("p50", "p90", "p95", "p99", "max", "mean")
TIMED = ("ingest", "indexing", "search", "answer", "judge")
RANKED = (*(f"{metric}@{k}" for metric in ("recall", "hit", "ndcg") for k in K), "mrr")
TIMES = tuple(f"{percentile}.{phase}_ms" for percentile in PERCENTILES for phase in TIMED)
ANSWER_NAMES = ("f1.locomo_official", "exact_match.substring_exact_match")
NUGGET_NAMES = tuple(f"nuggets.{name}" for name in NUGGET_SCORES)
EVERY_NAME = (
    "accuracy",
    "accuracy.low",
    *(f"accuracy.{group}" for group in GROUPS),
    *RANKED,
    *(f"session.{name}" for name in RANKED),
    *ANSWER_NAMES,
    *NUGGET_NAMES,
    *TIMES,
)
ACCEPTED = (
    "accuracy, recall@K, hit@K, ndcg@K (K one of 1, 3, 5, 10, 30, 50), mrr, session.recall@K …, each also with a "
    "question type as in accuracy.temporal; accuracy.low; f1.locomo_official; exact_match.substring_exact_match; "
    "nuggets.beam_nuggets; p50.search_ms, p95.search_ms and the like"
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """One ``NAME=VALUE``, understood.

    `metric` is "accuracy", a ranked metric ("recall@10"), one of `ANSWER_NAMES` or `NUGGET_NAMES`, or a time
    ("p95.search_ms"). `part` is a question type or a group, None for the whole; `low` asks for the interval's lower
    bound.
    """

    name: str
    value: float
    metric: str
    part: str | None = None
    low: bool = False
    level: Level = "message"

    @property
    def direction(self) -> Literal["at least", "at most"]:
        """Times may be at most the threshold, all else at least."""
        return "at most" if self.metric in TIMES else "at least"

    @property
    def is_of_judging(self) -> bool:
        """Whether it is measured where recorded answers are judged."""
        judged = ("accuracy", *ANSWER_NAMES, *NUGGET_NAMES)
        return self.metric in judged or self.metric.endswith(".judge_ms")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run selects, as far as thresholds depend on it.

    `parts` are question types and groups, in order; `own_metrics` the names of the benchmarks' own answer metrics. For
    each level, `with_evidence` holds the parts (None for the whole) in which a question names evidence;
    `with_rubric` has None and the types of questions with a rubric.
    """

    parts: tuple[str, ...]
    own_metrics: frozenset[str | None]
    until: Phase
    top_k: int
    with_evidence: Mapping[Level, Collection[str | None]]
    with_rubric: Collection[str | None] = ()

    @classmethod
    def of(cls, golds: Iterable[Gold], own_metrics: Iterable[str | None], until: Phase, top_k: int) -> Scope:
        """The scope of a run over questions with these `golds`."""
        parts: dict[str, None] = {}
        groups: dict[str, None] = {}
        with_rubric: set[str | None] = set()
        with_evidence: dict[Level, set[str | None]] = {"message": set(), "session": set()}
        for gold in golds:
            own = (GROUPS[not gold.answerable], *gold.groups)
            parts[gold.question_type] = None
            groups.update(dict.fromkeys(own))
            if gold.rubric:
                with_rubric |= {None, gold.question_type}
            if gold.evidence_messages:
                with_evidence["message"].update((None, gold.question_type, *own))
            if gold.evidence_sessions:
                with_evidence["session"].update((None, gold.question_type, *own))
        return cls((*parts, *groups), frozenset(own_metrics), until, top_k, with_evidence, with_rubric)


def parse_threshold(text: str) -> Threshold:
    """Understand ``NAME=VALUE``.

    Raises `ConfigurationError` in one line: what was given, what is accepted, what was probably meant. Whether a run
    has such a value is not known here: see `check_thresholds`.
    """
    name, equals, number = (part.strip() for part in text.partition("="))
    if not equals and (value := _number(name)) is not None:
        share = value if value <= 1 else value / 100
        meant = f" Did you mean accuracy={share:g}?" if 0 <= share <= 1 else ""
        raise ConfigurationError(f"threshold {text!r} has no name.{meant} Accepted as NAME=VALUE: {ACCEPTED}.")
    metric, part, low, level = parsed_name(name, text)
    if not equals or not number:
        example = "200" if metric in TIMES else "0.65"
        raise ConfigurationError(f"threshold {text!r} has no value: write {name}=VALUE, as in {name}={example}.")
    return Threshold(name, _parsed_value(number, text, metric), metric, part, low, level)


def parsed_name(name: str, text: str) -> tuple[str, str | None, bool, Level]:
    """The metric, the part, whether the lower bound is meant, and the level; raises `ConfigurationError`."""
    if name in TIMES or name in ANSWER_NAMES:
        return name, None, False, "message"
    for one in NUGGET_NAMES:
        if name == one or (name.startswith(f"{one}.") and name != f"{one}."):
            return one, name.removeprefix(one).removeprefix(".") or None, False, "message"
    level: Level = "session" if name.startswith("session.") else "message"
    inner = name.removeprefix("session.").removeprefix("message.")
    metric, dot, part = inner.partition(".")
    low = part == "low" or part.endswith(".low")
    if low:
        part = part.removesuffix("low").removesuffix(".")
    known = (metric in RANKED and not low) or (metric == "accuracy" and inner == name)
    if not known or (dot and not part and not low):
        may_be_part = part and part not in map(own_metric, ANSWER_NAMES)
        candidates = (*EVERY_NAME, *(f"{one}.{part}" for one in ("accuracy", *RANKED) if may_be_part))
        guess = did_you_mean(name, candidates)
        raise ConfigurationError(f"unknown threshold {text!r}.{guess} Accepted as NAME=VALUE: {ACCEPTED}.")
    return metric, part or None, low, level


def _parsed_value(number: str, text: str, metric: str) -> float:
    value = _number(number)
    if value is None:
        raise ConfigurationError(f"threshold {text!r}: {number!r} is not a number; write it as in {metric}=0.65.")
    if metric in TIMES:
        if value < 0:
            raise ConfigurationError(f"threshold {text!r}: a time cannot be below 0; give milliseconds.")
    elif not 0 <= value <= 1:
        meant = f" Did you mean {value / 100:g}?" if 1 < value <= 100 else ""
        raise ConfigurationError(f"threshold {text!r}: {number} is not a share from 0 to 1.{meant}")
    return value


def check_thresholds(thresholds: Iterable[Threshold], scope: Scope) -> None:
    """Make sure that a run of this `scope` gives a value for each threshold.

    Raises `ConfigurationError` otherwise: such a gate could never be met.
    """
    for threshold in thresholds:
        if reason := _part_missing(threshold, scope) or _not_measured(threshold, scope):
            raise ConfigurationError(f"threshold {threshold.name!r}: {reason}")


def _part_missing(threshold: Threshold, scope: Scope) -> str | None:
    if threshold.part is None or threshold.part in scope.parts:
        return None
    guess = did_you_mean(threshold.part, scope.parts)
    return (
        f"no selected question is of type {threshold.part!r}.{guess} Types of the selection: {', '.join(scope.parts)}."
    )


def _not_measured(threshold: Threshold, scope: Scope) -> str | None:
    """Why no question of `scope` has a value, where that is known before any is asked."""
    phase = _phase_of(threshold.metric)
    if PHASES.index(phase) > PHASES.index(scope.until):
        return f"it needs the phase {phase}, and --until {scope.until} stops before."
    if threshold.metric in ANSWER_NAMES and own_metric(threshold.metric) not in scope.own_metrics:
        return "no selected benchmark has this metric."
    part = f" of type {threshold.part}" if threshold.part else ""
    if threshold.metric in NUGGET_NAMES and threshold.part not in scope.with_rubric:
        return f"no selected question{part} has a rubric."
    if threshold.metric not in RANKED:
        return None
    cutoff = threshold.metric.partition("@")[2]
    if cutoff and int(cutoff) > scope.top_k:
        return f"it needs --top-k {cutoff} or more, and --top-k is {scope.top_k}."
    if threshold.part not in scope.with_evidence[threshold.level]:
        return f"no selected question{part} names its evidence by {threshold.level}."
    return None


def own_metric(name: str) -> str:
    """Which of a benchmark's own answer metrics one of `ANSWER_NAMES` is about."""
    return name.partition(".")[2]


def _phase_of(metric: str) -> Phase:
    if metric in TIMES:
        timed = metric.partition(".")[2].removesuffix("_ms")
        return next((phase for phase in PHASES if phase == timed), "ingest")
    if metric in ANSWER_NAMES:
        return "answer"
    return "search" if metric in RANKED else "judge"
