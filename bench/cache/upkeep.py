"""What is in a step cache, whether it is whole, and taking things out of it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from pydantic import ValidationError

from bench.cache.step_cache import FILE, StepCache, rows, stores
from net import CallLimits, Services
from providers import Provider, find_provider
from reports.store import ProviderRecord, containers_to_clear, mark_cleared, recorded, tables
from vocabulary import ConfigurationError, InfrastructureError, ProviderError, RecordError

_AT_ONCE = 8


class Part(NamedTuple):
    """What a cache has of a phase: `hits` counts how often a step was taken from it."""

    rows: int
    bytes: int
    hits: int


class Contents(NamedTuple):
    """What a cache holds: steps by phase, and containers in `stores`, `bytes` of them on this machine."""

    parts: dict[str, Part]
    stores: int
    containers: int
    bytes: int


def open_existing(folder: Path, *, alone: bool = False) -> StepCache:
    """The cache in `folder`; raises `ConfigurationError` if there is none."""
    if not (folder / FILE).is_file():
        raise ConfigurationError(f"there is no step cache in {folder}: runs with --cache {folder} make one.")
    return StepCache(folder, alone=alone)


def read_contents(folder: Path) -> Contents:
    """What the cache in `folder` holds; raises `ConfigurationError` if there is none."""
    with closing(open_existing(folder)) as cache:
        counted = sa.func.count().label("rows"), *(sa.func.sum(rows.c[name]).label(name) for name in ("bytes", "hits"))
        by_phase = cache.read(sa.select(rows.c.phase, *counted).group_by(rows.c.phase))
        ready = cache.read(sa.select(tables.containers.c.container).where(tables.containers.c.state == "indexed"))
        known = cache.read(sa.select(stores.c.store))
        parts = {row.phase: Part(row.rows, row.bytes, row.hits) for row in by_phase}
        return Contents(parts, len(known), len(ready), _bytes_of(folder / "providers"))


def verify_cache(folder: Path) -> Iterator[str]:
    """What is damaged in the cache in `folder`, a line each; raises `ConfigurationError` if there is none."""
    with closing(open_existing(folder)) as cache:
        checked = sa.table("pragma_quick_check", sa.column("quick_check"))
        yield from (f"{FILE}: {row.quick_check}" for row in cache.read(sa.select(checked)) if row.quick_check != "ok")
        for key in cache.read(sa.select(rows.c.key)):  # of each its result alone: all of them may not fit into memory
            for row in cache.read(sa.select(rows).where(rows.c.key == key.key)):
                try:
                    recorded(row.phase, row.result)
                except RecordError as error:
                    yield f"{row.phase} {row.key}: {error}"
        columns = tables.containers.c
        for row in cache.read(sa.select(columns.provider, columns.container).where(columns.state == "indexed")):
            if not cache.workspace(row.provider).is_dir():
                yield f"container {row.container}: {cache.workspace(row.provider)} is gone, and runs ingest it again"


def clear_cache(folder: Path, older_than_seconds: float = 0.0) -> None:
    """Take out what nobody has used for so long, of all services too.

    Keys come from the environment, as in a run. Raises `ConfigurationError` if there is no cache or a run uses it, and
    `InfrastructureError` if containers were left: the same command goes on from there.
    """
    before = time.time() - older_than_seconds
    with closing(open_existing(folder, alone=True)) as cache:
        _delete(cache, sa.delete(rows).where(rows.c.used <= before))
        old = cache.read(sa.select(stores).where(stores.c.used <= before))
        if failures := [failure for row in old for failure in _clear_store(cache, row.store, row.record)]:
            raise InfrastructureError("; ".join(failures))
        with cache.checkpoint.engine.execution_options(reading=True).connect() as connection:
            connection.exec_driver_sql("VACUUM")


def trim_cache(folder: Path, most_bytes: int) -> None:
    """Take out what was used longest ago until the cache has at most `most_bytes`; not while a run uses it.

    Containers go by the store, all that one provider with its settings has; the store that was used last stays.
    """
    try:
        cache = open_existing(folder, alone=True)
    except ConfigurationError as error:
        if isinstance(error.__cause__, BlockingIOError):
            return  # the last run that uses it trims it
        raise
    with closing(cache):
        for row in cache.read(sa.select(stores).order_by(stores.c.used))[:-1]:
            _drop_rows(cache, most_bytes, rows.c.used <= row.used)
            if _excess(cache, most_bytes) > 0:
                for failure in _clear_store(cache, row.store, row.record):
                    logging.getLogger(__name__).warning("--cache %s: %s", folder, failure)
        _drop_rows(cache, most_bytes, sa.true())


def _excess(cache: StepCache, most_bytes: int) -> int:
    ((in_rows,),) = cache.read(sa.select(sa.func.coalesce(sa.func.sum(rows.c.bytes), 0)))
    return int(in_rows) + _bytes_of(cache.folder / "providers") - most_bytes


def _drop_rows(cache: StepCache, most_bytes: int, which: sa.ColumnElement[bool]) -> None:
    """Delete rows, those used longest ago first, until the cache fits or none is left."""
    if (excess := _excess(cache, most_bytes)) <= 0:
        return
    before = sa.func.sum(rows.c.bytes).over(order_by=(rows.c.used, rows.c.key)) - rows.c.bytes
    oldest = sa.select(rows.c.key, before.label("before")).where(which).subquery()
    _delete(cache, sa.delete(rows).where(rows.c.key.in_(sa.select(oldest.c.key).where(oldest.c.before < excess))))


def _delete(cache: StepCache, statement: sa.Delete) -> None:
    cache.checkpoint.writer.submit(lambda connection: connection.execute(statement)).result()


def _clear_store(cache: StepCache, store: str, record: str) -> list[str]:
    """Clear a provider's containers and remove its files; why containers were left, a text each."""
    containers = containers_to_clear(cache.checkpoint, store)
    try:
        provider = _opened(ProviderRecord.model_validate_json(record), cache.workspace(store))
    except (ConfigurationError, ProviderError) as error:
        return [str(error)]
    clearing = _clear_all(cache, store, provider, containers)
    with ThreadPoolExecutor(1) as thread:  # this one may have a loop of its own
        failures = thread.submit(asyncio.run, clearing).result()
    if not failures:
        shutil.rmtree(cache.workspace(store), ignore_errors=True)
        _delete(cache, sa.delete(stores).where(stores.c.store == store))
    return failures


def _opened(record: ProviderRecord, workspace: Path) -> Provider | None:
    """The provider that made a store; None where another version of it did, which has left nothing but files."""
    found = find_provider(record.name)
    workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if found.version != record.version:
            raise ConfigurationError(
                f"version {record.version} of provider {record.name} filled {workspace}, and this is version "
                f"{found.version}: clear it with the suite that made it."
            )
        return found(found.Settings.model_validate(record.settings), workspace)
    except (ConfigurationError, ValidationError):
        if found.limits.scope == "process":
            return None
        raise


async def _clear_all(cache: StepCache, store: str, provider: Provider | None, containers: Sequence[str]) -> list[str]:
    failures = []
    with closing(Services(in_flight=_AT_ONCE, workers=1, folder=cache.folder / "limits")) as services:
        limits = provider.limits if provider else CallLimits()
        caller = services.caller(f"provider-{store}", limits, ProviderError)
        for container in containers:
            done = await caller.call(provider.clear, container) if provider else None
            if done and done.error:
                failures.append(str(done.error))
            else:
                await mark_cleared(cache.checkpoint, store, container)
        if provider:
            await caller.once(provider.close)
    return failures


def _bytes_of(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
