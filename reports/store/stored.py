"""What stands in the checkpoint's rows of a question or container, and the record that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple, overload  # Any: the columns of a row are known only when it is read

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.dialects.postgresql import ARRAY

from reports.store import tables
from reports.store.records import CallRecord, ContainerRecord, QuestionRecord, RecordedVote, Step, StepError
from vocabulary import (
    PHASES,
    Answer,
    Case,
    CheckpointError,
    Phase,
    RecordError,
    SearchResult,
    Usage,
    Verdict,
    Vote,
)

Row = sa.Row[Any]
Query = sa.Select[Any] | sa.CompoundSelect[Any]

RESULTS = TypeAdapter(tuple[SearchResult, ...])
"""Reads and writes search results as they stand in the checkpoint."""


_SHAPES: dict[str, tuple[str, TypeAdapter[Any]]] = {
    "search": ("search results", RESULTS),
    "answer": ("answer", TypeAdapter(Answer)),
    "judge": ("verdict", TypeAdapter(Verdict)),
}
_CALL = tuple(CallRecord.model_fields)
_call_of = attrgetter(*_CALL)
_VOTE = ("vote", TypeAdapter(Vote))
_USAGE = ("usage", TypeAdapter(Usage))


class StoredStep(NamedTuple):
    """A step as it stands: "done" with its result as JSON, or "error", or to be asked "again".

    The times and attempts are those of `reports.store.records.Step`.
    """

    state: str
    inputs: str
    result: str | None
    service_ms: float = 0.0
    waited_ms: float = 0.0
    attempts: int = 1


def readable(stored: Mapping[str, StoredStep]) -> dict[str, StoredStep]:
    """The steps and votes in `stored`, by name, without those that are done and cannot be read."""
    return {name: step for name, step in stored.items() if step.state != "done" or _can_be_read(name, step.result)}


def _can_be_read(name: str, result: str | None) -> bool:
    try:
        recorded(name, result)
    except RecordError:
        return False
    return True


def recorded(name: str, result: str | None) -> Any:
    """What the step or vote called `name` gave, from its JSON in the checkpoint; raises `RecordError`.

    An ingest gives nothing.
    """
    return None if name == "ingest" else _read(*_SHAPES.get(name, _VOTE), result)


def _read(what: str, shape: TypeAdapter[Any], text: str | None) -> Any:
    try:
        return shape.validate_json(text or "")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RecordError(
            f"the recorded {what} cannot be read: {f'{where}: ' if where else ''}{first['msg']}. --lf asks again."
        ) from error


class RecordedResults(Sequence[SearchResult]):
    """The results in `text`, JSON of the checkpoint. Reading them raises `RecordError` if the text is damaged."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _results(self) -> tuple[SearchResult, ...]:
        found: tuple[SearchResult, ...] = recorded("search", self._text)
        return found

    def __len__(self) -> int:
        return len(self._results)

    @overload
    def __getitem__(self, index: int) -> SearchResult: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[SearchResult]: ...
    def __getitem__(self, index: int | slice) -> SearchResult | Sequence[SearchResult]:
        return self._results[index]

    def __eq__(self, other: object) -> bool:
        return self is other or self._results == (other._results if isinstance(other, RecordedResults) else other)

    __hash__ = None  # type: ignore[assignment]  # equal to a tuple, and hashing would parse


def selected_record(row: Row) -> QuestionRecord:
    """A selected question of which nothing is known yet, from its row of `tables.questions`."""
    return QuestionRecord(provider=row.provider, case=selected_case(row), replayed=row.replayed)


def selected_case(row: Row) -> Case:
    """The case in a row of `tables.questions`; raises `CheckpointError`, for without it nothing can be counted."""
    try:
        return Case.model_validate_json(row.record)
    except ValidationError as error:
        raise CheckpointError(
            f"the checkpoint is damaged: its record of the question {row.question} cannot be read. Start a new run."
        ) from error


class Queries(NamedTuple):
    """What is asked about some questions of a provider and benchmark of a run, whose ids are the list `questions`.

    The `judge` of a step is null.
    """

    questions: Query
    steps: Query
    steps_and_votes: Query


_LISTED = (
    sa.func.unnest(sa.bindparam("questions", type_=ARRAY(sa.Text)))
    .table_valued(sa.column("question", sa.Text), name="listed")
    .render_derived()
)


def _rows_in(table: sa.Table, dialect: str, *which: sa.ColumnElement[Any]) -> sa.Select[Any]:
    same = [table.c[name] == sa.bindparam(name) for name in ("provider", "benchmark")]
    found = sa.select(*which).where(table.c.run_id == sa.bindparam("run"), *same)
    if dialect == "postgresql":
        return found.where(table.c.question == _LISTED.c.question).correlate(_LISTED)
    return found.where(table.c.question.in_(sa.bindparam("questions", expanding=True)))


