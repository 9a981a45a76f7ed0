"""A provider with one haystack in it, to be searched by one caller at a time. `docs/latency.md` explains it."""

from __future__ import annotations

import asyncio
import inspect
import statistics
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any  # what a provider's methods give, and JSON

from bench.attempts import Caller
from bench.background import BackgroundLoop
from bench.cast import Cast
from bench.limits import Limiter
from bench.synthetic import Synthetic
from providers import Ceiling, Provider
from reports import new_run_id
from schema import Case, Haystack, IndexingTimeoutError, InfrastructureError, ProviderError, SearchResult, Session

WARM_UP = 10
"""How many searches go before those that are timed: connections are made, caches filled, code compiled."""


class Prepared:
    """A provider whose container holds the haystack of `benchmark`, ingested and indexed; `close` removes it.

    Raises `schema.ProviderError` if it cannot be made so. A plain ``def`` method is called in the one thread of a pool,
    an ``async def`` on a loop in the background: both as in a run, and what that costs is the same for all.
    """

    def __init__(self, cast: Cast, name: str, benchmark: Synthetic, top_k: int) -> None:
        self.name = name
        self.top_k = top_k
        self.messages = 0
        self.found = 0
        """How many results all searches gave."""
        self._cases = benchmark.cases()
        self._haystack = benchmark.haystack(self._cases[0].haystack)
        self._record = next(record for record in cast.provider_records if record.name == name)
        self._folder = TemporaryDirectory(prefix="memorybench-latency-")
        self._container = f"{self._haystack.id}-latency-{new_run_id()}"
        self._background = BackgroundLoop()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"latency-{name}")
        workspace = Path(self._folder.name) / "provider"
        workspace.mkdir()
        self.provider: Provider = cast.providers[name](cast.settings[name], workspace)
        limits = self.provider.limits
        self._limiter = Limiter(
            Path(self._folder.name) / "limits", "calls", most=limits.concurrency or 64, per_minute=limits.per_minute
        )
        self._caller = Caller(self._limiter, self._pool, ProviderError)
        self.provider.hold = self._caller.hold
        try:
            self._background.run(self._fill(self._haystack))
        except BaseException:
            self._let_go()
            raise

    @property
    def warm_up(self) -> int:
        """How many searches are not timed."""
        return min(WARM_UP, len(self._cases) // 5)

    @property
    def timed(self) -> int:
        """How many questions are left when it is warm: each is new to the provider when it is timed."""
        return len(self._cases) - self.warm_up

    @property
    def group(self) -> str:
        """What can be compared: the same haystack, asked for as many results."""
        return f"search of {self._haystack.session_count:,} sessions, top-k {self.top_k}"

    def told(self) -> dict[str, Any]:
        """All that a figure has to be read with, as JSON."""
        return {
            "provider": self.name,
            "version": self._record.version,
            "api": self._record.api,
            "settings": dict(self._record.settings),
            "haystack": self._haystack.id,
            "sessions": self._haystack.session_count,
            "messages": self.messages,
            "top_k": self.top_k,
            "questions": self.timed,
            "warm_up": self.warm_up,
        }

    def questions(self) -> Callable[[], tuple[tuple[Case], dict[str, Any]]]:
        """Gives the next question at each call, from the first on, once the provider's limits allow another search."""
        following = cycle(self._cases)

        async def turn() -> None:
            async with self._limiter.slot():
                pass

        def next_question() -> tuple[tuple[Case], dict[str, Any]]:
            self._background.run(turn())
            return (next(following),), {}

        return next_question

    def search(self, case: Case) -> Sequence[SearchResult]:
        """What the provider finds; this is what is timed."""
        question, provider = case.question, self.provider
        if isinstance(provider, Ceiling):
            results = self._call(provider.search_gold, self._container, question, case.gold, self.top_k)
        else:
            results = self._call(provider.search, self._container, question, self.top_k)
        self.found += len(results)
        found: Sequence[SearchResult] = results
        return found

    def close(self) -> None:
        """Remove the container, and let go of everything; raises `schema.ProviderError` if it is still there."""
        if error := self._let_go():
            raise error

    def _let_go(self) -> InfrastructureError | None:
        try:
            cleared = self._background.run(self._caller.call(self.provider.clear, self._container))
            self._call(self.provider.close)
        finally:
            self._background.run(self._background.cancel_all())
            self._background.stop()
            self._pool.shutdown()
            self._limiter.close()
            self._folder.cleanup()
        return cleared.error

    def _call(self, method: Callable[..., Any], *arguments: object) -> Any:
        if inspect.iscoroutinefunction(method):
            return self._background.run(method(*arguments))
        value = self._pool.submit(method, *arguments).result()
        return self._background.run(_awaited(value)) if isinstance(value, Awaitable) else value

    async def _fill(self, haystack: Haystack) -> None:
        await self._must(self.provider.check)
        shared = iter(haystack.sessions())
        lanes = [asyncio.create_task(self._ingest(shared)) for _lane in range(self.provider.limits.sessions)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
        try:
            async with asyncio.timeout(self.provider.limits.indexing_timeout * 1.05 + 2.0):
                await self._must(self.provider.await_indexing, self._container)
        except TimeoutError as error:
            told = f"not indexed within {self.provider.limits.indexing_timeout:g} s"
            raise IndexingTimeoutError(f"container {self._container} was {told}") from error

    async def _ingest(self, shared: Any) -> None:
        session: Session
        for session in shared:  # the lanes share one iterator
            self.messages += len(session.messages)
            await self._must(self.provider.ingest, self._container, session)

    async def _must(self, method: Callable[..., Any], *arguments: object) -> None:
        done = await self._caller.call(method, *arguments)
        if done.error:
            raise done.error


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 of two or more `seconds`, in milliseconds, interpolated as in a run's report."""
    quantiles = statistics.quantiles(seconds, n=100, method="inclusive")
    return {f"p{percent}_ms": quantiles[percent - 1] * 1000.0 for percent in (50, 95, 99)}


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value
