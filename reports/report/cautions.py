"""What a reader must know before comparing a result with another one, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from reports.metrics import Level, Questions, Sample
from reports.store import BenchmarkRecord, RunRecord

LAG_SHARE = 0.05
"""Event-loop lag beyond this share of a median search may have coloured it."""


def warnings_of(
    run: RunRecord,
    benchmark: BenchmarkRecord,
    sample: Sample | None,
    questions: Questions,
    unattributed: dict[Level, float],
    provider: str,
    replaced: int,
    unspaced: int,
) -> Iterator[str]:
    """The warnings of one result.

    `unattributed` is the share of results, by level, that do not say their origin; `replaced` counts the questions in
    whose texts a character was replaced, `unspaced` those whose ground truth is in a script without spaces.
    """
    yield from _about_the_run(run, questions)
    yield from _about_models(run, benchmark)
    if sample is not None:
        part = f"{sample.selected} of {sample.questions} questions"
        yield f"not the whole benchmark was asked: {part}, {sample.description}"
    elif benchmark.sample is None and run.sampled is not None:
        yield f"not the whole benchmark was asked: {run.sampled}"
    if not benchmark.verified:
        yield f"the data of {benchmark.name} is not known to be the published file (sha256 {benchmark.sha256[:12]})"
    for level, share in unattributed.items():
        if share == 1:
            yield f"no result says which {level} it comes from: retrieval of {level}s cannot be measured"
        elif share > 0:
            yield f"{share:.1%} of the results do not say which {level} they come from: more may have been found"
    judges = benchmark.judges or (run.judge,)
    if unspaced and run.until == "judge" and (offline := [judge.name for judge in judges if judge.model is None]):
        yield (
            f"{', '.join(offline)} cannot read the words of {_counted(unspaced, 'ground truth')} in a script without "
            "spaces, and looks for each as a whole: use a model that judges"
        )
    yield from _about_top_k(run, provider, benchmark.name)
    if replaced:
        yield (
            f"U+FFFD stands in texts of {_counted(replaced, 'question')}: lone surrogates and NUL are replaced by it, "
            "unless the data has it already"
        )


def clock_warnings_of(run: RunRecord, provider: str, search_p50: float | None) -> Iterator[str]:
    """The warnings about the times of one result of `provider`; `search_p50` in milliseconds."""
    others = {name for other in run.providers if other.name != provider for name in _services_of(other.name)}
    for service in dict.fromkeys(outage.service for outage in run.outages):
        mine = [outage for outage in run.outages if outage.service == service]
        if service not in others:
            times = "once" if len(mine) == 1 else f"{len(mine)} times"
            seconds = sum(outage.seconds for outage in mine)
            end = "" if all(outage.over for outage in mine) else " until --patience was over"
            yield f"{service} failed for everybody {times}, for {seconds:.0f} s in all: its calls waited{end}"
    lag = run.loop_lag_ms_p99
    if lag is not None and search_p50 is not None and lag > LAG_SHARE * search_p50:
        yield (
            f"the event loop lagged by up to {lag:.1f} ms (p99), more than {LAG_SHARE:.0%} of the median search of "
            f"{search_p50:.1f} ms: the times may be the harness's own; measure with fewer --in-flight"
        )

    for note in run.notes:
        if note.kind == "blocked":
            yield (
                f"a call of {note.provider} kept the event loop for {note.value:.1f} s, so that all other calls stood "
                "still: it blocks (time.sleep, a synchronous client) inside async def; make it a plain def, or await"
            )


def _about_top_k(run: RunRecord, provider: str, benchmark: str) -> Iterator[str]:
    mine = [note for note in run.notes if (note.provider, note.benchmark) == (provider, benchmark)]
    if beyond := [note.value for note in mine if note.kind == "returned"]:
        yield (
            f"{_counted(len(beyond), 'search', 'es')} returned more results than --top-k {run.top_k} (up to "
            f"{max(beyond):,.0f}): only the first {run.top_k} were used"
        )
    if whole := [note.value for note in mine if note.kind == "unranked"]:
        yield (
            f"{provider} does not rank its results: all were used, up to {max(whole):,.0f}, whatever --top-k "
            f"({run.top_k}) says"
        )


def _counted(number: int, word: str, ending: str = "s") -> str:
    return f"{number:,} {word}{'' if number == 1 else ending}"


def _services_of(provider: str) -> tuple[str, str]:
    return f"provider-{provider}", f"indexing-{provider}"


def _about_the_run(run: RunRecord, questions: Questions) -> Iterator[str]:
    if run.second_look_at is not None:
        yield (
            f"a second look at what was wrong in {run.second_look_at}: these numbers replace nothing there and satisfy "
            "no gate"
        )
    if run.finished is None:
        yield "the run is not finished: what was not asked yet counts as not correct and as not found"
    for change in run.code_changes:
        versions = f"begun at {change.begun}, continued at {change.continued}"
        yield f"the code of {change.subject} changed during the run: {versions}"
    if questions.errors:
        counted = "question ended" if questions.errors == 1 else "questions ended"
        yield f"{questions.errors} {counted} in an error: counted as not correct, and as not found if the search failed"
    if run.until != "judge":
        yield f"asked only until {run.until}: nothing was judged, so there is no accuracy"


def _about_models(run: RunRecord, benchmark: BenchmarkRecord) -> Iterator[str]:
    if run.answers_from is not None:
        yield (
            f"the answers are those of run {run.answers_from}: memory system and answering model were not called here, "
            "so there is no retrieval, latency or cost of theirs"
        )
    elif run.answerer.offline and run.until in ("answer", "judge"):
        yield f"the answers are those of {run.answerer.name}, no language model: they do not compare with a model's"
    if benchmark.own_prompts and len(run.providers) > 1:
        own = ", ".join(benchmark.own_prompts)
        yield f"{own} brought an answer prompt of its own: with other prompts, accuracies compare prompts too"
    if run.until == "judge":
        judges = benchmark.judges or (run.judge,)
        for judge in judges:
            if judge.model is None and judge.name != benchmark.official_f1:
                yield f"the judge is {judge.name}, no language model: accuracy does not compare with a model-judged one"
