"""What a run would do, before it is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.config import BenchmarkConfig
from bench.pipeline import OpenBenchmark, Participants
from bench.plugin.terminal.estimate import graded_by, price_lines
from reports.store import SelectedQuestion
from vocabulary import PHASES, Case


def plan_lines(
    selected: Sequence[SelectedQuestion],
    benchmarks: Mapping[str, OpenBenchmark],
    config: BenchmarkConfig,
    participants: Participants,
) -> Iterator[str]:
    """The work of a fresh run over `selected`, a line for each provider and benchmark, and what all of it needs."""
    phases = PHASES[: PHASES.index(config.until) + 1]
    calls = 0
    for provider, name in dict.fromkeys((question.provider, question.case.benchmark) for question in selected):
        cases = [
            question.case for question in selected if (question.provider, question.case.benchmark) == (provider, name)
        ]
        calls += _model_calls(cases, benchmarks[name], phases, config, participants)
        if config.answers:
            yield f"{provider} on {name}: {_counted(len(cases), 'answer')} of run {config.answers} to judge"
            continue
        distinct = dict.fromkeys(case.haystack for case in cases)
        per_haystack = {haystack: benchmarks[name].benchmark.haystack(haystack).session_count for haystack in distinct}
        if config.isolation == "question":
            containers, sessions = len(cases), sum(per_haystack[case.haystack] for case in cases)
        else:
            containers, sessions = len(distinct), sum(per_haystack.values())
        searches = len(cases) if "search" in phases else 0
        yield (
            f"{provider} on {name}: {_counted(len(cases), 'question')} over {_counted(len(distinct), 'haystack')}, "
            f"{_counted(containers, 'container')}, {_counted(sessions, 'session')} to ingest, {searches} searches"
        )
    ids: dict[str, set[str]] = {}
    for question in selected:
        ids.setdefault(question.case.benchmark, set()).add(question.case.id)
    for name, distinct_ids in ids.items():
        if sampled := _sampled(len(distinct_ids), benchmarks[name]):
            yield sampled
    yield f"model calls: {calls}" + ("" if calls else " (answering model and judge run here, without a language model)")
    yield from price_lines(selected, benchmarks, config, participants)


def _sampled(asked: int, opened: OpenBenchmark) -> str | None:
    """What part of the benchmark is asked, if it is not all of it."""
    sample = opened.selection.sample
    whole = sum(sample.population.values())
    if asked == whole:
        return None
    how = [sample.description] if sample.description else []
    if asked < sample.chosen:
        how.append("chosen by pytest's own options")
    return f"{opened.benchmark.name}: {asked} of {_counted(whole, 'question')}: {', '.join(how)}"


def _model_calls(
    cases: Sequence[Case], opened: OpenBenchmark, phases: Sequence[str], config: BenchmarkConfig,
    participants: Participants,
) -> int:  # fmt: skip
    answering = "answer" in phases and not participants.answerer.offline
    judges = participants.judges_for(opened.benchmark) if "judge" in phases else ()
    judging = sum(judge.calls_for(gold) for judge in judges for gold in graded_by(cases))
    return len(cases) * answering + judging * config.judge_repeats


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
