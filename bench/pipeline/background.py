"""An event loop in a thread of its own: it measures how late it runs, and survives what code under test does to it."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar  # Any: what a coroutine yields to its loop is nobody else's business

from vocabulary import StalledError

T = TypeVar("T")

_LAG_EVERY_SECONDS = 0.05
_CANCEL_SECONDS = 5.0
"""How long tasks may take to end once they are cancelled."""


class BackgroundLoop:
    """Runs coroutines while the main thread waits, or does something else.

    Code under test may stop the loop or end it by an exception that passes through: it is run again. If it ends all the
    same, or stands still for `patience` seconds, all who wait get a `StalledError`, and `on_failure` is called with it.
    """

    def __init__(self, patience: float = 600.0, on_failure: Callable[[StalledError], None] | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self.failure: StalledError | None = None
        self._patience = patience
        self._on_failure = on_failure
        self._lags: list[float] = []
        self._beats = 0
        self._closing = threading.Event()
        self._pending: set[Future[Any]] = set()
        self._thread = threading.Thread(target=self._run, name="bench-loop", daemon=True)
        self._thread.start()
        self.loop.call_soon_threadsafe(self._beat, self.loop.time())
        threading.Thread(target=self._watch, name="bench-loop-watchdog", daemon=True).start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `coroutine`."""
        if self.failure:
            coroutine.close()
            raise self.failure
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` and wait for it."""
        return self.submit(coroutine).result()

    def lag_ms_p99(self) -> float | None:
        """How late the loop came to what was due, at the 99th percentile; None before anything was measured."""
        if not self._lags:
            return None
        ordered = sorted(self._lags)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]

    def close(self) -> None:
        """Cancel what is under way, and end the thread."""
        if not self.failure:
            self.run(self.cancel_all())
        self._closing.set()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(None if not self.failure else 0)
        if not self._thread.is_alive():
            self.loop.close()

    async def cancel_all(self) -> None:
        """Cancel what is under way and let it clean up, for a while: some code cannot be cancelled."""
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        if others:
            ended, _stuck = await asyncio.wait(others, timeout=_CANCEL_SECONDS)
            await asyncio.gather(*ended, return_exceptions=True)  # else each would be reported as never looked at

    def _run(self) -> None:
        while not self._closing.is_set() and not self.loop.is_closed():
            try:
                self.loop.run_forever()
            except BaseException as error:  # noqa: BLE001  SystemExit of a task that code under test has begun
                logging.getLogger(__name__).warning("the event loop was ended by %s, and goes on", type(error).__name__)

    def _beat(self, due: float) -> None:
        # a callback and no task: code under test may cancel all tasks there are
        now = self.loop.time()
        self._lags.append((now - due) * 1000.0)
        self._beats += 1
        self.loop.call_at(now + _LAG_EVERY_SECONDS, self._beat, now + _LAG_EVERY_SECONDS)

    def _watch(self) -> None:
        beats, still = -1, 0
        while not self._closing.wait(1.0):  # counted, not timed: the whole process may have been stopped meanwhile
            still = still + 1 if self._beats == beats else 0
            beats = self._beats
            if not self._thread.is_alive():
                self._fail("ended")
                return
            if still >= self._patience:
                self._fail(f"stands still for {still} s, {self._position()}")
                return

    def _position(self) -> str:
        frame = sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001  there is no other way to see a thread's stack
        if frame is None:
            return "nobody knows where"
        last = traceback.extract_stack(frame)[-1]
        return f"at {last.filename}:{last.lineno} in {last.name}"

    def _fail(self, what: str) -> None:
        self.failure = StalledError(
            f"the event loop that drives all questions {what}. A provider, an answering model or a judge must not "
            "block inside async def: make it a plain def, or await. What was done is kept: pytest --lf goes on."
        )
        logging.getLogger(__name__).error("%s", self.failure)
        for future in list(self._pending):
            if not future.done():
                future.set_exception(self.failure)
        if self._on_failure:
            self._on_failure(self.failure)
