"""What a run may lose against a baseline, as text: ``METRIC``, ``METRIC=VALUE``, ``METRIC=PERCENT%``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from reports.report.gates.thresholds import ANSWER_NAMES, NUGGET_NAMES, RANKED, TIMES, Threshold, parsed_name
from vocabulary import ConfigurationError, did_you_mean

Rule = Literal["no-worse", "max-drop", "max-rise"]

_STATISTICS = ("p50", "p90", "p95", "p99", "mean")
_PHASES = ("search", "answer", "judge")
COMPARABLE_TIMES = tuple(f"{statistic}.{phase}_ms" for statistic in _STATISTICS for phase in _PHASES)
NAMES = ("accuracy", "recall@10", "session.recall@10", "mrr", "p95.search_ms")
_ACCEPTED = (
    "accuracy, recall@K, hit@K, ndcg@K, mrr, session.recall@K …, each also with a question type as in "
    "accuracy.temporal; p50, p90, p95, p99 or mean of search_ms, answer_ms, judge_ms"
)


@dataclass(frozen=True, slots=True)
class Relative:
    """How much worse than the baseline a metric may be; `margin` is a share of the baseline's value if `percent`."""

    rule: Rule
    threshold: Threshold
    margin: float = 0.0
    percent: bool = False

    @property
    def name(self) -> str:
        """The metric as it was given."""
        return self.threshold.name

    @property
    def figure(self) -> str:
        """What `compare_figure` calls it."""
        return self.threshold.metric.removeprefix("mean.") if self.is_time else self.threshold.metric

    @property
    def is_time(self) -> bool:
        """Whether a rise of it is a loss."""
        return self.threshold.metric in TIMES

    @property
    def option(self) -> str:
        """The option that it came from."""
        return f"--{self.rule} {self.name}" + (f"={self.shown_margin}" if self.rule != "no-worse" else "")

    @property
    def shown_margin(self) -> str:
        """The margin as it was given."""
        return f"{self.margin * 100:g}%" if self.percent else f"{self.margin:g}"

    def margin_of(self, baseline: float) -> float:
        """The margin in units of the metric."""
        return self.margin * baseline if self.percent else self.margin


def parse_relative(rule: Rule, text: str) -> Relative:
    """Understand what follows ``--no-worse``, ``--max-drop`` or ``--max-rise``.

    Raises `ConfigurationError` in one line: what was given, what is accepted, what was probably meant.
    """
    given = f"--{rule} {text}"
    name, equals, number = (part.strip() for part in text.partition("="))
    if not name:
        raise ConfigurationError(f"{given!r} names no metric. Accepted: {_ACCEPTED}.")
    try:
        metric, part, low, level = parsed_name(name, text)
    except ConfigurationError:
        guess = did_you_mean(name, (*NAMES, *RANKED, *COMPARABLE_TIMES))
        raise ConfigurationError(f"{given}: unknown metric {name!r}.{guess} Accepted: {_ACCEPTED}.") from None
    if low:
        raise ConfigurationError(f"{given}: {name} is no figure of a question; hold {name[:-4]} against the baseline.")
    if metric in (*ANSWER_NAMES, *NUGGET_NAMES) or (metric in TIMES and metric not in COMPARABLE_TIMES):
        raise ConfigurationError(f"{given}: a baseline has no {name} of each question. Accepted: {_ACCEPTED}.")
    time = metric in TIMES
    if rule != "no-worse" and (rule == "max-rise") != time:
        better, word = ("--max-rise", "lower") if time else ("--max-drop", "higher")
        raise ConfigurationError(f"{given}: {name} is better when it is {word}; write {better} {text}.")
    margin, percent = 0.0, False
    if rule == "no-worse":
        if equals:
            way_out = f"--{'max-rise' if time else 'max-drop'} {text}"
            raise ConfigurationError(f"{given}: --no-worse takes no value; write {way_out}.")
    else:
        margin, percent = _margin(given, name, number, time=time)
    return Relative(rule, Threshold(name, 0.0, metric, part, low, level), margin, percent)


def _margin(given: str, name: str, number: str, *, time: bool) -> tuple[float, bool]:
    example = f"{name}=20%" if time else f"{name}=0.02"
    percent = number.endswith("%")
    try:
        value = float(number.removesuffix("%"))
    except ValueError:
        raise ConfigurationError(f"{given}: {number!r} is no number or percentage; write it as in {example}.") from None
    if not math.isfinite(value) or value < 0:
        raise ConfigurationError(f"{given}: {number} is no amount; write it as in {example}.")
    if percent:
        return value / 100, True
    if not time and value > 1:
        raise ConfigurationError(f"{given}: {number} is more than the whole. Did you mean {name}={value / 100:g}?")
    return value, False
