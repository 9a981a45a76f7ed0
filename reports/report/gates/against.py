"""Holding a run against a baseline: the questions of both, and a row for each rule and result."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256

from reports.differences import (
    Baseline,
    BaselineResult,
    Difference,
    Marks,
    Pair,
    baseline_text,
    compare_figure,
    judges_text,
    mark,
    marks_by_question,
)
from reports.report.gate_blocks import BaselineRow, GateBaseline
from reports.report.gates.relative import Relative
from reports.report.model import Result
from reports.report.tally import context_tokens
from reports.store import BenchmarkRecord, QuestionRecord
from vocabulary import ConfigurationError

_Pairs = dict[tuple[str, str], dict[str, Marks]]


class Against:
    """A baseline, and the rules that a run is held to."""

    def __init__(self, baseline: Baseline, rules: Sequence[Relative]) -> None:
        self.baseline = baseline
        self.rules = tuple(rules)
        self._marks: _Pairs = {}

    def __repr__(self) -> str:
        """The same for the same baseline and rules."""
        return f"Against({sha256(baseline_text(self.baseline).encode()).hexdigest()}, {self.rules})"

    @property
    def about(self) -> GateBaseline:
        """What a report says of the baseline."""
        git = self.baseline.run.git
        return GateBaseline(run=self.baseline.run.id, commit=git.commit if git else None)

    def watch(self, questions: Iterable[QuestionRecord]) -> Iterator[QuestionRecord]:
        """Hand on `questions`, and keep what is compared of them."""
        self._marks = {}
        for record in questions:
            case, gold = record.case, record.case.gold
            self._marks.setdefault((record.provider, case.benchmark), {})[case.id] = mark(
                case.id, gold.question_type, case.cluster, record.outcome,
                answerable=gold.answerable, groups=gold.groups,
                evidence={"message": gold.evidence_messages, "session": gold.evidence_sessions},
                results=record.results, steps=record.steps, context_tokens=context_tokens(record),
            )  # fmt: skip
            yield record

    def rows(self, results: Sequence[Result]) -> tuple[BaselineRow, ...]:
        """A row for each rule and result."""
        before = {id(one): marks_by_question(one) for one in self.baseline.results}
        rows = []
        for rule in self.rules:
            for result in results:
                provider, benchmark = result.provider.name, result.benchmark.name
                base = counterpart(self.baseline, provider, benchmark)
                marks = self._marks.get((provider, benchmark), {})
                rows.append(_row(rule, result, base, before[id(base)] if base else {}, marks))
        return tuple(rows)


def counterpart(baseline: Baseline, provider: str, benchmark: str) -> BaselineResult | None:
    """What `provider` is held against: itself in the baseline, or the only provider that the baseline has."""
    if (same := baseline.result(provider, benchmark)) is not None:
        return same
    only = baseline.providers if len(baseline.providers) == 1 and provider not in baseline.providers else []
    return baseline.result(only[0], benchmark) if only else None


def check_against(
    against: Against, benchmarks: Iterable[BenchmarkRecord], questions: Mapping[str, Collection[str]],
    providers: Iterable[str], *, top_k: int,
) -> None:  # fmt: skip
    """Make sure that a run over `questions` of these `benchmarks` can be held against the baseline.

    Raises `ConfigurationError` for another judge, other data, no common question, or a metric that the baseline lacks.
    """
    baseline = against.baseline
    name = f"baseline {baseline.run.id}"
    for provider in providers:
        for benchmark in benchmarks:
            found = counterpart(baseline, provider, benchmark.name)
            if found is None:
                known = ", ".join(f"{one.provider.name} on {one.benchmark}" for one in baseline.results) or "nothing"
                raise ConfigurationError(
                    f"{name} has no {provider} on {benchmark.name}, but {known}. Name one of its providers as in "
                    f"--baseline FILE/{(baseline.providers or ['NAME'])[0]}, narrow the selection with -k, or make a "
                    "baseline of this selection."
                )
            if found.sha256 != benchmark.sha256:
                raise ConfigurationError(
                    f"{name} has other data of {benchmark.name} ({found.sha256[:12]}, and here "
                    f"{benchmark.sha256[:12]}): make a baseline with these data, or use its own."
                )
            _check_rules(against, found, benchmark, name, top_k)
            known_ids = {row.question for row in found.questions}
            if not known_ids & set(questions[benchmark.name]):
                raise ConfigurationError(
                    f"{name} and this selection have no question of {benchmark.name} in common: make a baseline of "
                    "this selection, or select what it has."
                )


def _check_rules(against: Against, found: BaselineResult, benchmark: BenchmarkRecord, name: str, top_k: int) -> None:
    for rule in against.rules:
        metric = rule.threshold.metric
        if metric == "accuracy":
            if not found.judged:
                raise ConfigurationError(f"{rule.option}: {name} has no verdicts. Make it without --until.")
            here, there = judges_text(benchmark.judges), judges_text(found.judges or (found.judge,))
            if here != there:
                raise ConfigurationError(
                    f"{rule.option}: {name} was judged by another judge ({there}, and here {here}). Judge by the same, "
                    "or make a baseline with this judge."
                )
        elif not rule.is_time:
            cutoff = int(metric.partition("@")[2] or 1)
            if rule.threshold.level not in found.levels:
                raise ConfigurationError(f"{rule.option}: {name} does not say which {rule.threshold.level} was found.")
            if cutoff > min(against.baseline.run.top_k, top_k):
                raise ConfigurationError(
                    f"{rule.option}: {name} has only --top-k {against.baseline.run.top_k}; take a smaller cut-off."
                )


def _row(
    rule: Relative, result: Result, base: BaselineResult | None, before: Mapping[str, Marks], after: Mapping[str, Marks]
) -> BaselineRow:
    threshold = rule.threshold
    pairs = []
    for question, now in after.items():
        then = before.get(question)
        if then is None or not now.belongs_to(threshold.part):
            continue
        figure = rule.figure.partition(".")[2] or rule.figure
        values = then.value(figure, threshold.level), now.value(figure, threshold.level)
        if values[0] is not None and values[1] is not None:
            pairs.append(Pair(now.cluster, (values[0],), (values[1],)))
    names = {"rule": rule.rule, "name": rule.name, "provider": result.provider.name, "benchmark": result.benchmark.name}
    against = {
        "margin": rule.margin,
        "percent": rule.percent,
        "selected": sum(one.belongs_to(threshold.part) for one in after.values()),
    }
    ranked = threshold.metric != "accuracy" and not rule.is_time
    lacking = ranked and getattr(result.retrieval, threshold.level) is None
    difference = None if lacking else compare_figure(rule.figure, pairs, resample=False)
    if base is None or difference is None:
        reason = "no question that both were asked has such a value"
        return BaselineRow.model_validate({**names, **against, "met": False, "reason": reason})
    margin = rule.margin_of(difference.first)
    catches = None if difference.detectable is None else margin + difference.detectable
    return BaselineRow.model_validate(
        {
            **names, **against, "n": difference.n, "baseline": difference.first, "value": difference.second,
            "change": difference.change, "ci95": difference.ci95, "p_value": difference.p_value,
            "met": not misses(difference, margin, lower_is_better=rule.is_time), "catches": catches,
            "sensitive": difference.detectable is not None and (not margin or difference.detectable <= margin),
            "reason": None,
        }
    )  # fmt: skip


def misses(difference: Difference, margin: float, *, lower_is_better: bool) -> bool:
    """Whether the loss is shown to be more than `margin`, in units of the figure.

    The burden of proof lies on the accusation: where the whole interval lies beyond the margin, the rule is missed.
    Without a margin exact McNemar must agree, and there must be enough clusters, as everywhere.
    """
    if not margin:
        return difference.verdict == "worse"
    if difference.ci95 is None or difference.detectable is None:
        return False
    low, high = difference.ci95
    return (low if lower_is_better else -high) > margin
