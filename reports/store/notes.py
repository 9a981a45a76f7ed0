"""Notes of a run beside its steps: one number for each kind and subject, and the forms of requests to models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import sqlalchemy as sa
from pydantic import JsonValue
from sqlalchemy.engine import Engine

from reports.store import tables
from reports.store.checkpoint import Checkpoint
from reports.store.records import Note
from reports.store.selected import QuestionKey
from reports.store.writer import Put

NoteKind = Literal["returned", "unranked", "blocked", "published"]
"""`returned`: how many results a search gave beyond top_k; `unranked`: the same, of a provider that does not rank;
`blocked`: for how many seconds a call of the service (in the place of the provider) kept the event loop; `published`:
the share of its publisher's judgements that accept an imported answer."""


_request_forms = sa.Table(
    "request_forms",
    tables.metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("form", sa.Text, nullable=False),
)


def save_note(checkpoint: Checkpoint, kind: NoteKind, key: QuestionKey, value: float) -> None:
    """Note `value`; the largest stands. It is written before all steps that are saved after it."""
    values = {"run_id": checkpoint.run_id, "kind": kind, **key._asdict(), "value": value, "invocation": ""}
    checkpoint.writer.submit(Put(_keeping_the_largest(checkpoint.engine), values))


@lru_cache(maxsize=8)  # making a statement costs more than executing it
def _keeping_the_largest(engine: Engine) -> sa.Executable:
    insert = tables.upsert(engine, tables.notes).values(
        {column.name: sa.bindparam(column.name) for column in tables.notes.c}
    )
    columns = tables.notes.c
    larger = sa.case((columns.value < insert.excluded.value, insert.excluded.value), else_=columns.value)
    statement: sa.Executable = insert.on_conflict_do_update(
        index_elements=list(tables.notes.primary_key), set_={"value": larger}
    )
    return statement


def read_notes(checkpoint: Checkpoint) -> tuple[Note, ...]:
    """All notes of the run."""
    rows = checkpoint.read(sa.select(tables.notes).order_by(*tables.notes.primary_key))
    return tuple(Note(**{name: getattr(row, name) for name in Note.model_fields}) for row in rows)


def save_request_forms(checkpoint: Checkpoint, forms: Mapping[tuple[str, str], Mapping[str, JsonValue]]) -> None:
    """Record in which form the servers of models take requests, by role and name of the model."""

    def write(connection: sa.Connection) -> None:
        for (role, model), form in forms.items():
            insert = tables.upsert(connection.engine, _request_forms)
            values = {"run_id": checkpoint.run_id, "role": role, "model": model, "form": json.dumps(form)}
            statement = insert.values(values).on_conflict_do_update(
                index_elements=list(_request_forms.primary_key), set_={"form": insert.excluded.form}
            )
            connection.execute(statement)

    if forms:
        checkpoint.writer.submit(write).result()


def read_request_forms(checkpoint: Checkpoint) -> dict[tuple[str, str], dict[str, JsonValue]]:
    """What `save_request_forms` recorded."""
    rows = checkpoint.read(sa.select(_request_forms))
    return {(row.role, row.model): json.loads(row.form) for row in rows}
