"""The one way to use a provider: opened in a workspace of its own, called within its limits, closed."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar  # Any: a provider's methods take and give what they do

from bench.pipeline.border import Found, found_in
from net import Border, Caller, CallLimits, CallRecord
from providers import Ceiling, Provider, ProviderSettings
from vocabulary import Gold, IndexingTimeoutError, ProviderError, Question, SearchResult, Session, file_name_of

T = TypeVar("T")

_FIRST = -1
"""The place of an ingest: before all questions, for many of them wait for it."""


class ProviderClient:
    """One provider as the pipeline uses it.

    Calls are limited, retried and timed by `net.Caller`; an error of the provider is in the `CallRecord` they return.
    `folder` is the run's, which the provider's workspace lies in, called as the provider; or that of a cache, where it
    is called `workspace`. `callers` is `Services.caller` or the like. `shared` is the provider's `Provider.shared`.
    Raises what the provider raises when it is made.
    """

    def __init__(
        self,
        name: str,
        found: type[Provider],
        settings: ProviderSettings,
        folder: Path,
        callers: Callable[..., Caller],
        workspace: str | None = None,
        shared: Path | None = None,
    ) -> None:
        self.name = name
        place = folder / "providers" / (workspace or file_name_of(name))
        for private in (place.parent, place):
            private.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.provider = found(settings, place)
        self._limited = callers(f"provider-{name}", self.provider.limits, ProviderError)
        self._unlimited = callers(f"indexing-{name}", CallLimits(), ProviderError, unhurried=True)
        self.provider.hold = self._limited.hold
        self.provider.shared = shared

    @property
    def ranks(self) -> bool:
        """Whether the provider's results are ranked, so that the first are the best."""
        return self.provider.capabilities.ranked

    @property
    def most(self) -> int:
        """Calls in flight at once in this process."""
        return self._limited.most

    async def call(self, method: Callable[..., Any], *arguments: object) -> CallRecord[Any]:
        """Call `method`, the provider's own or one that wraps it, before all searches."""
        return await self._limited.call(method, *arguments, place=_FIRST)

    async def once(self, method: Callable[..., Any], *arguments: object) -> Any:
        """Call `method` a single time, whatever the limits; its errors are raised as they are."""
        return await self._unlimited.once(method, *arguments)

    async def check(self) -> CallRecord[None]:
        """Whether the service can be used."""
        return await self.call(self.provider.check)

    async def ingest(self, container: str, session: Session) -> CallRecord[None]:
        """Store one session."""
        border = Border(mark=("ingest", self.name, container, session.id))
        return await self._limited.call(self.provider.ingest, container, session, place=_FIRST, border=border)

    async def in_lanes(self, sessions: Iterable[T], ingest: Callable[[T], Awaitable[None]]) -> None:
        """Await `ingest` for each session, as many at once as the provider allows; the first error cancels the others.

        No more sessions are in memory than there are lanes.
        """
        shared = iter(sessions)

        async def lane() -> None:
            for session in shared:
                await ingest(session)

        lanes = [asyncio.create_task(lane()) for _lane in range(self.provider.limits.sessions)]
        try:
            await asyncio.gather(*lanes)
        finally:
            await cancelled(*lanes)

    async def await_indexing(self, container: str) -> CallRecord[None]:
        """Wait until all that was ingested can be found; `IndexingTimeoutError` if that takes too long.

        A coroutine that waits for a service keeps nothing here busy, and takes no other call's place.
        """
        limits, wait = self.provider.limits, self.provider.await_indexing
        waiter = self._unlimited if inspect.iscoroutinefunction(wait) else self._limited
        try:
            async with asyncio.timeout(limits.indexing_end):
                border = Border(mark=("indexing", self.name, container))
                return await waiter.call(wait, container, place=_FIRST, border=border)
        except TimeoutError:
            message = f"did not become ready within {limits.indexing_timeout:g} s after its last session"
            error = IndexingTimeoutError(f"container {container} {message}")
            return CallRecord(None, error, limits.indexing_end * 1000.0, 0.0, 1)

    def searching(self, container: str, question: Question, gold: Gold, top_k: int) -> Callable[[], Any]:
        """The provider's own method to search with; a `Ceiling` is shown `gold`."""
        if isinstance(self.provider, Ceiling):
            return partial(self.provider.search_gold, container, question, gold, top_k)
        return partial(self.provider.search, container, question, top_k)

    async def find(
        self, container: str, question: Question, gold: Gold, top_k: int, *, place: int = 0,
        seconds: float | None = None,
    ) -> CallRecord[Found]:  # fmt: skip
        """What the provider finds within `seconds`; `place` is the question's turn among those that wait.

        No more than `top_k` results count, unless the provider declares that it does not rank them. Where an earlier
        search had computed a part of it, it took no attempt and no time, as a step of the cache.
        """
        most = top_k if self.ranks else None
        mark = ("search", self.name, container, question.id)
        border = Border(check=lambda returned: found_in(returned, most), seconds=seconds, mark=mark)
        done = await self._limited.call(self.searching(container, question, gold, top_k), place=place, border=border)
        return CallRecord(done.value, None, 0.0, 0.0, 0) if done.value and done.value.recalled else done

    async def search(
        self, container: str, question: Question, gold: Gold, top_k: int
    ) -> CallRecord[tuple[SearchResult, ...]]:
        """The results alone, as many as there are."""
        border = Border(check=lambda returned: found_in(returned, None).results)
        return await self._limited.call(self.searching(container, question, gold, top_k), border=border)

    async def clear(self, container: str) -> CallRecord[None]:
        """Remove a container."""
        return await self.call(self.provider.clear, container)

    async def close(self) -> CallRecord[None]:
        """Close the provider, whatever its limits; an error is logged too, for what it was used for is done."""
        failed: ProviderError | None = None
        try:
            await self.once(self.provider.close)
        except Exception as error:  # noqa: BLE001  given back
            failed = error if isinstance(error, ProviderError) else ProviderError(f"{type(error).__name__}: {error}")
            logging.getLogger(__name__).warning("%s did not close: %s", type(self.provider).__name__, failed)
        return CallRecord(None, failed, 0.0, 0.0, 1)


async def checked(call: Awaitable[CallRecord[T]]) -> CallRecord[T]:
    """What a call gave; raises its error."""
    done = await call
    if done.error:
        raise done.error
    return done


async def cancelled(*tasks: asyncio.Task[Any]) -> None:
    """Cancel what is not done yet, and wait until it is."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
