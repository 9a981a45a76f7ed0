"""A run for programs: the same pipeline, checkpoint and report as under pytest, called as a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar  # Any: parsed JSON

from bench.config import BenchmarkConfig
from bench.pipeline import (
    Budget,
    Job,
    OpenBenchmark,
    RunSession,
    check_budget,
    check_engine,
    find_benchmarks,
    known_benchmarks,
    meter_of,
    own_first,
    preflight,
)
from reports.report import Report
from reports.store import SelectedQuestion
from vocabulary import PHASES, Case, ConfigurationError, InfrastructureError, SearchResult, Verdict

T = TypeVar("T")


class RunProgress(NamedTuple):
    """How far a run is: `done` of `total` questions, `correct` and `errors` among them."""

    done: int
    total: int
    correct: int
    errors: int


class QuestionOutcome(NamedTuple):
    """What came of a question: `results` and `verdict` are None where the run does not go so far, or after an error."""

    provider: str
    case: Case
    results: Sequence[SearchResult] | None
    verdict: Verdict | None
    failed: bool


class Follower(Protocol):
    """Decides in which order questions are asked, and with which of them a run ends early."""

    def order(self, selected: Sequence[SelectedQuestion]) -> Sequence[SelectedQuestion]:
        """All of `selected`, as they are to be asked."""

    def ends(self, outcome: QuestionOutcome) -> bool:
        """Whether the run ends with this question; called with each as it is reached, recorded before or not."""


class BenchmarkResult(NamedTuple):
    """What a run gave.

    `metrics` holds flat figures by name, such as ``bm25/synthetic/accuracy`` or ``bm25/synthetic/p95.search_ms``; those
    that were not measured are left out. `report` is report.json as a model, `jsonl` the path of results.jsonl.
    """

    metrics: dict[str, float]
    report: Report
    jsonl: Path


def run_benchmark(
    config: BenchmarkConfig,
    *benchmarks: str,
    progress: Callable[[RunProgress], None] | None = None,
    follower: Follower | None = None,
    engine: Literal["local", "ray"] | None = None,
) -> BenchmarkResult:
    """Run `benchmarks` (names or dotted paths) as `config` says, and report.

    `engine` takes the place of `config.engine`: with "ray" the processes of a cluster ask the questions.
    An existing `config.run_id` is continued: what it has is not asked again. `progress` is called after each question.
    When a `follower` says so, or `config.max_usd` is spent, it ends early, and the report's run is not finished; the
    same run id goes on.
    Questions that end in an error are counted in the report; it raises only if nothing can be run at all
    (`ConfigurationError`, for a provider that cannot be used too; `DataError`) or nothing can be recorded
    (`CheckpointError`).
    """
    if not benchmarks:
        known = sorted(known_benchmarks(config.benchmark_options))
        raise ConfigurationError(f"run_benchmark: name one or more benchmarks: {', '.join(known)}.")
    config = config.model_copy(update={"engine": engine}) if engine else config
    arguments = ", ".join([*map(repr, benchmarks), "config"])
    session = RunSession(config, f"run_benchmark({arguments})")
    check_engine(session)
    check_budget(session)
    config = session.config
    kinds = [kind for name in benchmarks for kind in find_benchmarks(name, config.benchmark_options)]
    opened = [OpenBenchmark.of(kind, config, session.recorded) for kind in kinds]
    # the same order as under pytest: benchmark by benchmark, provider by provider
    selected = [question for benchmark in opened for question in benchmark.questions(config.provider)]
    selected = list(session.take_shard(selected))
    session.gating.check([type(one.benchmark) for one in opened], [one.case.gold for one in selected])
    ids = {one.benchmark.name: [case.id for case in one.cases] for one in opened}
    session.gating.check_baseline(opened, ids, session.participants)
    preflight(session, opened)
    checkpoint = session.open()
    session.compare_code(checkpoint)
    runner = session.work(checkpoint, {one.benchmark.name: one for one in opened})
    try:
        runner.seal(selected, session.shard)
        asked = follower.order(selected) if follower else own_first(selected, session.is_own)
        runner.expect(asked)
        meter = meter_of(checkpoint, config, session.participants)
        budget = Budget(config.max_usd, meter, lambda: None) if meter and config.max_usd is not None else None
        state = RunProgress(0, len(selected), 0, 0)
        for index, question in enumerate(asked):
            runner.look_ahead(islice(asked, index, None))
            outcome = _outcome(question, runner.job(question), config)
            runner.forget(question)
            correct = outcome.verdict is not None and outcome.verdict.correct
            state = RunProgress(index + 1, len(asked), state.correct + correct, state.errors + outcome.failed)
            if progress:
                progress(state)
            if (follower and follower.ends(outcome)) or (budget and budget.look()):
                break
        runner.stop()
        report = session.finish(checkpoint)
    finally:
        runner.close()
        session.release()
    return BenchmarkResult(metrics_of(report), report, session.folder / "results.jsonl")


def metrics_of(report: Report) -> dict[str, float]:
    """The main figures of `report` as they stand in report.json, each ``PROVIDER/BENCHMARK/FIGURE``."""
    written = report.model_dump(mode="json")
    return {
        f"{result['provider']['name']}/{result['benchmark']['name']}/{name}": float(value)
        for result in written["results"]
        for name, value in _figures(result)
        if value is not None
    }


def _figures(result: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    if accuracy := result["accuracy"]:
        yield "accuracy", accuracy["value"]
        yield "accuracy.low", accuracy["ci95"][0]
        yield "accuracy.high", accuracy["ci95"][1]
    for name, part in {**result["by_group"], **result["by_type"]}.items():
        if part["accuracy"]:
            yield f"accuracy.{name}", part["accuracy"]["value"]
    if messages := result["retrieval"]["message"]:
        yield "mrr", messages["mrr"]
        for name in ("recall", "hit", "ndcg"):
            for cutoff, value in messages[name].items():
                yield f"{name}@{cutoff}", value
    for block in ("f1", "exact_match"):
        for name, scores in result[block].items():
            yield f"{block}.{name}", scores["answerable"]["value"]
    if cost := result["cost"]:
        yield "usd", cost["usd"]
    yield "context_tokens", result["context"]["tokens_mean"]
    yield "errors", result["questions"]["errors"]
    for phase in ("ingest", "indexing", "search", "answer", "judge"):
        for figure in ("p50", "p95", "p99"):
            yield f"{figure}.{phase}_ms", result["latency_ms"][phase][figure]


def _outcome(question: SelectedQuestion, job: Job, config: BenchmarkConfig) -> QuestionOutcome:
    """Wait for a question."""
    try:
        job.futures[PHASES.index(config.until)].result()
    except InfrastructureError:
        failed = True
    else:
        failed = False
    return QuestionOutcome(question.provider, question.case, _value(job.searched), _value(job.judged), failed)


def _value(future: Future[T]) -> T | None:
    return future.result() if future.done() and future.exception() is None else None
