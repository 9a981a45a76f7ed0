"""Whether a run is good enough: thresholds as text, and what they say of a report's results."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from reports.figures import Breakdown, RetrievalLevels
from reports.model import Gate, GateRow, Result
from reports.retrieval_metrics import K
from schema import ConfigurationError

GROUPS = ("answerable", "unanswerable")
PERCENTILES = ("p50", "p90", "p95", "p99", "max", "mean")
PHASES = ("ingest", "indexing", "search", "answer", "judge")
RANKED = (*(f"{metric}@{k}" for metric in ("recall", "hit", "ndcg") for k in K), "mrr")
TIMES = tuple(f"{percentile}.{phase}_ms" for percentile in PERCENTILES for phase in PHASES)
F1_NAMES = ("f1.locomo_official",)
EVERY_NAME = (
    "accuracy",
    "accuracy.low",
    *(f"accuracy.{group}" for group in GROUPS),
    *RANKED,
    *(f"session.{name}" for name in RANKED),
    *F1_NAMES,
    *TIMES,
)
ACCEPTED = (
    "accuracy, recall@K, hit@K, ndcg@K (K one of 1, 3, 5, 10, 30, 50), mrr, session.recall@K …, each also with a "
    "question type as in accuracy.temporal; accuracy.low; f1.locomo_official; p50.search_ms, p95.search_ms and the like"
)
ROUNDING = 1e-12
"""A mean of shares may miss its exact value by some last digits; a threshold is not missed for that."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One ``NAME=VALUE``, understood.

    `metric` is "accuracy", a ranked metric ("recall@10"), an F1's name or a time ("p95.search_ms"). `part` is a
    question type or a group, None for the whole; `low` asks for the interval's lower bound.
    """

    name: str
    value: float
    metric: str
    part: str | None = None
    low: bool = False
    level: Literal["message", "session"] = "message"

    @property
    def direction(self) -> Literal["at least", "at most"]:
        """Times may be at most the threshold, all else at least."""
        return "at most" if self.metric in TIMES else "at least"


def parse_threshold(text: str) -> Threshold:
    """Understand ``NAME=VALUE``.

    Raises `schema.ConfigurationError` in one line: what was given, what is accepted, what was probably meant. Whether a
    question type exists is not known here: see `check_types`.
    """
    name, equals, number = (part.strip() for part in text.partition("="))
    metric, part, low, level = _parsed_name(name, text)
    if not equals or not number:
        example = "200" if metric in TIMES else "0.65"
        raise ConfigurationError(f"threshold {text!r} has no value: write {name}=VALUE, as in {name}={example}.")
    return Threshold(name, _parsed_value(number, text, metric), metric, part, low, level)


def _parsed_name(name: str, text: str) -> tuple[str, str | None, bool, Literal["message", "session"]]:
    if name in TIMES or name in F1_NAMES:
        return name, None, False, "message"
    level: Literal["message", "session"] = "session" if name.startswith("session.") else "message"
    inner = name.removeprefix("session.").removeprefix("message.")
    metric, dot, part = inner.partition(".")
    low = part == "low" or part.endswith(".low")
    if low:
        part = part.removesuffix("low").removesuffix(".")
    known = (metric in RANKED and not low) or (metric == "accuracy" and inner == name)
    if not known or (dot and not part and not low):
        candidates = (*EVERY_NAME, *(f"{one}.{part}" for one in ("accuracy", *RANKED) if part))
        near = difflib.get_close_matches(name, candidates, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(f"unknown threshold {text!r}.{guess} Accepted as NAME=VALUE: {ACCEPTED}.")
    return metric, part or None, low, level


def _parsed_value(number: str, text: str, metric: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigurationError(f"threshold {text!r}: {number!r} is not a number; write it as in {metric}=0.65.")
    if metric in TIMES:
        if value < 0:
            raise ConfigurationError(f"threshold {text!r}: a time cannot be below 0; give milliseconds.")
    elif not 0 <= value <= 1:
        meant = f" Did you mean {value / 100:g}?" if 1 < value <= 100 else ""
        raise ConfigurationError(f"threshold {text!r}: {number} is not a share from 0 to 1.{meant}")
    return value


def check_types(thresholds: Iterable[Threshold], types: Iterable[str]) -> None:
    """Make sure that each threshold on a question type names one of `types` (or a group).

    Raises `schema.ConfigurationError` otherwise: such a gate could never be met.
    """
    known = (*types, *GROUPS)
    for threshold in thresholds:
        if threshold.part is not None and threshold.part not in known:
            near = difflib.get_close_matches(threshold.part, known, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(
                f"threshold {threshold.name!r}: there is no question type {threshold.part!r} in this run.{guess} "
                f"Known: {', '.join(known)}."
            )


def evaluate(
    results: Sequence[Result],
    thresholds: Sequence[Threshold],
    max_errors: int | None,
    *,
    finished: bool,
    second_look: bool,
) -> Gate:
    """Hold `results` against `thresholds`: each must be met by every result that it applies to.

    `max_errors` is how many errors the whole run may have; None is 0. A second look and an unfinished run are refused.
    """
    rows = tuple(row for threshold in thresholds for row in _rows(threshold, results))
    errors = sum(result.questions.errors for result in results)
    allowed = max_errors or 0
    refused = None
    if second_look:
        refused = "a second look asks only what was wrong before; no gate can be satisfied by it"
    elif not finished:
        refused = "the run is not finished; continue it with --lf, then the gate can be judged"
    met = refused is None and errors <= allowed and all(row.met for row in rows)
    return Gate(met=met, refused=refused, thresholds=rows, errors=errors, max_errors=allowed)


def gate_lines(gate: Gate) -> list[str]:
    """What the terminal says about `gate`, a line for each threshold and for errors."""
    if gate.refused is not None:
        return [f"gate refused: {gate.refused}"]
    lines = [f"gate {'met' if row.met else 'missed'}: {_row_text(row)}" for row in gate.thresholds]
    if gate.errors > gate.max_errors:
        lines.append(f"gate missed: {_counted(gate.errors, 'error')} > {gate.max_errors} allowed (--max-errors)")
    elif gate.errors:
        lines.append(f"gate met: {_counted(gate.errors, 'error')} <= {gate.max_errors} allowed (--max-errors)")
    return lines or ["gate met: no errors"]


def _rows(threshold: Threshold, results: Sequence[Result]) -> list[GateRow]:
    rows = [_row(threshold, result) for result in results if _applies(threshold, result)]
    if rows:
        return rows
    return [
        GateRow(
            name=threshold.name, threshold=threshold.value, direction=threshold.direction,
            provider=None, benchmark=None,
            value=None, met=False, missed_by=None, reason="nothing that was selected has such a number",
        )
    ]  # fmt: skip


def _applies(threshold: Threshold, result: Result) -> bool:
    if threshold.metric in F1_NAMES:
        return threshold.metric == f"f1.{result.benchmark.official_f1}"
    return threshold.part is None or _part(threshold, result) is not None


def _part(threshold: Threshold, result: Result) -> Breakdown | None:
    part = threshold.part or ""
    return result.by_type.get(part) or result.by_group.get(part)


def _row(threshold: Threshold, result: Result) -> GateRow:
    value, reason = _measured(threshold, result)
    missed_by = None
    if value is not None:
        short = value - threshold.value if threshold.direction == "at most" else threshold.value - value
        missed_by = short if short > ROUNDING else None
    return GateRow(
        name=threshold.name, threshold=threshold.value, direction=threshold.direction,
        provider=result.provider.name, benchmark=result.benchmark.name,
        value=value, met=value is not None and missed_by is None, missed_by=missed_by, reason=reason,
    )  # fmt: skip


def _measured(threshold: Threshold, result: Result) -> tuple[float | None, str | None]:
    """The number that `threshold` speaks of, or why there is none."""
    if threshold.metric in TIMES:
        statistic, _, phase = threshold.metric.removesuffix("_ms").partition(".")
        value: float | None = getattr(getattr(result.latency_ms, phase), statistic)
        return value, None if value is not None else f"no {phase} step was done"
    if threshold.metric in F1_NAMES:
        f1 = result.f1.get(threshold.metric.removeprefix("f1."))
        if f1 is None:
            return None, "nothing was answered"
        return f1.answerable.value, None if f1.answerable.n else "no answerable question was selected"
    block = _part(threshold, result) or result
    if threshold.metric != "accuracy":
        return _ranked(block.retrieval, threshold, result)
    if block.accuracy is None:
        return None, "nothing was judged"
    return (block.accuracy.ci95[0] if threshold.low else block.accuracy.value), None


def _ranked(levels: RetrievalLevels, threshold: Threshold, result: Result) -> tuple[float | None, str | None]:
    retrieval = levels.session if threshold.level == "session" else levels.message
    if retrieval is None:
        searched = result.context.n
        untold = f"the results do not say which {threshold.level} they come from"
        return None, untold if searched else "nothing was searched"
    if retrieval.n == 0:
        return None, "no such question has evidence"
    metric, _, cutoff = threshold.metric.partition("@")
    by_cutoff = {"recall": retrieval.recall, "hit": retrieval.hit, "ndcg": retrieval.ndcg}
    value = by_cutoff[metric][cutoff] if cutoff else retrieval.mrr
    return value, None if value is not None else f"fewer than {cutoff} results were asked for (--top-k)"


def _row_text(row: GateRow) -> str:
    where = f" on {row.provider}/{row.benchmark}" if row.provider else ""
    if row.value is None:
        return f"{row.name} has no value{where}: {row.reason}"
    if row.direction == "at most":
        sign, beyond, digits = ("<=" if row.met else ">"), "over by", 1
    else:
        sign, beyond, digits = (">=" if row.met else "<"), "short by", 3
    if row.missed_by is not None and row.missed_by < 10**-digits:
        digits = 9  # a near miss must not look like a hit
    text = f"{row.name} {row.value:.{digits}f} {sign} {row.threshold:g}{where}"
    return text if row.missed_by is None else f"{text}: {beyond} {row.missed_by:.{digits}f}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
