"""Each haystack into its container, once: the first question that needs it ingests it, all others wait."""

from __future__ import annotations

import asyncio

from bench.pipeline.provider_client import ProviderClient, cancelled, checked
from reports.store import HEARTBEAT_SECONDS, ClaimState, Leases, StepError
from vocabulary import (
    DataError,
    Haystack,
    HaystackError,
    IndexingTimeoutError,
    InfrastructureError,
    ProviderError,
    Session,
    estimate_tokens,
)

_POLL_SECONDS = (0.05, 1.0)


class Ingest:
    """The containers of one provider over one benchmark in this process.

    A session under way counts as in flight, and goes before all questions; waiting for an ingest counts as nothing.
    """

    def __init__(self, client: ProviderClient, leases: Leases) -> None:
        self._client = client
        self._leases = leases
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._busy = 0
        # A haystack that is being ingested is in memory. More at once than there can be calls, and one to be read
        # meanwhile, would go no faster.
        self._in_memory = asyncio.Semaphore(client.most + 1)

    @property
    def busy(self) -> int:
        """How many containers are being made ready; may be asked by any thread."""
        return self._busy

    async def ready(self, container: str, haystack: Haystack, *, again: bool = False) -> None:
        """Return when `container` can be searched.

        Raises `ProviderError` if it cannot be made so, `HaystackError` if there is nothing to make it of.

        A container that failed is only tried again if `again`.
        """
        task = self._under_way.get(container)
        if task is None or (again and task.done() and task.exception() is not None):
            task = asyncio.create_task(self._ensure(container, haystack, again=again), name=f"ingest {container}")
            self._under_way[container] = task
            self._busy += 1
            task.add_done_callback(self._one_less)
        await asyncio.shield(task)

    def _one_less(self, _done: asyncio.Task[None]) -> None:
        self._busy -= 1

    async def _ensure(self, container: str, haystack: Haystack, *, again: bool) -> None:
        pause, longest = _POLL_SECONDS
        while True:
            claim = await asyncio.to_thread(self._leases.claim, container, haystack.id, again=again)
            if claim.state is ClaimState.READY:
                return
            if claim.state is ClaimState.FAILED:
                raise _as_it_was(container, claim.error)
            if claim.state is ClaimState.MINE and await self._hold(container, haystack, left_over=claim.left_over):
                return
            again = False  # somebody else is at it: their failure will be as fresh as ours
            await asyncio.sleep(pause)
            pause = min(longest, pause * 1.5)

    async def _hold(self, container: str, haystack: Haystack, *, left_over: bool) -> bool:
        """Ingest while renewing the lease; False if it was lost."""
        work = asyncio.create_task(self._fill(container, haystack, left_over=left_over))
        heart = asyncio.create_task(self._beat(container))
        try:
            await asyncio.wait({work, heart}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else heart.result()
        except InfrastructureError as error:
            await self._leases.failed(container, StepError(type=type(error).__name__, message=str(error)))
            raise
        except BaseException:
            await cancelled(work)  # what is still being sent must not arrive in the next one's container
            await self._leases.abandon(container)
            raise
        finally:
            await cancelled(work, heart)

    async def _beat(self, container: str) -> bool:
        held = True
        while held:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            held = await self._leases.beat(container)
        return False

    async def _fill(self, container: str, haystack: Haystack, *, left_over: bool) -> bool:
        """Ingest and index; False if the container was taken over meanwhile."""
        if left_over:
            await checked(self._client.clear(container))
        messages, tokens = await self._sessions(container, haystack)
        indexing = await checked(self._client.await_indexing(container))
        return await self._leases.indexed(container, messages=messages, tokens=tokens, indexing_ms=indexing.service_ms)

    async def _sessions(self, container: str, haystack: Haystack) -> tuple[int, int]:
        """Ingest all sessions; the messages and tokens in them."""
        counted = [0, 0]

        async def ingest(numbered: tuple[int, Session]) -> None:
            ordinal, session = numbered
            counted[0] += len(session.messages)
            counted[1] += sum(estimate_tokens(message.rendered()) for message in session.messages)
            done = await checked(self._client.ingest(container, session))
            self._leases.session_done(container, ordinal, done.service_ms, done.attempts)

        async with self._in_memory:
            # a large haystack takes a while to be read: the loop must not stand still for it
            try:
                sessions = await asyncio.to_thread(haystack.sessions)
            except DataError as error:
                raise HaystackError(str(error)) from error
            await self._client.in_lanes(enumerate(sessions), ingest)
        return counted[0], counted[1]


def _as_it_was(container: str, error: StepError | None) -> InfrastructureError:
    """The failure that somebody else recorded, as an error of the same kind."""
    if error is None:
        return ProviderError(f"container {container} could not be ingested")
    kinds = {kind.__name__: kind for kind in (HaystackError, IndexingTimeoutError)}
    return kinds.get(error.type, ProviderError)(error.message)
