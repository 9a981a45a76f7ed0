"""Folders of runs that never happened, with verdicts as a test says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.report import write_run
from reports.store.records import QuestionRecord
from tests.reports.made_records import asked, case, container, failed, found, provider, run, waiting

CONVERSATIONS = 8
"""Enough of them that a difference can be shown."""


def question(number: int, outcome: str, *, by: str = "bm25", ms: float = 2.0) -> QuestionRecord:
    """Question `number`, of a conversation that its number gives, with a time of its own."""
    of = case(number, ("temporal", "single-hop")[number % 2], number % CONVERSATIONS)
    if outcome == "error":
        return failed(of, provider=by)
    if outcome == "unjudged":
        return waiting(of, provider=by)
    results = found("m1", "m3") if outcome == "correct" else found("m1", "m2")
    record = asked(of, outcome, results, provider=by)
    search, *others = record.steps
    return record.model_copy(update={"steps": (search.model_copy(update={"service_ms": ms + number % 7}), *others)})


def write(
    runs_dir: Path, name: str, outcomes: Mapping[int, str], *, by: str = "bm25", ms: float = 2.0, **changes: Any
) -> Path:  # Any: fields of the run's record, which checks them
    """A run over these questions in a folder of its own."""
    folder = runs_dir / name
    folder.mkdir(parents=True)
    records = [question(number, outcome, by=by, ms=ms) for number, outcome in outcomes.items()]
    record = run(**{"id": name, "providers": (provider(by),), **changes})
    write_run(folder, record, records, [container(number, provider=by) for number in range(CONVERSATIONS)])
    return folder


def every(n: int, outcome: str = "correct") -> dict[int, str]:
    """`n` questions that all ended alike."""
    return dict.fromkeys(range(n), outcome)
