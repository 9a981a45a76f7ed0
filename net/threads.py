"""Threads for calls that may never return: nothing waits for them at exit, and one that is stuck is replaced."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any  # what is called, and what it gives, is for those who submit it

LAST_SECONDS = 3.0
"""How long calls under way may take to end once nothing more is submitted."""

_Work = tuple["Future[Any]", Callable[[], Any]]


class DaemonThreads(Executor):
    """At most `most` threads, each kept for the next call.

    Unlike those of `concurrent.futures.ThreadPoolExecutor` they do not keep Python from exiting.
    """

    def __init__(self, most: int, name: str = "call") -> None:
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._unclaimed = 0
        self._idle = 0
        self._threads: set[threading.Thread] = set()
        self._stuck: set[Future[Any]] = set()
        self._closed = False

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Begin a call, or as soon as a thread is free."""
        future: Future[Any] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("these threads take no calls any more")
            self._waiting.put((future, lambda: call(*arguments, **named)))
            self._unclaimed += 1
            self._grow()
        return future

    def abandon(self, future: Future[Any]) -> None:
        """Expect nothing more of the call behind `future`: another thread may take the place of its thread."""
        with self._lock:
            if not future.done():
                self._stuck.add(future)
                self._grow()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; `wait` gives those under way, unless they are stuck, `LAST_SECONDS` to end."""
        with self._lock:
            self._closed = True
            if cancel_futures:
                while not self._waiting.empty():
                    if (work := self._waiting.get()) is not None:
                        work[0].cancel()
            for _thread in self._threads:
                self._waiting.put(None)
            threads, stuck = list(self._threads), len(self._stuck)
        end = time.monotonic() + LAST_SECONDS
        while wait and sum(thread.is_alive() for thread in threads) > stuck and time.monotonic() < end:
            time.sleep(0.01)

    def _grow(self) -> None:
        if self._unclaimed > self._idle and len(self._threads) - len(self._stuck) < self._most:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.add(thread)
            self._idle += 1
            thread.start()

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            future, call = work
            del work
            with self._lock:
                self._unclaimed -= 1
                self._idle -= 1
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001  handed over to the one who waits
                    future.set_exception(error)
            with self._lock:
                replaced = future in self._stuck
                self._stuck.discard(future)
                self._idle += not replaced
                if replaced:
                    break
            del future, call
        with self._lock:
            self._threads.discard(threading.current_thread())
