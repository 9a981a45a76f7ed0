"""A run as a whole: begun once, continued only with the same inputs, found again by its id."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple  # the columns of a row are known only when it is read

import sqlalchemy as sa
from pydantic import JsonValue

from reports import tables
from reports.checkpoint import Checkpoint, QuestionKey
from reports.records import PHASES, BenchmarkRecord, Phase, RunRecord
from schema import CheckpointError, ConfigurationError, Verdict

Parts = dict[str, JsonValue]
"""What a run's numbers depend on, by name; a name that begins with a phase ("answer.model") matters from there on."""


def fingerprint(parts: Parts) -> str:
    """One hash for all that a run's numbers depend on."""
    return sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:16]


def check_run_id(run_id: str) -> str:
    """`run_id` if it can be the name of a folder; raises `schema.ConfigurationError`."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", run_id):
        raise ConfigurationError(f"--run-id {run_id!r}: use up to 80 letters, digits, '.', '_' and '-'.")
    return run_id


def new_run_id() -> str:
    """A fresh id that sorts by time: ``20261121-153012-4f1a``."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"


class Progress(NamedTuple):
    """How far a run is: of `selected` questions `ended` have what was asked for and `errors` ended in an error."""

    selected: int
    ended: int
    errors: int

    @property
    def finished(self) -> bool:
        """Whether each question has come to an end, errors included."""
        return self.selected > 0 and self.ended + self.errors >= self.selected

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be asked."""
        return self.selected > 0 and self.ended >= self.selected


class Invocation(NamedTuple):
    """One time that somebody worked on a run; `started` and `ended` are Unix times, `ended` None if it was killed."""

    command: str
    started: float
    ended: float | None
    loop_lag_ms_p99: float | None


def begin(checkpoint: Checkpoint, record: RunRecord, parts: Parts, retry_from: Phase | None) -> bool:
    """Begin the run, or make sure that it may be continued; True if it is new.

    Raises `schema.ConfigurationError` if it was begun with other inputs, naming each difference. With `retry_from`,
    inputs of that phase and later ones may differ: they are all asked again.
    """
    if _run_row(checkpoint) is None and _inserted(checkpoint, record, parts):
        return True
    (row,) = checkpoint.read(sa.select(tables.runs))
    if row.schema_version != tables.SCHEMA_VERSION:
        raise CheckpointError(
            f"run {checkpoint.run_id!r} was written by another version of the suite (checkpoint schema "
            f"{row.schema_version}, this one has {tables.SCHEMA_VERSION}): start a new run with another --run-id."
        )
    _check_same(checkpoint.run_id, json.loads(row.parts), parts, retry_from)
    begun = RunRecord.model_validate_json(row.record)
    if retry_from or record.until != begun.until:
        kept = {"id", "started", "command", "selection", "sampled", "second_look_at"}
        renewed = record.model_copy(update={name: getattr(begun, name) for name in kept})
        change = {"record": renewed.model_dump_json(), "parts": json.dumps(parts), "finished": None}
        statement = sa.update(tables.runs).where(tables.runs.c.run_id == checkpoint.run_id).values(change)
        checkpoint.writer.submit(lambda connection: connection.execute(statement)).result()
    if retry_from:
        checkpoint.ask_again(PHASES[PHASES.index(retry_from) :])
    return False


def _inserted(checkpoint: Checkpoint, record: RunRecord, parts: Parts) -> bool:
    """Write a new run down; False if somebody else was faster."""
    values = {
        "run_id": checkpoint.run_id,
        "schema_version": tables.SCHEMA_VERSION,
        "record": record.model_dump_json(),
        "parts": json.dumps(parts),
        "started": record.started.timestamp(),
        "sealed": False,
    }
    inserted: list[bool] = []
    checkpoint.writer.submit(lambda to: inserted.append(tables.insert_new(to, tables.runs, values))).result()
    return inserted[-1]


def _check_same(run_id: str, begun: Mapping[str, JsonValue], parts: Parts, retry_from: Phase | None) -> None:
    later = PHASES[PHASES.index(retry_from) :] if retry_from else ()
    different = [
        name
        for name in sorted({*begun, *parts})
        if begun.get(name) != parts.get(name) and name.partition(".")[0] not in later
    ]
    if not different:
        return
    told = "; ".join(
        f"{name} was {json.dumps(begun.get(name))}, is {json.dumps(parts.get(name))}" for name in different
    )
    concerned = {name.partition(".")[0] for name in different}
    first = next((phase for phase in PHASES if phase in concerned), None)
    mendable = first is not None and concerned <= set(PHASES)
    again = f" or, to ask all questions again from there, --retry-from {first}" if mendable else ""
    raise ConfigurationError(
        f"run {run_id!r} was begun with other inputs and cannot be continued with these: {told}. Use another --run-id, "
        f"the same settings{again}."
    )


def read_run(checkpoint: Checkpoint) -> RunRecord:
    """The run as it was begun, with what is known of its end; raises `schema.CheckpointError` if there is none."""
    row = _run_row(checkpoint)
    if row is None:
        raise CheckpointError(f"there is no run {checkpoint.run_id!r} in {tables.shown(checkpoint.url)}.")
    finished = datetime.fromtimestamp(row.finished, UTC) if row.finished else None
    benchmarks = tuple(BenchmarkRecord.model_validate(data) for data in json.loads(row.benchmarks or "[]"))
    parts = json.loads(row.parts) | {f"ingest.data.{benchmark.name}": benchmark.sha256 for benchmark in benchmarks}
    lags = [work.loop_lag_ms_p99 for work in read_invocations(checkpoint) if work.loop_lag_ms_p99 is not None]
    record = RunRecord.model_validate_json(row.record)
    known = {"fingerprint": fingerprint(parts), "benchmarks": benchmarks, "finished": finished}
    return record.model_copy(update={**known, "loop_lag_ms_p99": max(lags, default=None)})


def read_progress(checkpoint: Checkpoint, until: Phase) -> Progress:
    """How far the run is."""
    columns = tables.steps.c
    failed = sa.select(columns.provider, columns.benchmark, columns.question).where(columns.state == "error").distinct()
    ended = checkpoint.ended(until)
    errors = {QuestionKey._make(row) for row in checkpoint.read(failed)} - ended
    return Progress(len(checkpoint.selected()), len(ended), len(errors))


def check_selection(
    checkpoint: Checkpoint, selected: Sequence[QuestionKey], benchmarks: Sequence[BenchmarkRecord]
) -> None:
    """Make sure that the run is about these questions over these data (or more); raises `ConfigurationError`."""
    begun = {benchmark.name: benchmark for benchmark in read_run(checkpoint).benchmarks}
    for benchmark in benchmarks:
        same = begun.get(benchmark.name, benchmark)
        if same.sha256 != benchmark.sha256:
            raise ConfigurationError(
                f"run {checkpoint.run_id!r} was begun with other data: {benchmark.name} had sha256 {same.sha256}, has "
                f"{benchmark.sha256}. Use another --run-id, or the same data."
            )
    about = checkpoint.selected()
    strange = [key for key in selected if key not in about]
    if strange:
        raise ConfigurationError(
            f"run {checkpoint.run_id!r} was begun for other questions: {len(strange)} of {len(selected)} are not among "
            f"them, such as {strange[0].question} with {strange[0].provider}. What a run is about is fixed when it "
            "begins: use another --run-id."
        )


def wrong_questions(checkpoint: Checkpoint) -> set[QuestionKey]:
    """The questions that were judged and not found correct."""
    columns = tables.steps.c
    query = sa.select(columns.provider, columns.benchmark, columns.question, columns.result)
    judged = checkpoint.read(query.where(columns.phase == "judge", columns.state == "done"))
    return {QuestionKey._make(row[:3]) for row in judged if not Verdict.model_validate_json(row.result).correct}


def containers_ready(checkpoint: Checkpoint) -> tuple[int, int]:
    """How many containers can be searched, and how many there are so far."""
    states = [row.state for row in checkpoint.read(sa.select(tables.containers.c.state))]
    return states.count("indexed"), len(states)


def mark_finished(checkpoint: Checkpoint) -> None:
    """Record that each question has come to an end, if that is not recorded yet."""
    open_run = sa.update(tables.runs).where(tables.runs.c.run_id == checkpoint.run_id, tables.runs.c.finished.is_(None))
    statement = open_run.values(finished=time.time())
    checkpoint.writer.submit(lambda connection: connection.execute(statement)).result()


def read_invocations(checkpoint: Checkpoint) -> list[Invocation]:
    """Each time that somebody worked on the run, in their order."""
    columns = tables.invocations.c
    query = sa.select(columns.command, columns.started, columns.ended, columns.loop_lag_ms_p99)
    return [Invocation._make(row) for row in checkpoint.read(query.order_by(columns.started))]


def new_invocation_id() -> str:
    """An id for one time that somebody works on a run, shared by all its workers."""
    return uuid.uuid4().hex[:12]


def begin_invocation(checkpoint: Checkpoint, invocation: str, command: str) -> None:
    """Record that work on the run begins, by the first of its workers."""
    values = {"id": invocation, "run_id": checkpoint.run_id, "command": command, "started": time.time()}
    checkpoint.writer.submit(lambda connection: tables.insert_new(connection, tables.invocations, values)).result()


def note_lag(checkpoint: Checkpoint, invocation: str, loop_lag_ms_p99: float) -> None:
    """Record the event-loop lag of one worker; the worst stands."""
    columns = tables.invocations.c
    less = sa.or_(columns.loop_lag_ms_p99.is_(None), columns.loop_lag_ms_p99 < loop_lag_ms_p99)
    statement = sa.update(tables.invocations).where(columns.id == invocation, less)
    worst = statement.values(loop_lag_ms_p99=loop_lag_ms_p99)
    checkpoint.writer.submit(lambda connection: connection.execute(worst)).result()


def end_invocation(checkpoint: Checkpoint, invocation: str) -> None:
    """Record that this work on the run is over."""
    statement = sa.update(tables.invocations).where(tables.invocations.c.id == invocation).values(ended=time.time())
    checkpoint.writer.submit(lambda connection: connection.execute(statement)).result()


def checkpoint_path(runs_dir: Path, run_id: str) -> Path:
    """Where a run's checkpoint lies."""
    return runs_dir / run_id / "checkpoint.sqlite"


def open_run(runs_dir: Path, run_id: str) -> Checkpoint:
    """A run that is there; raises `schema.ConfigurationError` if it is not."""
    path = checkpoint_path(runs_dir, run_id)
    if not path.is_file():
        there = ", ".join(list_runs(runs_dir)[-5:]) or "none"
        raise ConfigurationError(f"there is no run {run_id!r} in {runs_dir}. The latest there: {there}.")
    return Checkpoint(tables.sqlite_url(path), run_id)


def list_runs(runs_dir: Path) -> list[str]:
    """The ids of the runs in a folder, oldest first."""
    found = [path.parent for path in runs_dir.glob("*/checkpoint.sqlite")]
    return [folder.name for folder in sorted(found, key=lambda folder: (folder / "checkpoint.sqlite").stat().st_ctime)]


def _run_row(checkpoint: Checkpoint) -> sa.Row[Any] | None:
    rows = checkpoint.read(sa.select(tables.runs))
    return rows[0] if rows else None
