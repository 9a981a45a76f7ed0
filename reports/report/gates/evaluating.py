"""Whether a run is good enough: what thresholds say of a report's results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from reports.metrics import Breakdown, RetrievalLevels
from reports.report.gate_blocks import BaselineRow, Gate, GateRow, Unmeasured
from reports.report.gates.against import Against
from reports.report.gates.thresholds import ANSWER_NAMES, NUGGET_NAMES, TIMES, Threshold, own_metric
from reports.report.model import Result

ROUNDING = 1e-12
"""A mean of shares may miss its exact value by some last digits; a threshold is not missed for that."""


def evaluate(
    results: Sequence[Result],
    thresholds: Sequence[Threshold],
    max_errors: int | None,
    *,
    finished: bool,
    second_look: bool,
    unmeasured: Mapping[str, str] = MappingProxyType({}),
    against: Against | None = None,
) -> Gate:
    """Hold `results` against `thresholds` and a baseline: each rule must be met by every result that it applies to.

    `max_errors` is how many errors the whole run may have; None is 0. A second look and an unfinished run are refused.
    Thresholds are missed if a requested benchmark measured nothing: `unmeasured` gives the reason by its name.
    """
    lacking = unmeasured if thresholds or against else {}
    applied = thresholds if results or not lacking else ()
    rows = tuple(row for threshold in applied for row in _rows(threshold, results))
    compared = against.rows(results) if against else ()
    errors = sum(result.questions.errors for result in results)
    allowed = max_errors or 0
    refused = None
    if second_look:
        refused = "a second look asks only what was wrong before; no gate can be satisfied by it"
    elif not finished:
        refused = "the run is not finished; continue it with --lf, then the gate can be judged"
    met = (
        refused is None
        and not lacking
        and errors <= allowed
        and all(row.met for row in rows)
        and all(row.met for row in compared)
    )
    return Gate(
        met=met,
        refused=refused,
        thresholds=rows,
        baseline=against.about if against else None,
        against=compared,
        unmeasured=tuple(Unmeasured(benchmark=name, reason=reason) for name, reason in lacking.items()),
        errors=errors,
        max_errors=allowed,
    )


def gate_lines(gate: Gate) -> list[str]:
    """What the terminal says about `gate`, a line for each threshold and for errors."""
    if gate.refused is not None:
        return [f"gate refused: {gate.refused}"]
    lines = [f"gate {'met' if row.met else 'missed'}: {_row_text(row)}" for row in gate.thresholds]
    run = gate.baseline.run if gate.baseline else ""
    lines += [f"gate {'met' if row.met else 'missed'}: {_baseline_text(row, run)}" for row in gate.against]
    for one in gate.unmeasured:
        reason = one.reason.removeprefix(f"{one.benchmark}: ")
        lines.append(f"gate missed: nothing was measured on {one.benchmark}: {reason}")
    if gate.errors > gate.max_errors:
        lines.append(f"gate missed: {_counted(gate.errors, 'error')} > {gate.max_errors} allowed (--max-errors)")
    elif gate.errors:
        lines.append(f"gate met: {_counted(gate.errors, 'error')} <= {gate.max_errors} allowed (--max-errors)")
    return lines or ["gate met: no errors"]


def _rows(threshold: Threshold, results: Sequence[Result]) -> list[GateRow]:
    graded = {result.benchmark.name for result in results if result.nuggets}
    rows = [_row(threshold, result) for result in results if _applies(threshold, result, graded)]
    if rows:
        return rows
    return [
        GateRow(
            name=threshold.name, threshold=threshold.value, direction=threshold.direction,
            provider=None, benchmark=None,
            value=None, met=False, missed_by=None, reason="nothing that was selected has such a number",
        )
    ]  # fmt: skip


def _applies(threshold: Threshold, result: Result, graded: Collection[str]) -> bool:
    """Whether a result has such a number, or should; nuggets were `graded` of these benchmarks."""
    if threshold.metric in NUGGET_NAMES and result.benchmark.name not in graded:
        return False
    if threshold.metric in ANSWER_NAMES:
        return own_metric(threshold.metric) == result.benchmark.official_f1
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
    if threshold.metric in ANSWER_NAMES:
        scores = {**result.f1, **result.exact_match}.get(own_metric(threshold.metric))
        if scores is None:
            return None, "nothing was answered"
        return scores.answerable.value, None if scores.answerable.n else "no answerable question was selected"
    if threshold.metric in NUGGET_NAMES:
        nuggets = result.nuggets.get(threshold.metric.partition(".")[2])
        if nuggets is None:
            return None, "no nugget was graded"
        return (nuggets.by_type[threshold.part] if threshold.part else nuggets.overall).value, None
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


def _baseline_text(row: BaselineRow, run: str) -> str:
    where = f"on {row.provider}/{row.benchmark}"
    if row.value is None or row.baseline is None or row.change is None:
        return f"{row.name} cannot be compared with {run} {where}: {row.reason}"
    time = row.name.endswith("_ms")
    digits, word = (1, "rise") if time else (3, "drop")
    margin = f"{row.margin * 100:g}%" if row.percent else f"{row.margin:g}"
    value, before = f"{row.value:.{digits}f}", f"{row.baseline:.{digits}f}"
    text = f"{row.name} {value} after {before} in {run} {where}, {row.change:+.{digits}f}"
    if row.ci95 is not None:
        text += f" [{row.ci95[0]:+.{digits}f}, {row.ci95[1]:+.{digits}f}]"
    if row.n < row.selected:
        text += f", on {row.n} of {row.selected} questions"
    if not row.met:
        return f"{text}: {'worse' if row.rule == 'no-worse' else f'a {word} of more than {margin}'}"
    shown = "no loss shown" if row.rule == "no-worse" else f"no {word} of more than {margin} shown"
    if row.catches is None:
        return f"{text}: {shown}, and this sample is too small to show any"
    catches = f"{row.catches:.{digits}f}"
    if not row.sensitive:
        return f"{text}: {shown}, but this sample cannot tell {margin} from none; a {word} of {catches} would be shown"
    return f"{text}: {shown}; one of {catches} would be, in 80 % of runs"
