"""Whether the memory systems can be used at all, asked before anything is ingested."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any  # what a provider's check gives is looked at by nobody

from bench.background import BackgroundLoop
from bench.cast import Cast
from bench.pipeline import Services
from providers import Provider
from schema import ConfigurationError, ProviderError

CHECK_SECONDS = 30.0
"""How long a provider has to say that it can be used, further attempts included."""


def check_providers(cast: Cast, *, within: float = CHECK_SECONDS) -> None:
    """Ask each provider of `cast` that has a `check`, all at the same time; `within` is in seconds.

    Raises `schema.ConfigurationError` with a line that names those that cannot be used, and why.
    """
    names = [name for name, found in cast.providers.items() if found.check is not Provider.check]
    if not names:
        return
    background = BackgroundLoop()
    try:
        with TemporaryDirectory(prefix="memorybench-check-") as folder:
            workspaces = [Path(folder) / str(number) for number in range(len(names))]
            for workspace in workspaces:
                workspace.mkdir()
            services = Services(in_flight=len(names), workers=1, folder=Path(folder) / "limits")
            try:
                unusable = background.run(_ask_all(cast, dict(zip(names, workspaces, strict=True)), services, within))
            finally:
                services.close()
    finally:
        background.run(background.cancel_all())
        background.stop()
    if unusable:
        raise ConfigurationError("; ".join(unusable))


async def _ask_all(cast: Cast, workspaces: dict[str, Path], services: Services, within: float) -> list[str]:
    """Why providers cannot be used, a part of a line for each of those that cannot."""
    asked = [_ask(cast, name, services, workspace, within) for name, workspace in workspaces.items()]
    told = zip(workspaces, await asyncio.gather(*asked), strict=True)
    return [f"provider {name} cannot be used: {' '.join(str(error).split())}" for name, error in told if error]


async def _ask(cast: Cast, name: str, services: Services, workspace: Path, within: float) -> ProviderError | None:
    try:
        provider = cast.providers[name](cast.settings[name], workspace)
    except ProviderError as error:
        return error
    caller = services.caller(name, provider.limits, ProviderError)
    provider.hold = caller.hold
    faults: list[ProviderError] = []
    try:
        async with asyncio.timeout(within):
            done = await caller.call(_noting(provider.check, faults))
    except TimeoutError:
        last = f"; the last thing it said: {faults[-1]}" if faults else ""
        return ProviderError(f"it was asked whether it can be used, and gave no answer within {within:g} s{last}")
    finally:
        await _close(name, provider)
    return done.error if isinstance(done.error, ProviderError) else None


def _noting(check: Callable[[], Any], faults: list[ProviderError]) -> Callable[[], Any]:
    """`check`, its faults noted: where attempts end because time is up, the last of them says why."""
    if inspect.iscoroutinefunction(check):

        @wraps(check)
        async def asked() -> None:
            try:
                await check()
            except ProviderError as error:
                faults.append(error)
                raise

        return asked

    @wraps(check)
    def asked_in_thread() -> Any:
        try:
            return check()
        except ProviderError as error:
            faults.append(error)
            raise

    return asked_in_thread


async def _close(name: str, provider: Provider) -> None:
    try:
        closing = provider.close()
        if closing is not None:
            await closing
    except Exception as error:  # noqa: BLE001  whether it can be used has been said
        logging.getLogger(__name__).warning("%s did not close: %r", name, error)
