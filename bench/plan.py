"""What a run would do, before it is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.base import Benchmark
from bench.cast import Cast
from bench.config import BenchmarkConfig
from bench.estimate import price_lines
from bench.selection import select_from
from reports import PHASES
from schema import Case


def plan_lines(
    selected: Sequence[tuple[str, Case]], benchmarks: Mapping[str, Benchmark], config: BenchmarkConfig, cast: Cast
) -> Iterator[str]:
    """The work of a fresh run over `selected`, a line for each provider and benchmark, and what all of it needs."""
    phases = PHASES[: PHASES.index(config.until) + 1]
    calls = 0
    for provider, name in dict.fromkeys((provider, case.benchmark) for provider, case in selected):
        cases = [case for who, case in selected if (who, case.benchmark) == (provider, name)]
        distinct = dict.fromkeys(case.haystack for case in cases)
        per_haystack = {haystack: benchmarks[name].haystack(haystack).session_count for haystack in distinct}
        if config.isolation == "question":
            containers, sessions = len(cases), sum(per_haystack[case.haystack] for case in cases)
        else:
            containers, sessions = len(distinct), sum(per_haystack.values())
        searches = len(cases) if "search" in phases else 0
        calls += _model_calls(len(cases), phases, config, cast)
        yield (
            f"{provider} on {name}: {_counted(len(cases), 'question')} over {_counted(len(distinct), 'haystack')}, "
            f"{_counted(containers, 'container')}, {_counted(sessions, 'session')} to ingest, {searches} searches"
        )
    asked: dict[str, set[str]] = {}
    for _provider, case in selected:
        asked.setdefault(case.benchmark, set()).add(case.id)
    for name, questions in asked.items():
        if sampled := _sampled(len(questions), benchmarks[name], config):
            yield sampled
    yield f"model calls: {calls}" + ("" if calls else " (answering model and judge run here, without a language model)")
    yield from price_lines(selected, benchmarks, config, cast)


def _sampled(asked: int, benchmark: Benchmark, config: BenchmarkConfig) -> str | None:
    """What part of the benchmark is asked, if it is not all of it."""
    sample = select_from(benchmark, config).sample
    whole = sum(sample.population.values())
    if asked == whole:
        return None
    told = [sample.told] if sample.told else []
    if asked < sample.chosen:
        told.append("chosen by pytest's own options")
    return f"{benchmark.name}: {asked} of {_counted(whole, 'question')}: {', '.join(told)}"


def _model_calls(questions: int, phases: Sequence[str], config: BenchmarkConfig, cast: Cast) -> int:
    answering = "answer" in phases and not cast.answerer.offline
    judging = sum(judge.model is not None for judge in cast.judges) if "judge" in phases else 0
    return questions * (answering + judging * config.judge_repeats)


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
