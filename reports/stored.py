"""What stands in the checkpoint's rows of a question, and the record that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any  # the columns of a row are known only when it is read

import sqlalchemy as sa
from pydantic import TypeAdapter

from reports import tables
from reports.records import PHASES, QuestionRecord, Step, StepError
from reports.votes import CastVote, JudgedRecord
from schema import Answer, Case, SearchResult, Usage, Verdict, Vote

Row = sa.Row[Any]
Query = sa.Select[Any] | sa.CompoundSelect[Any]

RESULTS = TypeAdapter(tuple[SearchResult, ...])
"""Reads and writes search results as they stand in the checkpoint."""


def selected_record(row: Row) -> QuestionRecord:
    """A selected question of which nothing is known yet, from its row of `tables.questions`."""
    return QuestionRecord(provider=row.provider, case=Case.model_validate_json(row.record), replayed=row.replayed)


def _rows_in(table: sa.Table, *which: sa.ColumnElement[Any]) -> sa.Select[Any]:
    asked = (
        table.c.run_id == sa.bindparam("run"),
        table.c.provider == sa.bindparam("provider"),
        table.c.benchmark == sa.bindparam("benchmark"),
        table.c.question.in_(sa.bindparam("questions", expanding=True)),
    )
    same = (column for column in tables.steps.c if not column.primary_key or column.name == "question")
    return sa.select(*which, *(table.c[column.name] for column in same)).where(*asked)


# Built once: making a statement costs more than executing it.
STEPS = _rows_in(
    tables.steps, tables.steps.c.phase, sa.null().cast(sa.Text).label("judge"), sa.literal(0).label("repeat")
)
"""The steps of some questions; `judge` is null, as it is of no vote."""
STEPS_AND_VOTES = sa.union_all(
    STEPS, _rows_in(tables.votes, sa.literal("judge").label("phase"), tables.votes.c.judge, tables.votes.c.repeat)
)
"""The same and their votes, in one read."""


def complete(record: QuestionRecord, rows: Sequence[Row]) -> QuestionRecord:
    """`record` with the steps in `rows`, in the order of the phases; what is to be asked again counts as not done."""
    votes = tuple(_cast(row) for row in rows if row.judge is not None and row.state == "done")
    if votes:
        in_order = sorted(votes, key=lambda cast: (cast.vote.judge, cast.vote.repeat))
        record = JudgedRecord(**dict(record), votes=tuple(in_order))
    by_phase = {row.phase: row for row in rows if row.judge is None and row.state != "again"}
    results = {phase: row.result for phase, row in by_phase.items() if row.state == "done"}
    return record.model_copy(
        update={
            "steps": tuple(_step(by_phase[phase]) for phase in PHASES if phase in by_phase),
            "results": RESULTS.validate_json(results["search"]) if "search" in results else None,
            "answer": Answer.model_validate_json(results["answer"]) if "answer" in results else None,
            "verdict": Verdict.model_validate_json(results["judge"]) if "judge" in results else None,
        }
    )


def _cast(row: Row) -> CastVote:
    vote = Vote.model_validate_json(row.result)
    return CastVote(
        vote=vote,
        service_ms=row.service_ms,
        waited_ms=row.waited_ms,
        attempts=row.attempts,
        retried=row.retried,
    )


def _step(row: Row) -> Step:
    return Step(
        phase=row.phase,
        service_ms=row.service_ms,
        waited_ms=row.waited_ms,
        attempts=row.attempts,
        retried=row.retried,
        usage=Usage.model_validate_json(row.usage) if row.usage else None,
        error=StepError(type=row.error_type, message=row.error_message or "") if row.state == "error" else None,
    )
