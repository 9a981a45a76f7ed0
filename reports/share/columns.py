"""The columns of an exported run: a row for each question and provider."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from reports.differences import times_of
from reports.metrics import (
    EXACT_MATCHES,
    FAILED,
    NUGGET_SCORES,
    AnswerMean,
    K,
    Level,
    RetrievalScores,
    ranking_of,
    score_ranking,
    verdict_score,
)
from reports.report import Prices, Report, Result, Spending, by_corrected_key, question_paid
from reports.store import BenchmarkRecord, Checkpoint, QuestionRecord, RunRecord, Step, read_run
from vocabulary import Phase

Value = str | int | float | bool | None
Kind = Literal["text", "integer", "number", "boolean"]

_LEVELS: tuple[tuple[Level, str], ...] = (("message", ""), ("session", "session."))
_TIMED: tuple[Phase, ...] = ("search", "answer", "judge")


@dataclass(frozen=True)
class Row:
    """A question of a provider, and the run that asked it.

    `tokens` is the estimated size of its haystack. Retrieval is measured at these `levels`. `has_nuggets` says that
    nuggets were graded in the run, so that a question without a verdict counts 0.
    """

    run: RunRecord
    benchmark: BenchmarkRecord
    record: QuestionRecord
    tokens: int | None
    answer_score: float | None
    levels: Collection[Level]
    prices: Prices
    has_nuggets: bool = False

    @cached_property
    def corrected(self) -> QuestionRecord | None:
        """The question by the corrected key, where the run grades by that too."""
        return by_corrected_key(self.record) if self.benchmark.corrected_key else None

    @cached_property
    def scores(self) -> dict[Level, RetrievalScores]:
        """Of the levels at which the question names evidence, as the report has them before it takes means."""
        gold, found = self.record.case.gold, self.record.results
        named: dict[Level, tuple[str, ...]] = {"message": gold.evidence_messages, "session": gold.evidence_sessions}
        return {
            level: FAILED if found is None else score_ranking(ranking_of(found, level), evidence)
            for level, evidence in named.items()
            if evidence and level in self.levels
        }

    @cached_property
    def steps(self) -> dict[Phase, Step]:
        """By phase."""
        return {step.phase: step for step in self.record.steps}

    @property
    def matches_exactly(self) -> bool:
        """Whether the data set's own answer score is a match or none."""
        return self.benchmark.official_f1 in EXACT_MATCHES

    @property
    def usd(self) -> float | None:
        """What its answer and its verdict cost; None if a price is unknown."""
        spending = Spending(self.prices)
        spending.add(question_paid(self.run.answerer, self.benchmark.judges or (self.run.judge,), self.record))
        return None if spending.usd is None else float(spending.usd)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its `meaning` is what docs/share.md says of it; null where the question has no such value."""

    name: str
    kind: Kind
    meaning: str
    of: Callable[[Row], Value]


def _time(phase: Phase) -> Callable[[Row], float | None]:
    def of(row: Row) -> float | None:
        return None if phase in row.record.cached else times_of(row.record.steps).get(phase)

    return of


def _waited(phase: Phase) -> Callable[[Row], float | None]:
    def of(row: Row) -> float | None:
        step = row.steps.get(phase)
        return None if step is None else step.waited_ms

    return of


def _used(phase: Phase, kind: Literal["input_tokens", "output_tokens"]) -> Callable[[Row], int | None]:
    def of(row: Row) -> int | None:
        step = row.steps.get(phase)
        return None if step is None or step.usage is None else int(getattr(step.usage, kind))

    return of


def _score(level: Level, metric: str, k: int) -> Callable[[Row], float | None]:
    def of(row: Row) -> float | None:
        scores = row.scores.get(level)
        return None if scores is None or k > row.run.top_k else float(getattr(scores, metric)[k])

    return of


def _mrr(level: Level) -> Callable[[Row], float | None]:
    def of(row: Row) -> float | None:
        scores = row.scores.get(level)
        return None if scores is None else scores.mrr

    return of


def _nuggets(name: str) -> Callable[[Row], float | None]:
    def of(row: Row) -> float | None:
        gold = row.record.case.gold
        return verdict_score(name, row.record.verdict, gold.question_type) if row.has_nuggets and gold.rubric else None

    return of


def _retrieval() -> Iterator[Column]:
    for level, prefix in _LEVELS:
        for metric, meaning in (
            ("recall", "share of the evidence found"),
            ("hit", "1 if any evidence is found"),
            ("ndcg", "nDCG"),
        ):
            for k in K:
                about = f"{meaning} in the first {k} {level}s"
                yield Column(f"{prefix}{metric}@{k}", "number", about, _score(level, metric, k))
        about = f"1 / the first place that holds evidence, over {level}s"
        yield Column(f"{prefix}mrr", "number", about, _mrr(level))


def _error(row: Row, what: Callable[[Step], str]) -> str | None:
    return None if row.record.error is None else what(row.record.error)


COLUMNS: tuple[Column, ...] = (
    Column("run", "text", "id of the run", lambda row: row.run.id),
    Column("benchmark", "text", "name of the benchmark", lambda row: row.record.case.benchmark),
    Column("provider", "text", "name of the provider", lambda row: row.record.provider),
    Column("question_id", "text", "the suite's id of the question", lambda row: row.record.case.id),
    Column("source_id", "text", "the data set's own id of the question", lambda row: row.record.case.source_id),
    Column("question_type", "text", "question type", lambda row: row.record.case.gold.question_type),
    Column("answerable", "boolean", "the haystack holds the answer", lambda row: row.record.case.gold.answerable),
    Column(
        "groups", "text", "the benchmark's own groups, joined by `;`", lambda row: ";".join(row.record.case.gold.groups)
    ),
    Column("haystack", "text", "hash of the haystack", lambda row: row.record.case.haystack),
    Column("cluster", "text", "what the interval takes for one draw", lambda row: row.record.case.cluster),
    Column("haystack_tokens", "integer", "estimated size of the haystack", lambda row: row.tokens),
    Column("top_k", "integer", "results that were requested", lambda row: row.run.top_k),
    Column("answering_model", "text", "answering model", lambda row: row.run.answerer.name),
    Column("judge", "text", "judge, or the majority of several", lambda row: row.run.judge.name),
    Column("protocol", "text", "the judge's protocol", lambda row: row.run.judge.protocol),
    Column("outcome", "text", "`correct`, `wrong`, `abstained`, `error` or `unjudged`", lambda row: row.record.outcome),
    Column(
        "correct",
        "boolean",
        "false also for an error: its mean is the accuracy; null where the run does not judge",
        lambda row: row.record.outcome == "correct" if row.run.until == "judge" else None,
    ),
    Column("f1", "number", "the data set's own F1", lambda row: None if row.matches_exactly else row.answer_score),
    Column(
        "exact_match",
        "number",
        "the same, of a data set that has no F1 but 1 for an answer with the ground truth in it",
        lambda row: row.answer_score if row.matches_exactly else None,
    ),
    *(
        Column(name, "number", f"mean grade of the rubric's nuggets, as `nuggets.{name}` sums them up", _nuggets(name))
        for name in NUGGET_SCORES
    ),
    Column(
        "corrected_outcome",
        "text",
        "`outcome` by the corrected key, with `--locomo-key both`",
        lambda row: row.corrected.outcome if row.corrected else None,
    ),
    Column(
        "corrected_correct",
        "boolean",
        "`correct` by the corrected key",
        lambda row: row.corrected.outcome == "correct" if row.corrected and row.run.until == "judge" else None,
    ),
    *_retrieval(),
    Column(
        "results",
        "integer",
        "number of search results",
        lambda row: None if row.record.results is None else len(row.record.results),
    ),
    *(Column(f"{phase}_ms", "number", f"service time of the {phase}", _time(phase)) for phase in _TIMED),
    *(
        Column(f"{phase}_waited_ms", "number", f"queueing, backoff and rate limits of the {phase}", _waited(phase))
        for phase in _TIMED
    ),
    *(
        Column(
            f"{phase}_{kind}",
            "integer",
            f"{kind.replace('_', ' ')} of the {phase}, as the server counted them",
            _used(phase, kind),
        )
        for phase in _TIMED[1:]
        for kind in ("input_tokens", "output_tokens")
    ),
    Column("cost_usd", "number", "US dollars of answer and verdict; null for an unknown price", lambda row: row.usd),
    Column(
        "attempts",
        "integer",
        "attempts over all steps of the question",
        lambda row: sum(step.attempts for step in row.record.steps),
    ),
    Column("cached", "boolean", "a step comes from the step cache", lambda row: bool(row.record.cached)),
    Column("replayed", "boolean", "earlier steps were kept by `--retry-from`", lambda row: row.record.replayed),
    Column(
        "error_phase", "text", "phase that ended in an error", lambda row: _error(row, lambda step: str(step.phase))
    ),
    Column(
        "error_type",
        "text",
        "class of the error",
        lambda row: _error(row, lambda step: step.error.type if step.error else ""),
    ),
)
"""In the order of the file; these names stay."""

TEXTS: tuple[Column, ...] = (
    Column("question", "text", "text of the question", lambda row: row.record.case.question.text),
    Column(
        "question_date",
        "text",
        "date of the question, ISO 8601",
        lambda row: date.isoformat() if (date := row.record.case.question.date) else None,
    ),
    Column("ground_truth", "text", "the data set's answer", lambda row: row.record.case.gold.ground_truth),
    Column("answer", "text", "the hypothesis", lambda row: row.record.answer.hypothesis if row.record.answer else None),
    Column(
        "explanation",
        "text",
        "the judge's reason",
        lambda row: row.record.verdict.explanation if row.record.verdict else None,
    ),
    Column(
        "error_message",
        "text",
        "text of the error",
        lambda row: _error(row, lambda step: step.error.message if step.error else ""),
    ),
)
"""Further columns with ``--texts``."""


def rows_of(checkpoint: Checkpoint, report: Report | None) -> Iterator[Row]:
    """The questions of a run in the order of their selection, read one at a time.

    Its `report`, if there is one yet, says at which levels a provider's retrieval cannot be measured, and whether
    nuggets were graded.
    """
    run = read_run(checkpoint)
    searched: Collection[Level] = () if run.until == "ingest" else ("message", "session")
    levels = {(one.provider.name, one.benchmark.name): _measured(one) for one in report.results} if report else {}
    graded = {(one.provider.name, one.benchmark.name) for one in report.results if one.nuggets} if report else set()
    benchmarks = {benchmark.name: benchmark for benchmark in run.benchmarks}
    tokens = {(one.provider, one.benchmark, one.haystack): one.tokens for one in checkpoint.container_records()}
    answered, prices = run.until in ("answer", "judge"), Prices(run.started)
    metrics = {name: AnswerMean(of.official_f1) for name, of in benchmarks.items() if of.official_f1 and answered}
    for record in checkpoint.question_records():
        case, hypothesis = record.case, record.answer.hypothesis if record.answer else None
        metric = metrics.get(case.benchmark)
        yield Row(
            run=run,
            benchmark=benchmarks[case.benchmark],
            record=record,
            tokens=tokens.get((record.provider, case.benchmark, case.haystack)),
            answer_score=metric.add(hypothesis, case.gold) if metric else None,
            levels=levels.get((record.provider, case.benchmark), searched),
            prices=prices,
            has_nuggets=(record.provider, case.benchmark) in graded,
        )


def _measured(result: Result) -> Collection[Level]:
    found: dict[Level, object] = {"message": result.retrieval.message, "session": result.retrieval.session}
    return [level for level, values in found.items() if values is not None]
