"""Another process that uses the provider at the same time, for the checks that are about several.

Processes are forked from a server that has this module loaded and nothing of the provider, so that each begins as a
worker of a run does: with its own instance, its own imports, and the workspace that all share.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any  # what comes over a connection

from bench.conformance.haystacks import Fact
from bench.conformance.subject import Failed, Means, Subject, run_alone
from vocabulary import MemoryBenchError, SearchResult, Session

_GRACE_SECONDS = 30.0
"""How long a process may take to begin and to end, beside the calls that it makes."""


class OtherProcess:
    """A process with an instance of its own."""

    def __init__(self, means: Means) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, means), daemon=True)
        self._process.start()
        there.close()
        self._means = means

    async def fill(self, container: str, sessions: Sequence[Session]) -> None:
        """Ingest there, and wait for indexing; raises `Failed`."""
        await self._ask("fill", container, list(sessions))

    async def search(self, container: str, fact: Fact) -> tuple[SearchResult, ...]:
        """Search there until the fact is found or it is late; raises `Failed` for errors."""
        found: tuple[SearchResult, ...] = await self._ask("search", container, fact)
        return found

    async def close(self) -> None:
        """Close the instance there, and end the process."""
        with suppress(OSError):  # it is gone
            self._here.send(None)
        await asyncio.to_thread(self._process.join, _GRACE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            await asyncio.to_thread(self._process.join)
        self._here.close()

    async def _ask(self, what: str, *arguments: object) -> Any:
        try:
            self._here.send((what, *arguments))
            while not await asyncio.to_thread(self._here.poll, 1.0):
                if not self._process.is_alive():
                    raise EOFError
            done, value = self._here.recv()
        except (EOFError, OSError):
            self._process.join(_GRACE_SECONDS)
            raise Failed(f"in another process: it died at {what} (exit status {self._process.exitcode}).") from None
        if not done:
            raise Failed(f"in another process: {value}")
        return value


def _serve(there: Connection, means: Means) -> None:
    run_alone(lambda: _answer(there, means))


async def _answer(there: Connection, means: Means) -> None:
    subject: Subject | None = None
    try:
        while (asked := await asyncio.to_thread(_received, there)) is not None:
            what, container, about = asked
            try:
                subject = subject or Subject(means)
                if what == "fill":
                    await subject.fill(container, about)
                    there.send((True, None))
                else:
                    there.send((True, await _searched(subject, container, about)))
            except (Failed, MemoryBenchError) as error:
                there.send((False, str(error)))
    finally:
        if subject is not None:
            subject.filled.clear()  # the process that asked clears it
            await subject.end()


async def _searched(subject: Subject, container: str, fact: Fact) -> tuple[SearchResult, ...]:
    if subject.capabilities.finds:
        with suppress(Failed):  # it is not there, or search fails: that is seen below
            return (await subject.find(container, fact, ""))[1]
    return await subject.search(container, fact)


def _received(there: Connection) -> Any:
    try:
        return there.recv()
    except EOFError:  # the process that asked has ended
        return None
