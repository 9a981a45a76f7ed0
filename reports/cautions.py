"""What a reader must know before comparing a result with another one, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from reports.figures import Questions, Sample
from reports.records import BenchmarkRecord, RunRecord
from reports.retrieval_metrics import Level

LAG_SHARE = 0.05
"""Event-loop lag beyond this share of a median search may have coloured it."""


def warnings_of(
    run: RunRecord,
    benchmark: BenchmarkRecord,
    sample: Sample | None,
    questions: Questions,
    unattributed: dict[Level, float],
) -> Iterator[str]:
    """The warnings of one result; `unattributed` is the share of results, by level, that do not say their origin."""
    yield from _about_the_run(run, questions)
    yield from _about_models(run, benchmark)
    if sample is not None:
        yield f"not the whole benchmark was asked: {sample.selected} of {sample.questions} questions, {sample.told}"
    elif benchmark.sample is None and run.sampled is not None:
        yield f"not the whole benchmark was asked: {run.sampled}"
    if not benchmark.verified:
        yield f"the data of {benchmark.name} is not known to be the published file (sha256 {benchmark.sha256[:12]})"
    for level, share in unattributed.items():
        if share == 1:
            yield f"no result says which {level} it comes from: retrieval of {level}s cannot be measured"
        elif share > 0:
            yield f"{share:.1%} of the results do not say which {level} they come from: more may have been found"


def clock_warnings_of(run: RunRecord, search_p50: float | None) -> Iterator[str]:
    """The warnings about the times of one result; `search_p50` in milliseconds."""
    lag = run.loop_lag_ms_p99
    if lag is not None and search_p50 is not None and lag > LAG_SHARE * search_p50:
        yield (
            f"the event loop lagged by up to {lag:.1f} ms (p99), more than {LAG_SHARE:.0%} of the median search of "
            f"{search_p50:.1f} ms: the times may be the harness's own; measure with fewer --in-flight"
        )


def _about_the_run(run: RunRecord, questions: Questions) -> Iterator[str]:
    if run.second_look_at is not None:
        yield (
            f"a second look at what was wrong in {run.second_look_at}: these numbers replace nothing there and satisfy "
            "no gate"
        )
    if run.finished is None:
        yield "the run is not finished: what was not asked yet counts as not correct and as not found"
    if questions.errors:
        counted = "question ended" if questions.errors == 1 else "questions ended"
        yield f"{questions.errors} {counted} in an error: counted as not correct, and as not found if the search failed"
    if run.until != "judge":
        yield f"asked only until {run.until}: nothing was judged, so there is no accuracy"


def _about_models(run: RunRecord, benchmark: BenchmarkRecord) -> Iterator[str]:
    if run.answerer.offline and run.until in ("answer", "judge"):
        yield f"the answers are those of {run.answerer.name}, no language model: they do not compare with a model's"
    if benchmark.own_prompts and len(run.providers) > 1:
        own = ", ".join(benchmark.own_prompts)
        yield f"{own} brought an answer prompt of its own: with other prompts, accuracies compare prompts too"
    if run.until == "judge":
        judges = benchmark.judges or (run.judge,)
        for judge in judges:
            if judge.model is None:
                yield f"the judge is {judge.name}, no language model: accuracy does not compare with a model-judged one"
