"""A run as a whole: begun once, continued only with the same inputs, found again by its id."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple  # the columns of a row are known only when it is read

import sqlalchemy as sa
from pydantic import JsonValue

from reports.store import tables
from reports.store.checkpoint import Checkpoint
from reports.store.notes import read_notes, read_request_forms, save_request_forms
from reports.store.records import BenchmarkRecord, CodeChange, OutageRecord, RequestsRecord, RunRecord
from reports.store.selected import QuestionKey
from reports.store.stored import recorded
from vocabulary import PHASES, CheckpointError, ConfigurationError, Phase, RecordError

Parts = dict[str, JsonValue]
"""What a run's numbers depend on, by name; a name that begins with a phase ("answer.model") matters from there on."""


def fingerprint(parts: Parts) -> str:
    """One hash for all that a run's numbers depend on."""
    return sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:16]


def check_run_id(run_id: str) -> str:
    """`run_id` if it can be the name of a folder; raises `ConfigurationError`."""
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

    Raises `ConfigurationError` if it was begun with other inputs, naming each difference. With `retry_from`,
    inputs of that phase and later ones may differ: they are all asked again.
    """
    if _run_row(checkpoint) is None and _inserted(checkpoint, record, parts):
        return True
    (row,) = checkpoint.read(sa.select(tables.runs))
    if row.schema_version != tables.SCHEMA_VERSION:
        raise _other_version(checkpoint, row.schema_version)
    with _undamaged(checkpoint):
        before, begun = json.loads(row.parts), RunRecord.model_validate_json(row.record)
        _benchmarks_in(row)
    _check_same(checkpoint.run_id, before, parts, retry_from)
    if retry_from or record.until != begun.until:
        kept = {"id", "started", "command", "selection", "sampled", "shard", "second_look_at", "code", "code_changes"}
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


def _check_same(
    run_id: str, begun: Mapping[str, JsonValue], parts: Mapping[str, JsonValue], retry_from: Phase | None
) -> None:
    later = PHASES[PHASES.index(retry_from) :] if retry_from else ()
    different = [
        name
        for name in sorted({*begun, *parts})
        if begun.get(name) != parts.get(name) and name.partition(".")[0] not in later
    ]
    if not different:
        return
    message = "; ".join(
        f"{name} was {json.dumps(begun.get(name))}, is {json.dumps(parts.get(name))}" for name in different
    )
    concerned = {name.partition(".")[0] for name in different}
    first = next((phase for phase in PHASES if phase in concerned), None)
    mendable = first is not None and concerned <= set(PHASES)
    again = f" or, to ask all questions again from there, --retry-from {first}" if mendable else ""
    raise ConfigurationError(
        f"run {run_id!r} was begun with other inputs and cannot be continued with these: {message}. Use another "
        f"--run-id, the same settings{again}."
    )


def compare_code(checkpoint: Checkpoint, code: Mapping[str, str]) -> None:
    """Record what of `code` is not what the run was begun with."""
    (row,) = checkpoint.read(sa.select(tables.runs))
    record = RunRecord.model_validate_json(row.record)
    changes = [
        CodeChange(subject=subject, begun=record.code[subject], continued=now)
        for subject, now in code.items()
        if record.code.get(subject, now) != now
    ]
    new = [change for change in changes if change not in record.code_changes]
    if new:
        changed = record.model_copy(update={"code_changes": (*record.code_changes, *new)})
        update = sa.update(tables.runs).where(tables.runs.c.run_id == checkpoint.run_id)
        values = {"record": changed.model_dump_json()}
        checkpoint.writer.submit(lambda connection: connection.execute(update.values(values))).result()


def read_run(checkpoint: Checkpoint) -> RunRecord:
    """The run as it was begun, with what is known of its end; raises `CheckpointError` if there is none."""
    row = _run_row(checkpoint)
    if row is None:
        raise CheckpointError(f"there is no run {checkpoint.run_id!r} in {tables.shown(checkpoint.url)}.")
    if row.schema_version > tables.SCHEMA_VERSION:
        raise _other_version(checkpoint, row.schema_version)
    with _undamaged(checkpoint):
        return _run_in(checkpoint, row)


def _other_version(checkpoint: Checkpoint, version: int) -> CheckpointError:
    return CheckpointError(
        f"run {checkpoint.run_id!r} was written by another version of the suite (checkpoint schema {version}, this one "
        f"has {tables.SCHEMA_VERSION}): start a new run with another --run-id."
    )


@contextmanager
def _undamaged(checkpoint: Checkpoint) -> Iterator[None]:
    """Within it, what is not as this suite writes it becomes a `CheckpointError`."""
    try:
        yield
    except (ValueError, TypeError, LookupError) as error:
        raise CheckpointError(
            f"the checkpoint at {tables.shown(checkpoint.url)} is damaged: its record of the run {checkpoint.run_id!r} "
            f"cannot be read ({type(error).__name__}). Start a new run with another --run-id."
        ) from error


def _benchmarks_in(row: sa.Row[Any]) -> tuple[BenchmarkRecord, ...]:
    return tuple(BenchmarkRecord.model_validate(data) for data in json.loads(row.benchmarks or "[]"))


def _run_in(checkpoint: Checkpoint, row: sa.Row[Any]) -> RunRecord:
    finished = datetime.fromtimestamp(row.finished, UTC) if row.finished else None
    benchmarks = _benchmarks_in(row)
    parts = json.loads(row.parts) | {f"ingest.data.{benchmark.name}": benchmark.sha256 for benchmark in benchmarks}
    lags = [work.loop_lag_ms_p99 for work in read_invocations(checkpoint) if work.loop_lag_ms_p99 is not None]
    record = RunRecord.model_validate_json(row.record)
    forms = read_request_forms(checkpoint)
    requests = tuple(
        asked.model_copy(update={"form": forms.get((asked.role, asked.name))}) for asked in record.requests
    )
    parts |= {asked.part: asked.answers_depend_on for asked in requests if asked.form is not None}
    known = {
        "fingerprint": fingerprint(parts),
        "benchmarks": benchmarks,
        "requests": requests,
        "finished": finished,
        "notes": read_notes(checkpoint),
    }
    columns = tables.outages.c
    ended = sa.select(columns.service, columns.began, columns.seconds, columns.over).order_by(columns.began)
    outages = tuple(OutageRecord.model_validate(row._asdict()) for row in checkpoint.read(ended))
    return record.model_copy(update={**known, "loop_lag_ms_p99": max(lags, default=None), "outages": outages})


def settle_requests(checkpoint: Checkpoint, found: Sequence[RequestsRecord], retry_from: Phase | None) -> None:
    """Record the forms of requests, or make sure that replies still depend on the same; raises `ConfigurationError`.

    With `retry_from`, those of that phase and later ones may differ.
    """
    forms = read_request_forms(checkpoint)
    known = [asked.model_copy(update={"form": forms.get(asked.key, asked.form)}) for asked in found]
    before, now = ({asked.part: asked.answers_depend_on for asked in each} for each in (known, found))
    _check_same(checkpoint.run_id, before, now, retry_from)
    save_request_forms(checkpoint, {asked.key: asked.form for asked in found if asked.form is not None})


def read_progress(checkpoint: Checkpoint, until: Phase) -> Progress:
    """How far the run is."""
    return Progress(len(checkpoint.selected()), len(checkpoint.ended(until)), len(checkpoint.failed(until)))


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
    return {key for key, correct in verdicts(checkpoint) if not correct}


def verdicts(checkpoint: Checkpoint) -> Iterator[tuple[QuestionKey, bool]]:
    """The questions that were judged, and whether they were found correct, without those whose verdict is damaged."""
    columns = tables.steps.c
    query = sa.select(columns.provider, columns.benchmark, columns.question, columns.result)
    for row in checkpoint.read(query.where(columns.phase == "judge", columns.state == "done")):
        with suppress(RecordError):  # an error of its question: see `Checkpoint.settled_records`
            yield QuestionKey._make(row[:3]), recorded("judge", row.result).correct


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


def note_outage(checkpoint: Checkpoint, outage: OutageRecord) -> None:
    """Record that calls to a service paused, without waiting until that is on disk."""
    values = {"run_id": checkpoint.run_id, **outage.model_dump()}
    checkpoint.writer.submit(lambda connection: tables.insert_new(connection, tables.outages, values))


def end_invocation(checkpoint: Checkpoint, invocation: str) -> None:
    """Record that this work on the run is over."""
    statement = sa.update(tables.invocations).where(tables.invocations.c.id == invocation).values(ended=time.time())
    checkpoint.writer.submit(lambda connection: connection.execute(statement)).result()


def _run_row(checkpoint: Checkpoint) -> sa.Row[Any] | None:
    return next(iter(checkpoint.read(sa.select(tables.runs))), None)
