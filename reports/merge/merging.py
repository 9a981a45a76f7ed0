"""One run from its shards: a checkpoint with all their rows, then the files that any run leaves."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any  # the columns of a row are known only when it is read

import sqlalchemy as sa

from reports.html import write_html
from reports.merge.agreeing import benchmarks_of, check_agreement
from reports.merge.shards import ShardRun, open_shards
from reports.report import Report, Scope, Threshold, check_thresholds, write_run
from reports.store import (
    Checkpoint,
    CodeChange,
    RunRecord,
    new_run_folder,
    read_run,
    selected_case,
    sqlite_url,
    tables,
)
from vocabulary import CheckpointError

_BATCH = 200
_COMMON = ("outages", "request_forms")
"""Tables in which shards may have the same rows."""


def merge_shards(
    names: Sequence[str],
    runs_dir: Path,
    run_id: str,
    *,
    thresholds: Sequence[Threshold] = (),
    max_errors: int | None = None,
) -> tuple[Report, Path]:
    """Make the run `run_id` of the shards `names`, and judge its gate; its report and its folder.

    The shards stay as they are. Raises `ConfigurationError` if they are not the parts of one run, if there is a
    `run_id` already, or if the run has no value for a threshold.
    """
    with ExitStack() as stack:
        shards = open_shards(names, runs_dir, stack)
        check_agreement(shards)
        if thresholds:
            check_thresholds(thresholds, _scope(shards))
        folder = stack.enter_context(new_run_folder(runs_dir, run_id))
        report = _make(shards, folder, _record(shards, names, run_id), thresholds, max_errors)
    return report, runs_dir / run_id


def _make(
    shards: Sequence[ShardRun], folder: Path, record: RunRecord, thresholds: Sequence[Threshold], max_errors: int | None
) -> Report:
    path = folder / "checkpoint.sqlite"
    path.touch(mode=0o600)
    with closing(Checkpoint(sqlite_url(path), record.id)) as merged:
        try:
            with merged.engine.begin() as target:
                for shard in shards:
                    _copy(shard, record.id, target)
                target.execute(sa.insert(tables.runs), _run_row(shards, record))
        except sa.exc.SQLAlchemyError as error:
            raise CheckpointError(f"the shards cannot be copied into {path}: {tables.cause(error)}.") from error
        return write_run(
            folder,
            read_run(merged),
            merged.settled_records(),
            merged.container_records(),
            thresholds=thresholds,
            max_errors=max_errors,
            state=merged.digest(),
            besides=write_html,
        )


def _record(shards: Sequence[ShardRun], names: Sequence[str], run_id: str) -> RunRecord:
    """The record of the merged run: that of its shards, which agree, as if one place had asked all."""
    runs = [shard.run for shard in shards]
    first, part = runs[0], str(shards[0].shard)
    return first.model_copy(
        update={
            "id": run_id,
            "started": min(run.started for run in runs),
            "command": shlex.join(["python", "-m", "reports", "merge", *names, "--run-id", run_id]),
            "sampled": (first.sampled or "").removesuffix(part).removesuffix(", ") or None,
            "shard": None,
            "in_flight": max(run.in_flight for run in runs),
            "workers": max(run.workers for run in runs),
            "code_changes": tuple(dict.fromkeys(_code_changes(runs))),
        }
    )


def _code_changes(runs: Sequence[RunRecord]) -> Iterator[CodeChange]:
    """What code shards ran with that the first one did not."""
    first = _code_of(runs[0])
    for run in runs:
        yield from run.code_changes
        for subject, now in _code_of(run).items():
            if first.get(subject, now) != now:
                yield CodeChange(subject=subject, begun=first[subject], continued=now)


def _code_of(run: RunRecord) -> Mapping[str, str]:
    return {**run.code, "Python": run.versions.python, **run.versions.packages}


def _run_row(shards: Sequence[ShardRun], record: RunRecord) -> dict[str, object]:
    ended = [shard.run.finished.timestamp() for shard in shards if shard.run.finished]
    return {
        "run_id": record.id,
        "schema_version": tables.SCHEMA_VERSION,
        "record": record.model_dump_json(),
        "parts": json.dumps(shards[0].parts),
        "benchmarks": json.dumps([one.model_dump(mode="json") for one in benchmarks_of(shards)]),
        "started": record.started.timestamp(),
        "finished": max(ended),
        "sealed": True,
    }


def _copy(shard: ShardRun, run_id: str, target: sa.Connection) -> None:
    """Write all rows of a shard as rows of the run `run_id`."""
    with shard.checkpoint.engine.connect() as source:
        containers = {
            (row.provider, row.container): _container_name(row, shard.id, run_id)
            for row in source.execute(sa.select(tables.containers).where(tables.containers.c.run_id == shard.id))
        }
        there = set(sa.inspect(source).get_table_names())
        for table in tables.metadata.sorted_tables:
            if table is tables.runs or table.name not in there:
                continue
            insert = tables.upsert(target.engine, table)
            if table is tables.notes:
                larger = {"value": sa.func.max(table.c.value, insert.excluded.value)}
                insert = insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=larger)
            elif table.name in _COMMON:
                insert = insert.on_conflict_do_nothing()
            rows = _rows(source, table, shard.id, run_id, containers)
            while batch := list(islice(rows, _BATCH)):
                target.execute(insert, batch)


def _rows(
    source: sa.Connection, table: sa.Table, shard_id: str, run_id: str, containers: Mapping[tuple[str, str], str]
) -> Iterator[dict[str, Any]]:
    query = sa.select(table).where(table.c.run_id == shard_id)
    for row in source.execution_options(yield_per=_BATCH, reading=True).execute(query).mappings():
        values = {**row, "run_id": run_id}
        if "container" in values:
            values["container"] = containers[values["provider"], values["container"]]
        if table is tables.containers and values["owner"] != tables.SHARED:
            # what is ingested belongs to the shard: a search of the merged run ingests anew
            values |= {"owner": "", "invocation": "", "heartbeat": 0.0}
            values["state"] = tables.CLEARED if values["state"] == "indexed" else values["state"]
        yield values


def _container_name(row: sa.Row[Any], shard_id: str, run_id: str) -> str:
    """What a container of a shard is called in the merged run; those of a step cache keep their names."""
    own = row.owner != tables.SHARED and row.container.endswith(f"-{shard_id}")
    return f"{row.container.removesuffix(shard_id)}{run_id}" if own else row.container


def _scope(shards: Sequence[ShardRun]) -> Scope:
    golds = (selected_case(row).gold for shard in shards for row in shard.checkpoint.read(sa.select(tables.questions)))
    own_metrics = [benchmark.official_f1 for benchmark in benchmarks_of(shards)]
    return Scope.of(golds, own_metrics, shards[0].run.until, shards[0].run.top_k)
