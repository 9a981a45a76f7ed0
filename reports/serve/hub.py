"""Looks at runs that go on: one look serves all who watch a run, and where nobody watches there is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from reports.serve.look import Look
from reports.serve.standing import Standing
from vocabulary import CheckpointError, MemoryBenchError

_LOOK_SECONDS = 1.0
_REPORT_SECONDS = 2.0
_SHARE = 0.004
"""The share of the time that looks may take, in seconds of CPU, beside what they do seldom by their own measure."""


@dataclass
class _Watched:
    """A run with its watchers; `latest` is its standing, or why it cannot be read."""

    watchers: int = 0
    latest: Standing | str | None = None
    number: int = 0
    task: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def next_change(self) -> None:
        """Wait until there is something newer."""
        await self._changed.wait()

    def publish(self, latest: Standing | str) -> None:
        """Let all watchers have it."""
        self.latest, self.number = latest, self.number + 1
        self._changed.set()
        self._changed = asyncio.Event()


class Hub:
    """Watches runs for those who ask. `look_at` makes a look; `stopping` says whether the server is about to end."""

    def __init__(self, look_at: Callable[[str], Look], stopping: Callable[[], bool]) -> None:
        self._look_at = look_at
        self._stopping = stopping
        self._watched: dict[str, _Watched] = {}
        self.looks = 0
        self.cpu_seconds = 0.0

    async def watch(self, run_id: str) -> AsyncGenerator[Standing | str | None]:
        """Each standing of a run that differs from the one before, and None once a second where none does.

        Ends after a standing in which nobody works on the run, and when the server stops.
        """
        watched = self._watched.setdefault(run_id, _Watched())
        watched.watchers += 1
        if watched.task is None:
            watched.task = asyncio.create_task(self._keep_looking(run_id, watched))
        try:
            number = 0
            while not self._stopping():
                if watched.number == number:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(watched.next_change(), _LOOK_SECONDS)
                if watched.number == number:
                    yield None
                    continue
                number, latest = watched.number, watched.latest
                yield latest
                if not isinstance(latest, Standing) or not latest.at_work:
                    return
        finally:
            watched.watchers -= 1

    async def once(self, run_id: str) -> Standing:
        """The standing of a run now; raises `CheckpointError` if it cannot be read."""
        async with aclosing(self.watch(run_id)) as standings:
            async for latest in standings:
                if isinstance(latest, Standing):
                    return latest
                if latest is not None:
                    raise CheckpointError(latest)
        raise CheckpointError("the server is about to stop.")

    async def _keep_looking(self, run_id: str, watched: _Watched) -> None:
        look: Look | None = None
        try:
            while True:
                began = time.monotonic()
                latest: Standing | str
                try:
                    if look is None:
                        look = await run_in_threadpool(self._look_at, run_id)
                    standing, took = await run_in_threadpool(_timed, look)
                    least = _LOOK_SECONDS if standing.state == "running" else _REPORT_SECONDS
                    latest, pause = standing, max(least, look.seconds / _SHARE)
                except MemoryBenchError as error:
                    latest, took, pause = " ".join(str(error).split()), 0.0, _LOOK_SECONDS
                self.looks += 1
                self.cpu_seconds += took
                watched.publish(latest)
                if isinstance(latest, str) or not latest.at_work:
                    return
                await asyncio.sleep(pause - (time.monotonic() - began))
                if not watched.watchers:
                    return
        finally:
            if self._watched.get(run_id) is watched:
                del self._watched[run_id]
            if look is not None:
                look.close()


def _timed(look: Look) -> tuple[Standing, float]:
    began = time.thread_time()
    standing = look.take()
    return standing, time.thread_time() - began
