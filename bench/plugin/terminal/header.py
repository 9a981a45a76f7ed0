"""What a run is done with, above the first question."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from bench.config import BenchmarkConfig
from bench.pipeline import Participants, judges_line, shutdown_remarks
from bench.plugin.terminal.width import folded
from providers import described

_MEASURED = "how much of the evidence a provider finds (recall@10), and how many answers are right (accuracy)"
_ROLES = {"none": "none finds nothing (the floor)", "oracle": "oracle finds all of it (the ceiling)"}


def header_lines(config: BenchmarkConfig, participants: Participants, resumption: str | None) -> Iterator[str]:
    """Providers, models and judges, and what their figures may be compared with."""
    answering = [f"answering model {config.answering_model}"]
    searching = [f"top-k {config.top_k}"]
    if config.answers:
        answering, searching = [f"answers of run {config.answers}, judged only"], []
    parts = [
        f"memorybench: {'provider' if len(config.provider) == 1 else 'providers'} {', '.join(config.provider)}",
        *answering,
        judges_line(config.judge, participants.judges, config.judge_repeats),
        *searching,
        f"{config.in_flight} in flight",
        *([f"{'begins with ' if config.shares_run else ''}shard {config.shard}"] if config.shard else []),
        *([f"engine {config.engine}"] if config.engine != "local" else []),
    ]
    yield from folded(" · ".join(parts))
    for name, found in participants.providers.items():
        for line in described(found, participants.settings[name]):
            yield from folded(f"  {line}")
    if roles := [role for name, role in _ROLES.items() if name in config.provider]:
        yield from folded(f"  measured: {_MEASURED}; {', '.join(roles)}")
    answers = participants.answerer_record.offline and config.until in ("answer", "judge")
    judges = config.until == "judge" and any(judge.model is None for judge in participants.judges)
    offline = [*(["answers"] if answers else []), *(["judges"] if judges else [])]
    if offline:
        who = " or ".join(offline)
        yield from folded(f"  no language model {who}: such accuracies do not compare with model-judged ones")
    for remark in shutdown_remarks(config, date.today()):
        yield from folded(f"  {remark}")
    if resumption:
        yield from folded(f"  {resumption}")
