"""Preflight check: whether the machine, memory systems and language models can be used, and what form requests take."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.pipeline.background import BackgroundLoop
from bench.pipeline.participants import LanguageModel, Participants
from bench.pipeline.provider_client import ProviderClient
from bench.pipeline.selection import OpenBenchmark
from net import CallLimits, CallRecord, Services
from providers import Provider
from vocabulary import ConfigurationError, InfrastructureError, ModelError, Phase, ProviderError

CHECK_SECONDS = 30.0
"""How long a provider has to say that it can be used, further attempts included."""

MODEL_SECONDS = 180.0
"""The same for a language model, which a server may have to load first."""

FILES = 96
"""How many files a process of a run may have open beside one for each call in flight."""

ADDRESS_SPACE = 1 << 30
"""How many bytes of address space a process of a run needs, most of it reserved by threads and never used."""

_WHO = {"answer": "answering model", "judge": "judge"}


def check_machine(in_flight: int, workers: int) -> None:
    """Raise this process's own limit on open files where it is too low, for its workers too.

    `in_flight` is the total over all `workers`. Raises `ConfigurationError` with a line that says what is too little.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES + max(-(-in_flight // workers), 4 * workers)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise ConfigurationError(
                f"a process may have {hard} files open, and this run needs {needed}: raise the limit with "
                f"`ulimit -n {needed}`, or use fewer --in-flight or -n."
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    space, _hard = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY and space < ADDRESS_SPACE:
        raise ConfigurationError(
            f"a process may use {space // 1024} kB of memory, and this run needs {ADDRESS_SPACE // 1024}: raise the "
            f"limit with `ulimit -v {ADDRESS_SPACE // 1024}`."
        )


def check_services(
    participants: Participants,
    until: Phase,
    opened: Collection[OpenBenchmark] = (),
    *,
    within: float = CHECK_SECONDS,
    models_within: float = MODEL_SECONDS,
) -> None:
    """Check each provider that has a `check`, and negotiate with each language model, all at the same time.

    `until` is the last phase of the run, which is about the benchmarks `opened` if that is known; `within` and
    `models_within` are in seconds. Raises `ConfigurationError` with a line that names what cannot be used, and why.
    """
    names = [name for name, found in participants.providers.items() if found.check is not Provider.check]
    own = participants.protocol is None and [one.benchmark.own_judge for one in opened]
    judged = not own or None in own  # else each benchmark brings its judge, and none of the run's is asked
    needed = [model for model in participants.models(until) if judged or model.role != "judge"]
    models = [model for model in needed if not model.chat.negotiated]
    if not (names or models):
        return

    async def check_all(folder: Path, services: Services) -> list[str | None]:
        return await asyncio.gather(
            *(_check(participants, name, folder, services, within) for name in names),
            *(_negotiate(model, services, models_within) for model in models),
        )

    with (
        TemporaryDirectory(prefix="memorybench-check-") as folder,
        closing(Services(in_flight=len(names) + len(models), workers=1, folder=Path(folder) / "limits")) as services,
        closing(BackgroundLoop()) as background,
    ):
        unusable = [line for line in background.run(check_all(Path(folder), services)) if line]
    if unusable:
        raise ConfigurationError("; ".join(unusable))


async def _check(participants: Participants, name: str, folder: Path, services: Services, within: float) -> str | None:
    """Why a provider cannot be used; None if it can."""
    try:
        client = ProviderClient(
            name, participants.providers[name], participants.settings[name], folder, services.caller
        )
    except ProviderError as unusable:
        return _line(f"provider {name}", unusable)
    faults: list[InfrastructureError] = []
    try:
        call = client.call(_noting(faults, client.once, client.provider.check))
        error = await _within(within, call, faults)
    finally:
        await client.close()
    return _line(f"provider {name}", error) if error else None


async def _negotiate(model: LanguageModel, services: Services, within: float) -> str | None:
    """Why a language model cannot be used; None if it can, and its chat knows then how it is asked."""
    caller = services.caller(f"{model.role}-{model.name}", CallLimits(), ModelError)
    faults: list[InfrastructureError] = []
    try:
        call = caller.call(_noting(faults, model.chat.negotiate, model.reply))
        error = await _within(within, call, faults)
    finally:
        await model.chat.close()  # the run asks it on another loop
    return _line(f"{_WHO[model.role]} {model.name}", error, f"{model.name}: ") if error else None


def _noting(
    faults: list[InfrastructureError], method: Callable[..., Awaitable[Any]], *arguments: object
) -> Callable[[], Awaitable[None]]:
    """`method` that notes each fault: where attempts end because time is up, the last of them says why."""

    async def noted() -> None:
        try:
            await method(*arguments)
        except InfrastructureError as error:
            faults.append(error)
            raise

    return noted


async def _within(
    seconds: float, call: Awaitable[CallRecord[Any]], faults: Sequence[InfrastructureError]
) -> InfrastructureError | None:
    """The error that a call ended in; None if it succeeded."""
    try:
        async with asyncio.timeout(seconds):
            return (await call).error
    except TimeoutError:
        last = f"; the last thing it said: {faults[-1]}" if faults else ""
        return InfrastructureError(f"the preflight check timed out after {seconds:g} s{last}")


def _line(who: str, error: InfrastructureError, known: str = "") -> str:
    return f"{who} cannot be used: {' '.join(str(error).removeprefix(known).split())}"
