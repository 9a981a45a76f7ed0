"""``python -m bench clear RUN``: removes what a run stored in its memory systems.

A hosted service keeps, and may bill, what nobody removes. The run's record and report stay; whoever goes on with it
ingests anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from bench.background import BackgroundLoop
from bench.pipeline import Services
from bench.provider_options import what_is_wrong
from bench.workbench import workspace_of
from providers import Provider, find_provider
from reports import (
    Checkpoint,
    ProviderRecord,
    containers_to_clear,
    is_running,
    mark_cleared,
    open_run,
    read_run,
    run_folder,
)
from schema import ConfigurationError, InfrastructureError

_AT_ONCE = 8


def clear_run(runs_dir: Path, run_id: str, say: Callable[[str], None]) -> None:
    """Clear the containers of the run `run_id` (``last``: the one that was begun last) in all of its providers.

    Keys come from the environment, as in a run. Raises `schema.ConfigurationError` if the run is not there, somebody is
    at work on it, or a provider cannot be opened, and `schema.InfrastructureError` if containers were left; what was
    cleared is noted, so that the same command goes on from there.
    """
    folder = run_folder(runs_dir, run_id)
    if is_running(runs_dir, folder.name):
        raise ConfigurationError(f"run {folder.name} is being worked on: stop it first, or wait for its end.")
    checkpoint = open_run(runs_dir, folder.name)
    background = BackgroundLoop()
    services = Services(in_flight=_AT_ONCE, workers=1, folder=folder / "limits")
    try:
        failures: list[str] = []
        for record in read_run(checkpoint).providers:
            containers = containers_to_clear(checkpoint, record.name)
            if not containers:
                say(f"{record.name}: nothing to clear")
                continue
            left = background.run(_clear_all(record, folder, containers, checkpoint, services))
            say(f"{record.name}: {len(containers) - len(left)} of {len(containers)} containers cleared")
            failures += left
        if failures:
            raise InfrastructureError("; ".join(failures))
    finally:
        background.run(background.cancel_all())
        background.stop()
        services.close()
        checkpoint.close()


async def _clear_all(
    record: ProviderRecord, folder: Path, containers: Sequence[str], checkpoint: Checkpoint, services: Services
) -> list[str]:
    """Why containers were left, a text each."""
    provider = _opened(record, folder)
    caller = services.caller(f"provider-{record.name}", provider.limits, InfrastructureError)
    provider.hold = caller.hold

    async def clear(container: str) -> str | None:
        done = await caller.call(provider.clear, container)
        if done.error is None:
            await mark_cleared(checkpoint, record.name, container)
        return str(done.error) if done.error else None

    try:
        return [told for told in await asyncio.gather(*map(clear, containers)) if told]
    finally:
        closing = provider.close()
        if closing is not None:
            await closing


def _opened(record: ProviderRecord, folder: Path) -> Provider:
    found = find_provider(record.name)
    if found.version != record.version:
        raise ConfigurationError(
            f"the run is of version {record.version} of provider {record.name}, and this is version {found.version}: "
            "clear it with the suite that made it."
        )
    try:
        settings = found.Settings.model_validate(record.settings)
    except ValidationError as error:
        raise ConfigurationError("; ".join(what_is_wrong(record.name, found.Settings, error))) from None
    return found(settings, workspace_of(folder, record.name))
