"""What a run would do, before it is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.base import Benchmark
from bench.config import BenchmarkConfig
from bench.workbench import Cast
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
        calls += _model_calls(len(cases), phases, cast)
        yield (
            f"{provider} on {name}: {_counted(len(cases), 'question')} over {_counted(len(distinct), 'haystack')}, "
            f"{_counted(containers, 'container')}, {_counted(sessions, 'session')} to ingest, {searches} searches"
        )
    yield f"model calls: {calls}" + ("" if calls else " (answering model and judge run here, without a language model)")


def _model_calls(questions: int, phases: Sequence[str], cast: Cast) -> int:
    answering = questions if "answer" in phases and not cast.answerer.offline else 0
    judging = questions if "judge" in phases and cast.judge.model is not None else 0
    return answering + judging


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