def _one_by_one(query: Query, dialect: str) -> Query:
    """`query` for each question by itself: of a list PostgreSQL makes a scan of the run, while it has no statistics."""
    if dialect != "postgresql":
        return query
    found = query.offset(0).lateral("found")  # an offset keeps it from becoming one query again
    return sa.select(found).select_from(_LISTED.join(found, sa.true()))


def _queries(dialect: str) -> Queries:
    alike = [column.name for column in tables.steps.c if not column.primary_key or column.name == "question"]
    steps, votes = tables.steps.c, tables.votes.c
    no_vote = sa.null().cast(sa.Text).label("judge"), sa.literal(0).label("repeat")
    of_steps = _rows_in(tables.steps, dialect, steps.phase, *no_vote, *(steps[name] for name in alike))
    phase = sa.literal("judge").label("phase")
    of_votes = _rows_in(tables.votes, dialect, phase, votes.judge, votes.repeat, *(votes[name] for name in alike))
    return Queries(
        _one_by_one(_rows_in(tables.questions, dialect, *tables.questions.c), dialect),
        _one_by_one(of_steps, dialect),
        _one_by_one(sa.union_all(of_steps, of_votes), dialect),
    )


# Built once: making a statement costs more than executing it.
QUERIES = {dialect: _queries(dialect) for dialect in ("sqlite", "postgresql")}


def complete(record: QuestionRecord, rows: Sequence[Row], *, results: bool = True) -> QuestionRecord:
    """`record` with the steps in `rows`, in the order of the phases; what is to be asked again counts as not done.

    `results` False leaves out what the search found, most of what there is to parse. A step whose row cannot be read
    has ended in a `RecordError`, and what came after it does not count.
    """
    values: dict[str, Any] = {}
    steps: dict[str, Step] = {}
    votes: list[RecordedVote] = []
    for row in rows:
        if row.judge is None and row.state != "again":
            steps[row.phase], values[row.phase] = _step(row, wanted=results or row.phase != "search")
    for row in rows:
        if row.judge is not None and row.state == "done":
            try:
                votes.append(RecordedVote(**_call(row), vote=recorded("vote", row.result)))
            except (RecordError, ValidationError) as error:
                steps["judge"] = Step(phase="judge", error=_step_error(error))
    damaged = [phase for phase in PHASES if phase in steps and _is_damaged(steps[phase])]
    if damaged:
        for later in PHASES[PHASES.index(damaged[0]) + 1 :]:
            steps.pop(later, None), values.pop(later, None)
        values.pop("judge", None)
    return record.model_copy(
        update={
            "votes": () if damaged else tuple(sorted(votes, key=lambda vote: (vote.vote.judge, vote.vote.repeat))),
            "steps": tuple(steps[phase] for phase in PHASES if phase in steps),
            "results": values.get("search"),
            "answer": values.get("answer"),
            "verdict": values.get("judge"),
        }
    )


def container_record(row: Row, timed: Sequence[Row]) -> ContainerRecord:
    """A container, from its row and those of its sessions in their order."""
    return ContainerRecord(
        provider=row.provider,
        benchmark=row.benchmark,
        haystack=row.haystack,
        container=row.container,
        indexed=row.state in ("indexed", tables.CLEARED),
        sessions=len(timed),
        messages=row.messages,
        tokens=row.tokens,
        ingest_ms=tuple(session.service_ms for session in timed),
        attempts=tuple(session.attempts for session in timed),
        indexing_ms=row.indexing_ms,
        error=StepError(type=row.error_type, message=row.error_message or "") if row.error_type else None,
        cached=row.owner == tables.SHARED and not timed,
    )


def unreadable(record: QuestionRecord) -> dict[Phase, StepError]:
    """The steps of `record` that were done and cannot be read."""
    return {step.phase: step.error for step in record.steps if step.error and _is_damaged(step)}


def _is_damaged(step: Step) -> bool:
    return step.error is not None and step.error.type == RecordError.__name__


def _step(row: Row, *, wanted: bool) -> tuple[Step, Any]:
    """A step and what it gave; None where that is not `wanted`, or it gave nothing."""
    try:
        value = recorded(row.phase, row.result) if wanted and row.state == "done" else None
        usage = _read(*_USAGE, row.usage) if row.usage else None
        error = StepError(type=row.error_type, message=row.error_message or "") if row.state == "error" else None
        return Step(**_call(row), usage=usage, error=error), value
    except ValidationError:
        damaged = RecordError("the recorded times cannot be read. --lf asks again.")
    except RecordError as unread:
        damaged = unread
    return Step(phase=row.phase, error=_step_error(damaged)), None


def _step_error(error: Exception) -> StepError:
    return StepError(type=RecordError.__name__, message=str(error))


def _call(row: Row) -> dict[str, Any]:
    return dict(zip(_CALL, _call_of(row), strict=True))
