"""An event loop in a thread of its own, which also measures how late it runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar  # Any: what a coroutine yields to its loop is nobody else's business

T = TypeVar("T")

_LAG_EVERY_SECONDS = 0.05


class BackgroundLoop:
    """Runs coroutines while the main thread waits, or does something else."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._lags: list[float] = []
        self._thread = threading.Thread(target=self.loop.run_forever, name="bench-loop", daemon=True)
        self._thread.start()
        self._meter = self.submit(self._measure())

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `coroutine`."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` and wait for it."""
        return self.submit(coroutine).result()

    def lag_ms_p99(self) -> float | None:
        """How late the loop came to what was due, at the 99th percentile; None before anything was measured."""
        if not self._lags:
            return None
        ordered = sorted(self._lags)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]

    def stop(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def cancel_all(self) -> None:
        """Cancel what is under way and let it clean up."""
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _measure(self) -> None:
        while True:
            due = self.loop.time() + _LAG_EVERY_SECONDS
            await asyncio.sleep(_LAG_EVERY_SECONDS)
            self._lags.append((self.loop.time() - due) * 1000.0)
