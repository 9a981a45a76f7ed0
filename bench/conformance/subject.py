"""A provider as the conformance kit sees it: each call as the pipeline would make it, and with an end."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar  # Any: what a thread or a process is given to do

from bench.conformance.haystacks import Fact
from bench.pipeline import ProviderClient, provider_settings
from net import CallRecord, Services
from providers import Capabilities, Provider, ProviderSettings, find_provider
from vocabulary import InfrastructureError, SearchResult, Session

T = TypeVar("T")

TOP_K = 10
"""How many results are asked for where a check says nothing else."""

_LONGEST_PAUSE_SECONDS = 1.0


class Failed(Exception):  # noqa: N818  a verdict
    """The provider did not do what it must; the text says what was expected, what came, and the way out."""


class CallFailed(Failed):
    """A call ended in an error."""


class Declared(Exception):  # noqa: N818  a verdict
    """The provider says of itself that it does not do this."""


@dataclass(frozen=True)
class Means:
    """What it takes to open a provider, in any process.

    `names` are all chosen providers, whom `options` may name. `seconds` is the longest that a call may take, retries
    included; `grace` how long a fact may be late where lateness is not what is checked.
    """

    name: str
    names: tuple[str, ...]
    options: tuple[str, ...]
    folder: Path
    limits: Path
    in_flight: int
    seconds: float
    grace: float
    sessions: int

    def settings(self) -> tuple[type[Provider], ProviderSettings]:
        """The class and its settings; raises `ConfigurationError`."""
        found = {name: find_provider(name) for name in self.names}
        return found[self.name], provider_settings(found, self.options)[self.name]


class Subject:
    """One instance of a provider, for one event loop.

    All that is `filled` is cleared at the end, whatever came of it; `remarks` says of what could not be.
    """

    def __init__(self, means: Means) -> None:
        self.means = means
        self.remarks: list[str] = []
        self.filled: list[str] = []
        # as one of several workers: others make checks at the same time, and limits hold over all
        self._services = Services(in_flight=means.in_flight, workers=2, folder=means.limits, threads=_Threads)
        self.found, self.settings = means.settings()
        self.open()

    @property
    def capabilities(self) -> Capabilities:
        """What the provider declares of itself, with these settings."""
        return self.client.provider.capabilities

    def open(self) -> None:
        """Make an instance, in the place of one that was closed."""
        self.client = self.made(self.settings)

    def made(self, settings: ProviderSettings) -> ProviderClient:
        """An instance with `settings`, opened as a run opens it."""
        try:
            return ProviderClient(self.means.name, self.found, settings, self.means.folder, self._services.caller)
        except InfrastructureError as error:
            raise Failed(f"it cannot be opened: {error}") from error

    async def call(self, what: str, calling: Awaitable[CallRecord[T]], *, ends: bool = False) -> T | None:
        """What a call gives; raises `Failed` if it fails, or does not end and is none that `ends` by itself."""
        done = await self.tried(what, calling, ends=ends)
        if done.error:
            raise CallFailed(f"{what} failed: {type(done.error).__name__}: {done.error}")
        return done.value

    async def tried(self, what: str, calling: Awaitable[CallRecord[T]], *, ends: bool = False) -> CallRecord[T]:
        """What came of a call, errors included; raises `Failed` if it does not end."""
        try:
            async with asyncio.timeout(None if ends else self.means.seconds):
                return await calling
        except TimeoutError:
            advice = "give each wait an end, or raise --conformance-timeout."
            raise Failed(f"{what} did not end within {self.means.seconds:g} s: {advice}") from None

    async def fill(self, container: str, sessions: Iterable[Session]) -> None:
        """Ingest `sessions` and wait until the provider says that they can be found."""
        await self.ingest(container, sessions)
        await self.ready(container)

    async def ingest(self, container: str, sessions: Iterable[Session]) -> None:
        """Ingest `sessions`, as many at once as the provider bears."""
        if container not in self.filled:
            self.filled.append(container)

        async def ingest(session: Session) -> None:
            await self.call(f"ingest of session {session.id}", self.client.ingest(container, session))

        await self.client.in_lanes(sessions, ingest)

    async def ready(self, container: str) -> None:
        """Wait for the provider to be done with indexing; how long that may take it declares itself."""
        await self.call("await_indexing", self.client.await_indexing(container), ends=True)

    async def clear(self, container: str) -> None:
        """Clear a container; it need not be cleared at the end."""
        await self.call("clear", self.client.clear(container))
        if container in self.filled:
            self.filled.remove(container)

    async def search(self, container: str, fact: Fact, top_k: int = TOP_K) -> tuple[SearchResult, ...]:
        """What the provider finds for the question about `fact`."""
        return await self.call("search", self.client.search(container, fact.asked(), fact.gold, top_k)) or ()

    async def find(
        self, container: str, fact: Fact, advice: str, top_k: int = TOP_K
    ) -> tuple[list[SearchResult], tuple[SearchResult, ...]]:
        """The results that hold `fact`, and all; looked for again for a while, because only `ready` is about that.

        Raises `Failed` with `advice` if there are none.
        """
        end, pause = time.monotonic() + self.means.grace, 0.05
        while True:
            results = await self.search(container, fact, top_k)
            if holding := fact.held_by(results):
                return holding, results
            if time.monotonic() >= end:
                raise Failed(f"{self.not_found(fact, results)} {advice}")
            await asyncio.sleep(min(pause, max(0.01, end - time.monotonic())))
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2)

    @staticmethod
    def not_found(fact: Fact, results: Sequence[SearchResult]) -> str:
        """That a fact was not found, for a verdict."""
        came = f"{len(results)} results, none" if results else "no results, so none"
        return f"{fact.question!r} gave {came} with {fact.statement}, which message {fact.message} said."

    def must_find(self) -> None:
        """Raise `Declared` for a provider that finds nothing by its nature."""
        if not self.capabilities.finds:
            raise Declared("it declares that it finds nothing")

    def container(self, label: str) -> str:
        """The name of a container that nobody has used before."""
        return f"conformance-{label}-{uuid.uuid4().hex[:10]}"

    async def close(self) -> None:
        """Close the instance; another one may be opened."""
        await self.call("close", self.client.close())

    async def end(self) -> None:
        """Clear what was filled, close, and release everything."""
        for container in tuple(self.filled):
            try:
                await self.clear(container)
            except Failed as error:
                self.remarks.append(f"container {container} could not be cleared and may be left over: {error}")
        try:
            await self.close()
        except Failed as error:
            self.remarks.append(str(error))
        self._services.close()


class _Threads(ThreadPoolExecutor):
    """A thread for each call, and none that is waited for: one that never ends must not keep pytest from ending."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Begin a call at once."""
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call(*arguments, **named))
            except BaseException as error:  # noqa: BLE001  the waiting thread raises it
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """There is nothing to be waited for."""
        del wait, cancel_futures


def run_alone(work: Callable[[], Any]) -> Any:
    """Run the coroutine that `work` makes on an event loop of its own, whose threads are not waited for either."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Threads())
        return runner.run(work())
