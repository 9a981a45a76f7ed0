"""A provider with one haystack in it, to be searched by one caller at a time. `docs/latency.md` explains it."""

from __future__ import annotations

import inspect
import statistics
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any  # what a provider's methods give, and JSON

from bench.benchmarks import Synthetic
from bench.pipeline import BackgroundLoop, Participants, ProviderClient, checked
from net import Services
from reports.store import new_run_id
from vocabulary import Case, Haystack, InfrastructureError, SearchResult, Session

WARM_UP = 10
"""How many searches go before those that are timed: connections are made, caches filled, code compiled."""


class Prepared:
    """A provider whose container holds the haystack of `benchmark`, ingested and indexed; `close` removes it.

    Raises `ProviderError` if it cannot be made so. A plain ``def`` method is called in the one thread of a pool,
    an ``async def`` on a loop in the background: both as in a run, and what that costs is the same for all.
    """

    def __init__(self, participants: Participants, name: str, benchmark: Synthetic, top_k: int) -> None:
        self.name = name
        self.top_k = top_k
        self.messages = 0
        self.found = 0
        """How many results all searches gave."""
        self._cases = benchmark.cases()
        self._haystack = benchmark.haystack(self._cases[0].haystack)
        self._record = next(record for record in participants.provider_records if record.name == name)
        self._folder = TemporaryDirectory(prefix="memorybench-latency-")
        self._container = f"{self._haystack.id}-latency-{new_run_id()}"
        self._background = BackgroundLoop()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"latency-{name}")
        folder = Path(self._folder.name)
        self._services = Services(in_flight=64, workers=1, folder=folder / "limits")
        self._client = ProviderClient(
            name, participants.providers[name], participants.settings[name], folder, self._services.caller
        )
        self.provider = self._client.provider
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

    def extra_info(self) -> dict[str, Any]:
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

        async def nothing() -> None:
            """A call that takes its turn among those that the limits allow."""

        def next_question() -> tuple[tuple[Case], dict[str, Any]]:
            self._background.run(self._client.call(nothing))
            return (next(following),), {}

        return next_question

    def search(self, case: Case) -> Sequence[SearchResult]:
        """What the provider finds; this is what is timed."""
        results: Sequence[SearchResult] = self._call(
            self._client.searching(self._container, case.question, case.gold, self.top_k)
        )
        self.found += len(results)
        return results

    def close(self) -> None:
        """Remove the container, and release everything; raises `ProviderError` if it is still there."""
        if error := self._let_go():
            raise error

    def _let_go(self) -> InfrastructureError | None:
        try:
            cleared = self._background.run(self._client.clear(self._container))
            self._background.run(self._client.close())
        finally:
            self._background.close()
            self._pool.shutdown()
            self._services.close()
            self._folder.cleanup()
        return cleared.error

    def _call(self, method: Callable[[], Any]) -> Any:
        if inspect.iscoroutinefunction(method):
            return self._background.run(method())
        value = self._pool.submit(method).result()
        return self._background.run(_awaited(value)) if isinstance(value, Awaitable) else value

    async def _fill(self, haystack: Haystack) -> None:
        await checked(self._client.check())
        await self._client.in_lanes(haystack.sessions(), self._ingest)
        await checked(self._client.await_indexing(self._container))

    async def _ingest(self, session: Session) -> None:
        self.messages += len(session.messages)
        await checked(self._client.ingest(self._container, session))


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 of two or more `seconds`, in milliseconds, interpolated as in a run's report."""
    quantiles = statistics.quantiles(seconds, n=100, method="inclusive")
    return {f"p{percent}_ms": quantiles[percent - 1] * 1000.0 for percent in (50, 95, 99)}


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value
