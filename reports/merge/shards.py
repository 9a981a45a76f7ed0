"""The runs to be merged: found, opened to be read, and each fit to be merged by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from pydantic import JsonValue

from reports.store import (
    Checkpoint,
    QuestionKey,
    RunRecord,
    ShardRecord,
    is_worked_on,
    open_run,
    read_progress,
    read_run,
    tables,
)
from vocabulary import ConfigurationError

_FILES = ("checkpoint.sqlite", "run.json")


@dataclass(frozen=True)
class ShardRun:
    """A run that asked one shard; `parts` are what its numbers depend on."""

    checkpoint: Checkpoint
    run: RunRecord
    shard: ShardRecord
    parts: Mapping[str, JsonValue]

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.run.id


def open_shards(names: Sequence[str], runs_dir: Path, stack: ExitStack) -> list[ShardRun]:
    """The runs of these `names`, ids in `runs_dir` or folders, by the number of their shard; `stack` closes them.

    Raises `ConfigurationError` for one that cannot be merged, `CheckpointError` for one that cannot be read.
    """
    opened = [_open(_folder_of(name, runs_dir), stack) for name in names]
    return sorted(opened, key=lambda one: one.shard.index)


def _folder_of(name: str, runs_dir: Path) -> Path:
    for path in (runs_dir / name, Path(name).expanduser()):
        if any((path / file).is_file() for file in _FILES):
            return path.resolve()
    raise ConfigurationError(f"there is no run {name!r}: neither in {runs_dir} nor as a folder with its checkpoint.")


def _open(folder: Path, stack: ExitStack) -> ShardRun:
    checkpoint = stack.enter_context(closing(open_run(folder.parent, folder.name, read_only=True)))
    if checkpoint.engine.dialect.name == "sqlite":
        there = _runs_in(checkpoint)
        if len(there) == 1:  # also in a folder that was renamed on its way here
            checkpoint.run_id = there[0]
    run = read_run(checkpoint)
    (row,) = checkpoint.read(sa.select(tables.runs))
    if row.schema_version != tables.SCHEMA_VERSION:
        raise ConfigurationError(
            f"run {run.id} was written by another version of the suite (checkpoint schema {row.schema_version}, this "
            f"one has {tables.SCHEMA_VERSION}): merge it with that version."
        )
    if run.second_look_at is not None:
        raise ConfigurationError(f"run {run.id} is a second look at {run.second_look_at}, which no run can contain.")
    if run.shard is None:
        raise ConfigurationError(
            f"run {run.id} is no shard: only runs made with --shard are parts of one, and with "
            "PostgreSQL they are one run."
        )
    if is_worked_on(checkpoint, folder):
        raise ConfigurationError(f"run {run.id} ({run.shard}) is still going on: merge when it has ended.")
    if run.finished is None:
        progress = read_progress(checkpoint, run.until)
        left = progress.selected - progress.ended - progress.errors
        raise ConfigurationError(
            f"run {run.id} ({run.shard}) is not finished: {left} of {progress.selected} questions are left. "
            f"Continue it by its command with --run-id {run.id}."
        )
    return ShardRun(checkpoint, run, run.shard, json.loads(row.parts))


def _runs_in(checkpoint: Checkpoint) -> list[str]:
    try:
        with checkpoint.engine.connect() as connection:
            return list(connection.execute(sa.select(tables.runs.c.run_id)).scalars())
    except sa.exc.SQLAlchemyError as error:
        raise tables.failure(checkpoint.url, "read", error) from error


def ordinals_of(shard: ShardRun) -> Iterator[tuple[int, QuestionKey]]:
    """Where each question of a shard stands in the whole selection, and its key."""
    columns = tables.questions.c
    query = sa.select(columns.ordinal, columns.provider, columns.benchmark, columns.question)
    for row in shard.checkpoint.read(query.order_by(columns.ordinal)):
        yield row.ordinal, QuestionKey._make(row[1:])
