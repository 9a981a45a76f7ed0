"""A run for programs: the same pipeline, checkpoint and report as under pytest, called as a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple  # Any: parsed JSON

from bench.base import Benchmark
from bench.budget import Budget, check_budget, meter_of
from bench.cast import benchmark_names, find_benchmark
from bench.config import BenchmarkConfig
from bench.pipeline import Job
from bench.selection import select_from
from bench.session import RunSession
from bench.startup import check_providers
from reports import PHASES, Report
from schema import ConfigurationError, InfrastructureError, Verdict


class RunProgress(NamedTuple):
    """How far a run is: `done` of `total` questions, `correct` and `errors` among them."""

    done: int
    total: int
    correct: int
    errors: int


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
) -> BenchmarkResult:
    """Run `benchmarks` (names or dotted paths) as `config` says, and report.

    An existing `config.run_id` is continued: what it has is not asked again. `progress` is called after each question.
    When `config.max_usd` is spent it ends early, and the report's run is not finished; the same run id goes on.
    Questions that end in an error are counted in the report; it raises only if nothing can be run at all
    (`schema.ConfigurationError`, for a provider that cannot be used too; `schema.DataError`) or nothing can be recorded
    (`schema.CheckpointError`).
    """
    if not benchmarks:
        raise ConfigurationError(f"run_benchmark: name one or more benchmarks: {', '.join(benchmark_names())}.")
    told = ", ".join([*map(repr, benchmarks), "config"])
    session = RunSession(config, f"run_benchmark({told})")
    check_budget(session)
    opened: dict[str, Benchmark] = {}
    for name in benchmarks:
        benchmark = find_benchmark(name)(config.benchmark_options)
        opened[benchmark.name] = benchmark
    chosen = {name: select_from(benchmark, config).cases for name, benchmark in opened.items()}
    # the same order as under pytest: benchmark by benchmark, provider by provider
    selected = [
        (provider, case) for cases in chosen.values() for provider in dict.fromkeys(config.provider) for case in cases
    ]
    check_providers(session.cast)
    checkpoint = session.open()
    workbench = session.work(checkpoint, opened)
    try:
        workbench.seal(selected)
        workbench.expect(selected)
        meter = meter_of(checkpoint, config, session.cast)
        budget = Budget(config.max_usd, meter, lambda: None) if meter and config.max_usd is not None else None
        state = RunProgress(0, len(selected), 0, 0)
        for index, (provider, case) in enumerate(selected):
            workbench.look_ahead(islice(selected, index, None))
            correct, failed = _outcome(workbench.job(provider, case), config)
            workbench.forget(provider, case)
            state = RunProgress(index + 1, len(selected), state.correct + correct, state.errors + failed)
            if progress:
                progress(state)
            if budget and budget.look():
                break
        workbench.stop()
        report = session.finish(checkpoint)
    finally:
        workbench.close()
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
        for cutoff, value in messages["recall"].items():
            yield f"recall@{cutoff}", value
    for name, f1 in result["f1"].items():
        yield f"f1.{name}", f1["answerable"]["value"]
    yield "context_tokens", result["context"]["tokens_mean"]
    yield "errors", result["questions"]["errors"]
    for phase in ("ingest", "indexing", "search", "answer", "judge"):
        for figure in ("p50", "p95", "p99"):
            yield f"{figure}.{phase}_ms", result["latency_ms"][phase][figure]


def _outcome(job: Job, config: BenchmarkConfig) -> tuple[bool, bool]:
    """Wait for a question; whether it was right, and whether it ended in an error."""
    future = job.futures[PHASES.index(config.until)]
    try:
        ended = future.result()
    except InfrastructureError:
        return False, True
    return isinstance(ended, Verdict) and ended.correct, False
