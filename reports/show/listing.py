"""Runs as they lie on the disk, for people: which there are, how far each is, and what was not answered right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from reports.report import conformance_of
from reports.store import (
    Checkpoint,
    Invocation,
    QuestionKey,
    QuestionRecord,
    RunRecord,
    is_worked_on,
    open_run,
    read_invocations,
    read_progress,
    read_run,
    selected_case,
    tables,
    verdicts,
    wrong_questions,
)
from vocabulary import PHASES, ConfigurationError, did_you_mean, visible


@dataclass(frozen=True)
class Pair:
    """How far one provider is on one benchmark.

    `done` counts the questions whose phase is done, `errors` those whose last step failed; containers are those that
    the selected questions need. `correct` counts verdicts.
    """

    provider: str
    benchmark: str
    selected: int
    containers_ready: int
    containers: int
    done: dict[str, int]
    correct: int
    errors: int

    @property
    def accuracy(self) -> float | None:
        """Of what was judged so far; of all that was selected, once all of it has come to its end."""
        judged = self.done.get("judge", 0)
        ended = judged + self.errors >= self.selected
        return self.correct / (self.selected if ended else judged) if judged else None


@dataclass(frozen=True)
class Fault:
    """Errors of one type in one phase, with one of the questions that had it."""

    provider: str
    benchmark: str
    phase: str
    type: str
    count: int
    question: str
    message: str


@dataclass(frozen=True)
class Overview:
    """A run as it stands. `state` is "finished", "running", "killed" or "unfinished" (somebody ended it in order).

    `conformance` has what those of its providers that failed a check of the conformance kit failed, in words.
    """

    run: RunRecord
    state: str
    pairs: tuple[Pair, ...]
    faults: tuple[Fault, ...]
    invocations: tuple[Invocation, ...]
    conformance: dict[str, str]


class Wanted(NamedTuple):
    """Which questions `failures` tells of; None for all."""

    question_type: str | None = None
    provider: str | None = None
    question: str | None = None
    errors_only: bool = False


def overview(runs_dir: Path, run_id: str) -> Overview:
    """How far a run is, whether or not somebody is at it.

    Raises `ConfigurationError` if there is no such run, `CheckpointError` if it cannot be read.
    """
    checkpoint = open_run(runs_dir, run_id, read_only=True)
    try:
        run = read_run(checkpoint)
        invocations = tuple(read_invocations(checkpoint))
        complete = read_progress(checkpoint, run.until).finished
        running = is_worked_on(checkpoint, runs_dir / run_id)
        return Overview(
            run=run,
            state=run_state(run.finished, invocations, running=running, complete=complete),
            pairs=tuple(_pairs(checkpoint, run)),
            faults=tuple(_faults(checkpoint)),
            invocations=invocations,
            conformance={
                provider.name: failed_checks
                for provider in run.providers
                if (failed_checks := conformance_of(runs_dir, provider).summary) is not None
            },
        )
    finally:
        checkpoint.close()


def failures(checkpoint: Checkpoint, wanted: Wanted) -> Iterator[QuestionRecord]:
    """The questions that were not answered right or ended in an error, in their order, read one at a time.

    A question that is asked for by its id comes whatever became of it. Raises `ConfigurationError`, before
    anything is read at length, for a provider, type or question that the run does not know.
    """
    keys = _ordered(checkpoint)
    run = read_run(checkpoint)
    _known("provider", wanted.provider, {key.provider for key in keys})
    _known("question type", wanted.question_type, {name for benchmark in run.benchmarks for name in benchmark.types})
    _known("question", wanted.question, {key.question for key in keys})
    failed = checkpoint.failed(run.until)
    chosen = failed if wanted.errors_only else failed | wrong_questions(checkpoint)
    if wanted.question and not wanted.errors_only:
        chosen = {key for key in keys if key.question == wanted.question}
    return _records(checkpoint, [key for key in keys if key in chosen and _fits(key, wanted)], wanted.question_type)


def failed_questions(checkpoint: Checkpoint) -> tuple[list[QuestionKey], list[QuestionKey]]:
    """The questions that were not answered right, and those that ended in an error, each in the order of selection."""
    failed, wrong = checkpoint.failed(read_run(checkpoint).until), wrong_questions(checkpoint)
    keys = _ordered(checkpoint)
    return [key for key in keys if key in wrong and key not in failed], [key for key in keys if key in failed]


def _records(checkpoint: Checkpoint, keys: list[QuestionKey], question_type: str | None) -> Iterator[QuestionRecord]:
    for key in keys:
        record = checkpoint.question_record(key)
        if question_type in (None, record.case.gold.question_type):
            yield record


def _fits(key: QuestionKey, wanted: Wanted) -> bool:
    return wanted.provider in (None, key.provider) and wanted.question in (None, key.question)


def _known(kind: str, name: str | None, known: Collection[str]) -> None:
    if name is None or name in known:
        return
    guess = did_you_mean(name, known)
    listed = f" There: {', '.join(sorted(known))}." if len(known) <= 20 else ""
    raise ConfigurationError(f"there is no {kind} {name!r} in this run.{guess}{listed}")


def run_state(finished: object, invocations: Sequence[Invocation], *, running: bool, complete: bool = True) -> str:
    """The state of a run, by when it was `finished` and whether a process is at work on it; see `Overview`."""
    under_way = bool(invocations) and invocations[-1].ended is None
    if running and under_way:
        return "running"
    if finished is not None and complete:
        return "finished"
    return "killed" if under_way else "unfinished"


def _pairs(checkpoint: Checkpoint, run: RunRecord) -> Iterator[Pair]:
    columns = tables.questions.c
    query = sa.select(columns.provider, columns.benchmark, columns.question, columns.record).order_by(columns.ordinal)
    needed: dict[tuple[str, str], set[str]] = {}
    selected: Counter[tuple[str, str]] = Counter()
    for row in checkpoint.read(query):
        pair = (row.provider, row.benchmark)
        selected[pair] += 1
        per_question = run.isolation == "question"
        needed.setdefault(pair, set()).add(row.question if per_question else selected_case(row).haystack)
    done, ready, correct = _steps_done(checkpoint), _containers_ready(checkpoint), _correct(checkpoint)
    errors = Counter((key.provider, key.benchmark) for key in checkpoint.failed(run.until))
    # an ingest step is kept only where the run ends with it, or where it failed
    phases = [
        phase for phase in PHASES[: PHASES.index(run.until) + 1] if phase in ("search", "answer", "judge", run.until)
    ]
    for pair, count in selected.items():
        by_phase: dict[str, int] = {phase: done[(*pair, phase)] for phase in phases}
        yield Pair(*pair, count, ready[pair], len(needed[pair]), by_phase, correct[pair], errors[pair])


def _steps_done(checkpoint: Checkpoint) -> Counter[tuple[str, str, str]]:
    columns = tables.steps.c
    query = sa.select(columns.provider, columns.benchmark, columns.phase, sa.func.count().label("number"))
    grouped = query.where(columns.state == "done").group_by(columns.provider, columns.benchmark, columns.phase)
    return Counter({(row.provider, row.benchmark, row.phase): row.number for row in checkpoint.read(grouped)})


def _containers_ready(checkpoint: Checkpoint) -> Counter[tuple[str, str]]:
    columns = tables.containers.c
    query = sa.select(columns.provider, columns.benchmark).where(columns.state == "indexed")
    return Counter((row.provider, row.benchmark) for row in checkpoint.read(query))


def _correct(checkpoint: Checkpoint) -> Counter[tuple[str, str]]:
    return Counter((key.provider, key.benchmark) for key, correct in verdicts(checkpoint) if correct)


def _faults(checkpoint: Checkpoint) -> Iterator[Fault]:
    columns = tables.steps.c
    by = (columns.provider, columns.benchmark, columns.phase, columns.error_type)
    counted = sa.select(
        *by,
        sa.func.count().label("number"),
        sa.func.min(columns.question).label("question"),
        sa.func.min(columns.error_message).label("message"),
    )
    for row in checkpoint.read(counted.where(columns.state == "error").group_by(*by).order_by(*by)):
        message = " ".join(visible(row.message or "").split())
        yield Fault(row.provider, row.benchmark, row.phase, row.error_type, row.number, row.question, message)


def _ordered(checkpoint: Checkpoint) -> list[QuestionKey]:
    columns = tables.questions.c
    query = sa.select(columns.provider, columns.benchmark, columns.question).order_by(columns.ordinal)
    return [QuestionKey._make(row) for row in checkpoint.read(query)]


def clock(moment: datetime | float) -> str:
    """A moment (Unix time or aware) as people read it, in UTC."""
    if isinstance(moment, float):
        moment = datetime.fromtimestamp(moment, UTC)
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
