"""The closing table of a run, as plain text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from reports.figures import Accuracy, Estimate, RetrievalLevels
from reports.gate import GROUPS
from reports.model import Comparison, Report, Result
from reports.prices import dollars
from reports.records import PHASES

WIDTH = 100
HEADINGS = ("provider", "benchmark", "accuracy", "recall@10", "search p50", "p95 ms", "errors")
WIDEST = (16, 18, 20, 9, 10, 9, 6)
ON_THE_RIGHT = 3
"""The columns from here on are numbers."""
NOTHING = "-"
SAMPLE = "  sample"
MOST_GROUPS = 6
"""A benchmark with more groups of its own than these has them in report.json."""


def closing_table(report: Report) -> str:
    """The results, the comparisons and the warnings of `report`, in lines of at most 100 characters."""
    rows = [row for result in report.results for row in _rows(result)]
    lines = [*_aligned([HEADINGS, *rows]), *_notes(report)]
    for told in _conformance(report):
        lines += _folded(told)
    for told in (*_judges(report), *_costs(report)):
        lines += _folded(told)
    for comparison in report.comparisons:
        lines += _folded(comparison_line(comparison))
    for text, where in _warnings(report).items():
        named = "" if len(where) == len(report.results) else f"{', '.join(where)}: "
        lines += _folded(f"warning: {named}{text}")
    return "\n".join(lines)


def comparison_line(comparison: Comparison) -> str:
    """What a comparison says, in one line."""
    low, high = comparison.ci95
    figures = (
        f"{comparison.metric} on {comparison.benchmark} "
        f"{comparison.first_value:.3f} and {comparison.second_value:.3f}, "
        f"difference {comparison.difference:+.3f} [{low:+.3f}, {high:+.3f}], "
        f"{_p_value(comparison.p_value)}, n={comparison.n}"
    )
    pair = f"{comparison.first} and {comparison.second}"
    return (
        f"{pair} differ: {figures}" if comparison.different else f"no difference can be told between {pair}: {figures}"
    )


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    groups, sample = result.by_group, result.benchmark.sample
    # Unanswerable questions are shown apart; where there are both, recall is that of questions with an answer to find.
    levels = groups["answerable"].retrieval if "answerable" in groups else result.retrieval
    search = result.latency_ms.search
    yield (
        result.provider.name,
        result.benchmark.name,
        _accuracy(result.accuracy),
        _recall(levels),
        _time(search.p50),
        _time(search.p95),
        str(result.questions.errors),
    )
    if sample is not None:
        whole = "" if sample.estimate is None else _accuracy(sample.estimate)
        yield SAMPLE, f"  {sample.selected} of {sample.questions}", whole, "", "", "", ""
    for name in _shown_groups(result):
        group = groups[name]
        told = f"  n={group.questions.selected}"
        yield f"  {name}", told, _accuracy(group.accuracy), _recall(group.retrieval), "", "", ""


def _shown_groups(result: Result) -> list[str]:
    """Answerable and unanswerable questions where there are both, and the benchmark's own groups if they are few."""
    own = [name for name in result.by_group if name not in GROUPS]
    both = [name for name in GROUPS if name in result.by_group]
    return [*(both if len(both) > 1 else []), *(own if 1 < len(own) <= MOST_GROUPS else [])]


def _accuracy(accuracy: Accuracy | Estimate | None) -> str:
    if accuracy is None:
        return NOTHING
    low, high = accuracy.ci95
    return f"{accuracy.value:.3f} [{low:.3f}, {high:.3f}]"


