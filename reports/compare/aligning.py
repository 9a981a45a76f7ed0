"""Comparing one side with another: the questions that both were asked, one benchmark after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from reports.compare.choosing import Side
from reports.compare.model import ChangedOrigin, Compared, Compares, Comparisons, Flips, LeftOut
from reports.differences import (
    Baseline,
    BaselineResult,
    Difference,
    Marks,
    Pair,
    barriers_between,
    changes_between,
    compare_figure,
    marks_by_question,
)
from reports.report import GROUPS
from vocabulary import ConfigurationError

TIMES = ("p50.search_ms", "p95.search_ms", "p50.answer_ms", "p95.answer_ms")
CUTOFFS = (1, 5, 10, 30)
BY_TYPE = ("accuracy", "recall@10")

_Repeats = Sequence[Mapping[str, Marks]]
"""Marks by question id, of each repeat of a side."""


def compare_runs(chosen: Sequence[tuple[Side, Sequence[Side]]], *, anyway: bool = False) -> Comparisons:
    """Compare each baseline with its other sides, on each benchmark that both have.

    Raises `ConfigurationError` where judge or data differ, unless `anyway`, and where no question is in both.
    """
    compared, apart = [], []
    for first, others in chosen:
        for second in others:
            known = [_benchmarks(side.runs) for side in (first, second)]
            common = [name for name in known[0] if name in known[1]]
            for name in dict.fromkeys(chain(*known)):
                if name not in common:
                    side = first if name in known[0] else second
                    apart.append(f"{name}: only {side.provider} in {side.label} was asked it")
            compared += [_compared(name, first, second) for name in common]
    if not anyway:
        _refuse(compared)
    kept = tuple(one for one in compared if one.n)
    if not kept:
        raise ConfigurationError(
            "the runs have no question in common: compare runs of the same benchmark and selection, and see them with "
            "python -m reports list."
        )
    return Comparisons(comparisons=kept, not_compared=tuple(dict.fromkeys(apart)))


def _benchmarks(runs: Iterable[Baseline]) -> list[str]:
    """What every repeat has."""
    first, *others = (run.benchmarks for run in runs)
    return [name for name in first if all(name in known for known in others)]


def _refuse(compared: Iterable[Compared]) -> None:
    for one in compared:
        for changed in one.changed:
            if changed.barrier:
                raise ConfigurationError(
                    f"{one.first.runs[0]} and {one.second.runs[0]} cannot be compared on {one.benchmark}: the "
                    f"{changed.subject} is not the same ({changed.first}; {changed.second}). Run both with the same "
                    f"{changed.subject}, or see the numbers side by side with --anyway."
                )


def _results(side: Side, benchmark: str) -> list[tuple[Baseline, BaselineResult]]:
    found = ((run, run.result(side.provider, benchmark)) for run in side.runs)
    return [(run, result) for run, result in found if result is not None]


def _compared(benchmark: str, first: Side, second: Side) -> Compared:
    before, after = _results(first, benchmark), _results(second, benchmark)
    origins = [*_origins(before, after)]
    sides = [[marks_by_question(result) for _, result in side] for side in (before, after)]
    asked = [_in_all(side) for side in sides]
    known = set(asked[1])
    both = [question for question in asked[0] if question in known]
    figures = _figures([*before, *after])
    types = {question: sides[0][0][question].question_type for question in both}
    order = dict.fromkeys((*before[0][1].types, *types.values()))
    pieces = {name: [question for question in both if types[question] == name] for name in order}
    by_type = {
        name: tuple(_differences([one for one in BY_TYPE if one in figures], pieces[name], *sides, resample=False))
        for name in order
        if pieces[name]
    }
    return Compared(
        benchmark=benchmark, first=_compares(first), second=_compares(second), n=len(both),
        left_out=LeftOut(only_first=len(asked[0]) - len(both), only_second=len(asked[1]) - len(both)),
        changed=tuple(origins), warnings=tuple(_warnings(before, after)),
        differences=tuple(_differences(figures, both, *sides)),
        by_type=by_type if len(by_type) > 1 else {}, flips=_flips(both, *sides),
    )  # fmt: skip


def _compares(side: Side) -> Compares:
    commits = dict.fromkeys(
        run.run.git.commit[:12] + ("+" if run.run.git.dirty else "") for run in side.runs if run.run.git is not None
    )
    return Compares(provider=side.provider, runs=tuple(run.run.id for run in side.runs), commits=tuple(commits))


def _in_all(repeats: _Repeats) -> list[str]:
    """The questions that every repeat was asked, in order."""
    return [question for question in repeats[0] if all(question in one for one in repeats)]


def _origins(
    before: Sequence[tuple[Baseline, BaselineResult]], after: Sequence[tuple[Baseline, BaselineResult]]
) -> Iterator[ChangedOrigin]:
    """What differs from the first run to the others, each once; repeats of a side must not differ in a barrier."""
    seen = set()
    first = before[0]
    for other in (*after, *before[1:]):
        for barrier in (True, False):
            found = barriers_between(first[1], other[1]) if barrier else changes_between(first, other)
            for changed in found:
                if changed not in seen:
                    seen.add(changed)
                    yield ChangedOrigin(**changed._asdict(), barrier=barrier)


def _warnings(
    before: Sequence[tuple[Baseline, BaselineResult]], after: Sequence[tuple[Baseline, BaselineResult]]
) -> Iterator[str]:
    for run, result in (*before, *after):
        counts = Counter(row.outcome for row in result.questions)
        if not run.run.finished:
            yield f"{run.run.id} is not finished: {counts['unjudged']} questions count as not correct"
        if run.run.second_look_at:
            yield f"{run.run.id} is a second look at {run.run.second_look_at}: it asked only what was wrong there"
        if counts["error"]:
            yield f"{run.run.id} has {counts['error']} errors, which count as not correct"


def _figures(results: Sequence[tuple[Baseline, BaselineResult]]) -> list[str]:
    """What all of the runs measured."""
    judged = all(result.judged for _, result in results)
    attributed = all("message" in result.levels for _, result in results)
    top_k = min(run.run.top_k for run, _ in results)
    recall = [f"recall@{k}" for k in CUTOFFS if k <= top_k] if attributed else []
    return [*(["accuracy"] if judged else []), *recall, *TIMES, "context_tokens", "usd"]


def _differences(
    figures: Iterable[str], questions: Sequence[str], first: _Repeats, second: _Repeats, *, resample: bool = True
) -> Iterator[Difference]:
    answerable = [question for question in questions if first[0][question].belongs_to(GROUPS[0])]
    for figure in figures:
        name = figure.partition(".")[2] or figure
        pairs = []
        for question in (answerable or questions) if figure.startswith("recall") else questions:
            values = [_values(side, question, name) for side in (first, second)]
            if values[0] and values[1]:
                pairs.append(Pair(first[0][question].cluster, values[0], values[1]))
        if (found := compare_figure(figure, pairs, resample=resample)) is not None:
            yield found


def _values(repeats: _Repeats, question: str, name: str) -> tuple[float, ...]:
    values = (one[question].value(name) for one in repeats)
    return tuple(value for value in values if value is not None)


def _flips(questions: Iterable[str], first: _Repeats, second: _Repeats) -> Flips:
    found: dict[str, list[str]] = {name: [] for name in Flips.model_fields}
    for question in questions:
        name = f"{_verdict(first, question)}_to_{_verdict(second, question)}"
        if name in found:
            found[name].append(question)
    return Flips(**{name: tuple(ids) for name, ids in found.items()})


def _verdict(repeats: _Repeats, question: str) -> str:
    """What most repeats say: "right", "wrong" or "error", "none" without a verdict; of a tie the worse."""
    words = {"correct": "right", "error": "error", "unjudged": "none"}
    counts = Counter(words.get(one[question].outcome, "wrong") for one in repeats)
    return max(("none", "error", "wrong", "right"), key=lambda word: counts[word])
