"""The closing table of a run, as plain text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from textwrap import wrap

from reports.metrics import Accuracy, Comparison, Estimate, RetrievalLevels
from reports.report import GROUPS, Report, Result, dollars
from reports.show.grid import grid
from reports.show.published import published_lines
from vocabulary import PHASES

WIDTH = 100
HEADINGS = ("provider", "benchmark", "accuracy", "recall@10", "search p50", "p95 ms", "errors")
WIDEST = (16, 18)
"""How wide a cell of the columns that may be cut is at most, where there are not more than 100 columns."""
NUMBERS = range(3, 7)
P95 = 5
"""The column that is left out where there are fewer than 90 columns: it is in report.json."""
NOTHING = "-"
SAMPLE = "  sample"
CORRECTED = "  corrected key"
MOST_GROUPS = 6
"""A benchmark with more groups of its own than these has them in report.json."""


def closing_table(report: Report, width: int = WIDTH) -> str:
    """The results, the comparisons and the warnings of `report`, in lines of at most `width` characters."""
    return "\n".join((*result_lines(report, width), *warning_lines(report, width)))


def result_lines(report: Report, width: int, *, colour: bool = False) -> list[str]:
    """The table, what explains it, and the comparisons; with `colour` the headings are bold."""
    rows = [row for result in report.results for row in _rows(result)]
    lines = _aligned([HEADINGS, *rows], width, colour=colour)
    about = (_nuggets, _notes, _conformance, _judges, published_lines, _cached, _costs)
    for line in chain.from_iterable(one(report) for one in about):
        lines += _folded(line, width)
    several = len({comparison.benchmark for comparison in report.comparisons}) > 1
    compared = [_compared(comparison, several=several) for comparison in report.comparisons]
    if width < 90:
        compared = [row[:-1] for row in compared]  # the table says how many questions there were
    return lines + (grid(compared, width, flexible=(0, 2)) if compared else [])


def warning_lines(report: Report, width: int) -> list[str]:
    """What a reader must know before comparing these results with others."""
    lines = []
    for text, where in _warnings(report).items():
        named = "" if len(where) == len(report.results) else f"{', '.join(where)}: "
        lines += _folded(f"warning: {named}{text}", width)
    return lines


def _compared(comparison: Comparison, *, several: bool) -> tuple[str, ...]:
    """What a comparison says, as a row; with the benchmark where there are `several`."""
    low, high = comparison.ci95
    return (
        f"{comparison.first} and {comparison.second}",
        "differ" if comparison.different else "no difference shown",
        f"{comparison.metric} on {comparison.benchmark}" if several else comparison.metric,
        f"{comparison.difference:+.3f} [{low:+.3f}, {high:+.3f}]",
        _p_value(comparison.p_value),
        f"n={comparison.n}",
    )


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    groups, sample = result.by_group, result.benchmark.sample
    search = result.latency_ms.search
    yield (
        result.provider.name,
        result.benchmark.name,
        _accuracy(result.accuracy),
        _recall(result.shown_retrieval),
        _time(search.p50),
        _time(search.p95),
        str(result.questions.errors),
    )
    if (other := result.corrected) is not None:
        line = f"  n={result.questions.selected}"
        yield CORRECTED, line, _accuracy(other.accuracy), _recall(other.shown_retrieval), "", "", ""
    if sample is not None:
        whole = "" if sample.estimate is None else _accuracy(sample.estimate)
        yield SAMPLE, f"  {sample.selected} of {sample.questions}", whole, "", "", "", ""
    for name in _shown_groups(result):
        group = groups[name]
        line = f"  n={group.questions.selected}"
        yield f"  {name}", line, _accuracy(group.accuracy), _recall(group.retrieval), "", "", ""


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


def _aligned(rows: Sequence[Sequence[str]], width: int, *, colour: bool) -> list[str]:
    limits = (*(WIDEST if width <= WIDTH else (width, width)), *(width for _ in NUMBERS), width)
    cells = [[_cut(cell, widest) for cell, widest in zip(row, limits, strict=False)] for row in rows]
    right = set(NUMBERS)
    if width < 90:
        cells = [row[:P95] + row[P95 + 1 :] for row in cells]
    styles = ["bold", *("" for _row in rows[1:])] if colour else []
    return grid(cells, width, right=right, flexible=(0, 1), styles=styles)


def _nuggets(report: Report) -> Iterator[str]:
    """Grades of rubrics: in all, and by question type."""
    for result in report.results:
        where = f" ({result.provider.name} on {result.benchmark.name})" if len(report.results) > 1 else ""
        for name, scores in result.nuggets.items():
            types = ", ".join(f"{kind} {_share(score.value)}" for kind, score in scores.by_type.items())
            passed = f"{_share(scores.passed.value)} of the questions at 0.5 or more"
            yield f"{name}{where}: {_share(scores.overall.value)}, {passed}; {types}"


def _notes(report: Report) -> Iterator[str]:
    if any(set(GROUPS) <= result.by_group.keys() for result in report.results):
        yield "recall@10 in a provider's line is that of its answerable questions"
    if any(result.benchmark.sample and result.benchmark.sample.estimate for result in report.results):
        yield "sample: accuracy estimated for the whole, each question type weighed as it is there"
    if any(len(result.by_group.keys() - set(GROUPS)) > MOST_GROUPS for result in report.results):
        yield "results by group, such as context-30, stand in report.json under by_group"
    if report.results and report.run.settings.until != "ingest" and 0 < report.run.settings.top_k < 10:
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
        if found.summary:
            yield f"conformance{f' of {name}' if len(names) > 1 else ''}: {found.summary}"


def _judges(report: Report) -> Iterator[str]:
    """Each judge for itself, where there are several or one voted several times, and how far they agree."""
    for result in report.results:
        where = f" ({result.provider.name} on {result.benchmark.name})" if len(report.results) > 1 else ""
        for judge in result.judges:
            noise = judge.noise
            if judge.accuracy is not None and (len(result.judges) > 1 or noise):
                line = f"judge {judge.name}{where}: {_accuracy(judge.accuracy)}"
                if noise is not None and noise.changed is not None:
                    line += (
                        f"; {noise.repeats} votes a question, which differ for {noise.changed:.1%}, "
                        f"standard deviation of accuracy {noise.accuracy_sd:.3f}"
                    )
                yield line
        agreement = result.agreement
        if agreement is not None and agreement.n:
            pairs = [f"{pair.first} and {pair.second} {_share(pair.cohen_kappa)}" for pair in agreement.pairs]
            line = f"kappa of the judges{where}, n={agreement.n}: {', '.join(pairs)} (Cohen)"
            yield f"{line}, all {_share(agreement.fleiss_kappa)} (Fleiss)" if len(pairs) > 1 else line


def _cached(report: Report) -> Iterator[str]:
    """What came from the step cache, and was not done or paid for in this run."""
    for result in report.results:
        if result.cached:
            where = f" ({result.provider.name} on {result.benchmark.name})" if len(report.results) > 1 else ""
            steps = ", ".join(f"{phase} {count}" for phase, count in result.cached.items())
            yield f"cached{where}: {result.questions.cached} of {result.questions.selected} questions ({steps})"


def _costs(report: Report) -> Iterator[str]:
    """What the models cost, if any was used: in all, then what is known of it by phase and by result."""
    paid = [(result, result.cost) for result in report.results if result.cost is not None]
    if not paid:
        return
    whole = _sum_of(cost.usd for _result, cost in paid)
    line = dollars(whole)
    if whole is None:
        line += f" of {', '.join(sorted({name for _result, cost in paid for name in cost.unpriced}))}"
    used = {phase: [cost.by_phase[phase].usd for _result, cost in paid if phase in cost.by_phase] for phase in PHASES}
    parts: list[tuple[str, float | None]] = [(phase, _sum_of(amounts)) for phase, amounts in used.items() if amounts]
    if len(report.results) > 1:
        parts += [(f"{result.provider.name} on {result.benchmark.name}", cost.usd) for result, cost in paid]
    known = "; ".join(f"{what} {dollars(usd)}" for what, usd in parts if usd is not None)
    yield f"cost: {line}" + (f" ({known}), prices of {paid[0][1].prices}" if known else "")


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


def _folded(text: str, width: int) -> list[str]:
    return wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