def _recall(levels: RetrievalLevels) -> str:
    if levels.message is not None:
        return _share(levels.message.recall["10"])
    if levels.session is not None:
        recall = levels.session.recall["10"]
        return _share(recall) if recall is None else f"{recall:.3f} s"
    return NOTHING


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def _time(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"


def _p_value(value: float) -> str:
    return "p<0.001" if value < 0.001 else f"p={value:.3f}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cells = [[_cut(cell, widest) for cell, widest in zip(row, WIDEST, strict=True)] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        parts = [
            cell.rjust(width) if place >= ON_THE_RIGHT else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(parts).rstrip()


def _notes(report: Report) -> Iterator[str]:
    if any(set(GROUPS) <= result.by_group.keys() for result in report.results):
        yield "recall@10 in a provider's line is that of its answerable questions"
    if any(result.benchmark.sample and result.benchmark.sample.estimate for result in report.results):
        yield "sample: accuracy estimated for the whole, each question type weighed as it is there"
    if any(len(result.by_group.keys() - set(GROUPS)) > MOST_GROUPS for result in report.results):
        yield "results by group, such as context-30, stand in report.json under by_group"
    if report.results and report.run.settings.until != "ingest" and report.run.settings.top_k < 10:
        yield f"recall@10 was not measured: {report.run.settings.top_k} results were asked for"
    if not report.results:
        yield "no question was selected"
    if any(_recall(result.retrieval).endswith(" s") for result in report.results):
        yield "s: recall of sessions, because the results do not say which messages they come from"


def _conformance(report: Report) -> Iterator[str]:
    """What providers failed of the conformance kit, once for each."""
    names = dict.fromkeys(result.provider.name for result in report.results)
    for name in names:
        found = next(result.conformance for result in report.results if result.provider.name == name)
        if found.told:
            yield f"conformance{f' of {name}' if len(names) > 1 else ''}: {found.told}"


def _judges(report: Report) -> Iterator[str]:
    """Each judge for itself, where there are several or one voted several times, and how far they agree."""
    for result in report.results:
        where = f" ({result.provider.name} on {result.benchmark.name})" if len(report.results) > 1 else ""
        for judge in result.judges:
            noise = judge.noise
            if judge.accuracy is not None and (len(result.judges) > 1 or noise):
                told = f"judge {judge.name}{where}: {_accuracy(judge.accuracy)}"
                if noise is not None and noise.changed is not None:
                    told += (
                        f"; {noise.repeats} votes a question, which differ for {noise.changed:.1%}, "
                        f"standard deviation of accuracy {noise.accuracy_sd:.3f}"
                    )
                yield told
        agreement = result.agreement
        if agreement is not None and agreement.n:
            pairs = [f"{pair.first} and {pair.second} {_share(pair.cohen_kappa)}" for pair in agreement.pairs]
            told = f"kappa of the judges{where}, n={agreement.n}: {', '.join(pairs)} (Cohen)"
            yield f"{told}, all {_share(agreement.fleiss_kappa)} (Fleiss)" if len(pairs) > 1 else told


def _costs(report: Report) -> Iterator[str]:
    """What the models cost, if any was used: in all, then what is known of it by phase and by result."""
    paid = [(result, result.cost) for result in report.results if result.cost is not None]
    if not paid:
        return
    whole = _sum_of(cost.usd for _result, cost in paid)
    told = dollars(whole)
    if whole is None:
        told += f" of {', '.join(sorted({name for _result, cost in paid for name in cost.unpriced}))}"
    used = {phase: [cost.by_phase[phase].usd for _result, cost in paid if phase in cost.by_phase] for phase in PHASES}
    parts: list[tuple[str, float | None]] = [(phase, _sum_of(amounts)) for phase, amounts in used.items() if amounts]
    if len(report.results) > 1:
        parts += [(f"{result.provider.name} on {result.benchmark.name}", cost.usd) for result, cost in paid]
    known = "; ".join(f"{what} {dollars(usd)}" for what, usd in parts if usd is not None)
    yield f"cost: {told}" + (f" ({known}), prices of {paid[0][1].prices}" if known else "")


def _sum_of(amounts: Iterable[float | None]) -> float | None:
    """The sum of amounts; None if any of them is not known."""
    every = list(amounts)
    known = [amount for amount in every if amount is not None]
    return math.fsum(known) if len(known) == len(every) else None


def _warnings(report: Report) -> dict[str, list[str]]:
    """Each warning once, with the results that it is about."""
    found: dict[str, list[str]] = {}
    for result in report.results:
        for text in (*result.warnings, *result.clock_warnings):
            found.setdefault(text, []).append(f"{result.provider.name} on {result.benchmark.name}")
    return found


def _folded(text: str) -> list[str]:
    return wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
