"""``python -m bench clear RUN``: removes what a run stored in its memory systems.

A hosted service keeps, and may bill, what nobody removes. The run's record and report stay; a
run that is continued ingests anew.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from pydantic import ValidationError

from bench.pipeline import BackgroundLoop, ProviderClient, what_is_wrong
from net import Services
from providers import find_provider
from reports.report import run_folder
from reports.store import (
    Checkpoint,
    ProviderRecord,
    containers_to_clear,
    is_worked_on,
    mark_cleared,
    open_run,
    read_run,
)
from reports.store.sharing import folder_id
from vocabulary import ConfigurationError, InfrastructureError

_AT_ONCE = 8


def clear_run(runs_dir: Path, run_id: str, say: Callable[[str], None]) -> None:
    """Clear the containers of the run `run_id` (``last``: the one that was begun last) in all of its providers.

    Keys come from the environment, as in a run. Raises `ConfigurationError` if the run is not there, somebody is
    at work on it, or a provider cannot be opened, and `InfrastructureError` if containers were left; what was
    cleared is noted, so that the same command goes on from there.
    """
    folder = run_folder(runs_dir, run_id)
    failures: list[str] = []
    with (
        closing(open_run(runs_dir, folder.name)) as checkpoint,
        closing(Services(in_flight=_AT_ONCE, workers=1, folder=folder / "limits")) as services,
        closing(BackgroundLoop()) as background,
    ):
        if is_worked_on(checkpoint, folder):
            raise ConfigurationError(f"run {folder.name} is being worked on: stop it first, or wait for its end.")
        for record in read_run(checkpoint).providers:
            containers = containers_to_clear(checkpoint, record.name)
            if elsewhere := [name for name in containers if _is_elsewhere(name, checkpoint, folder)]:
                say(f"{record.name}: {len(elsewhere)} containers are in other folders of the run: clear them there")
                containers = [name for name in containers if name not in elsewhere]
            if not containers:
                say(f"{record.name}: nothing to clear")
                continue
            left = background.run(_clear_all(record, folder, containers, checkpoint, services))
            say(f"{record.name}: {len(containers) - len(left)} of {len(containers)} containers cleared")
            failures += left
    if failures:
        raise InfrastructureError("; ".join(failures))


def _is_elsewhere(container: str, checkpoint: Checkpoint, folder: Path) -> bool:
    """Whether a container is called after another folder, as a store in it is; only that folder has it."""
    if checkpoint.engine.dialect.name != "postgresql":
        return False
    named = re.fullmatch(rf".*-{re.escape(checkpoint.run_id)}-([0-9a-f]{{8}})", container)
    return named is not None and named[1] != folder_id(folder)


async def _clear_all(
    record: ProviderRecord, folder: Path, containers: Sequence[str], checkpoint: Checkpoint, services: Services
) -> list[str]:
    """Why containers were left, a text each."""
    client = _opened(record, folder, services)

    async def clear(container: str) -> str | None:
        done = await client.clear(container)
        if done.error is None:
            await mark_cleared(checkpoint, record.name, container)
        return str(done.error) if done.error else None

    try:
        return [message for message in await asyncio.gather(*map(clear, containers)) if message]
    finally:
        await client.close()


def _opened(record: ProviderRecord, folder: Path, services: Services) -> ProviderClient:
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
    return ProviderClient(record.name, found, settings, folder, services.caller)
