"""A provider as the conformance kit sees it: each call as the pipeline would make it, and with an end."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # a provider's methods take and give what they do

from bench.attempts import Caller, Done
from bench.conformance_haystacks import Fact
from bench.limits import Limiter
from bench.provider_options import provider_settings
from providers import Capabilities, Ceiling, Limits, Provider, ProviderSettings, find_provider
from schema import InfrastructureError, ProviderError, SearchResult, Session

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
        """The class and its settings; raises `schema.ConfigurationError`."""
        found = {name: find_provider(name) for name in self.names}
        return found[self.name], provider_settings(found, self.options)[self.name]


class Subject:
    """One instance of a provider, for one event loop.

    All that is `filled` is cleared at the end, whatever came of it; `remarks` says of what could not be.
    """

    def __init__(self, means: Means) -> None:
        self.means = means
        self.remarks: list[str] = []
        self.longest: tuple[float, str] = (0.0, "no call")
        self.filled: list[str] = []
        self._threads = _Threads()
        self._limiters: list[Limiter] = []
        self.found, self.settings = means.settings()
        self.open()

    @property
    def capabilities(self) -> Capabilities:
        """What the provider declares of itself, with these settings."""
        return self.provider.capabilities

    def open(self) -> None:
        """Make an instance, in the place of one that was closed."""
        self.provider, self._asks, self._waits = self.made(self.settings)

    def made(self, settings: ProviderSettings) -> tuple[Provider, Caller, Caller]:
        """An instance with `settings`, who calls it, and who waits for it to be done with indexing."""
        try:
            provider = self.found(settings, self.means.folder)
        except InfrastructureError as error:
            raise Failed(f"it cannot be opened: {error}") from error
        asks = self._caller("provider", provider.limits)
        provider.hold = asks.hold
        unbounded = inspect.iscoroutinefunction(provider.await_indexing)
        return provider, asks, self._caller("indexing", Limits()) if unbounded else asks

    async def call(self, what: str, method: Callable[..., Any], *arguments: object) -> Any:
        """What `method` gives, asked as the pipeline asks; raises `Failed` if it fails or does not end."""
        done = await self.tried(what, self._asks, method, *arguments)
        if done.error:
            raise CallFailed(f"{what} failed: {type(done.error).__name__}: {done.error}")
        return done.value

    async def tried(
        self, what: str, caller: Caller, method: Callable[..., Any], *arguments: object, seconds: float | None = None
    ) -> Done[Any]:
        """What came of a call, errors included; raises `Failed` if it does not end."""
        seconds = seconds or self.means.seconds
        begun = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                done = await caller.call(method, *arguments)
        except TimeoutError:
            raise Failed(
                f"{what} did not end within {seconds:g} s: give each wait an end, or raise --conformance-timeout."
            ) from None
        self.longest = max(self.longest, (time.monotonic() - begun, what))
        return done

    async def fill(self, container: str, sessions: Iterable[Session]) -> None:
        """Ingest `sessions` and wait until the provider says that they can be found."""
        await self.ingest(container, sessions)
        await self.ready(container)

    async def ingest(self, container: str, sessions: Iterable[Session]) -> None:
        """Ingest `sessions`, as many at once as the provider bears."""
        if container not in self.filled:
            self.filled.append(container)
        waiting = iter(sessions)

        async def lane() -> None:
            for session in waiting:
                await self.call(f"ingest of session {session.id}", self.provider.ingest, container, session)

        lanes = [asyncio.create_task(lane()) for _lane in range(self.provider.limits.sessions)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for one in lanes:
                one.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def ready(self, container: str) -> None:
        """Wait for the provider to be done with indexing."""
        seconds = self.provider.limits.indexing_timeout * 1.05 + 2.0
        done = await self.tried("await_indexing", self._waits, self.provider.await_indexing, container, seconds=seconds)
        if done.error:
            raise CallFailed(f"await_indexing failed: {type(done.error).__name__}: {done.error}")

    async def clear(self, container: str) -> None:
        """Clear a container; it need not be cleared at the end."""
        await self.call("clear", self.provider.clear, container)
        if container in self.filled:
            self.filled.remove(container)

    async def search(self, container: str, fact: Fact, top_k: int = TOP_K) -> tuple[SearchResult, ...]:
        """What the provider finds for the question about `fact`."""
        provider = self.provider
        arguments: tuple[object, ...] = (fact.asked(), top_k)
        search: Callable[..., object] = provider.search
        if isinstance(provider, Ceiling):
            arguments, search = (fact.asked(), fact.gold, top_k), provider.search_gold
        found = tuple(await self.call("search", search, container, *arguments) or ())
        strange = next((one for one in found if not isinstance(one, SearchResult)), None)
        if strange is not None:
            raise Failed(f"search gave a {type(strange).__name__} where a SearchResult should be.")
        return found

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
        return f"{fact.question!r} gave {came} with {fact.told}, which message {fact.message} said."

    def must_find(self) -> None:
        """Raise `Declared` for a provider that finds nothing by its nature."""
        if not self.capabilities.finds:
            raise Declared("it declares that it finds nothing")

    def container(self, label: str) -> str:
        """The name of a container that nobody has used before."""
        return f"conformance-{label}-{uuid.uuid4().hex[:10]}"

    async def close(self) -> None:
        """Close the instance; another one may be opened."""
        done = await self.tried("close", Caller(self._limiters[0], self._threads, ProviderError), self.provider.close)
        if done.error:
            raise CallFailed(f"close failed: {type(done.error).__name__}: {done.error}")

    async def end(self) -> None:
        """Clear what was filled, close, and let go of everything."""
        for container in tuple(self.filled):
            try:
                await self.clear(container)
            except Failed as error:
                self.remarks.append(f"container {container} could not be cleared and may be left over: {error}")
        try:
            await self.close()
        except Failed as error:
            self.remarks.append(str(error))
        for limiter in self._limiters:
            limiter.close()

    def _caller(self, kind: str, limits: Limits) -> Caller:
        most = min(self.means.in_flight, limits.concurrency or self.means.in_flight)
        name = "".join(letter if letter.isalnum() else "-" for letter in self.means.name)
        shared = limits.concurrency if limits.scope == "run" else None
        limiter = Limiter(self.means.limits, f"{kind}-{name}", most=most, shared=shared, per_minute=limits.per_minute)
        self._limiters.append(limiter)
        return Caller(limiter, self._threads, ProviderError)


class _Threads(ThreadPoolExecutor):
    """A thread for each call, and none that is waited for: one that never ends must not keep pytest from ending."""

    def __init__(self) -> None:
        super().__init__(1)

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Begin a call at once."""
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(call(*arguments, **named))
            except BaseException as error:  # noqa: BLE001  whoever waits is told
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
