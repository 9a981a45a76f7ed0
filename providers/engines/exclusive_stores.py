"""Stores that one process at a time may have open: a folder for each container, locked while it is used.

stores = ExclusiveStores(workspace / "stores", open_store, close_store)
async with stores.use(container) as store:
    await store.add(…)
found = await stores.call(container, lambda store: store.search(…))   # for an engine without async
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from vocabulary import ProviderError

if TYPE_CHECKING:
    from filelock import FileLock

T = TypeVar("T")
R = TypeVar("R")

_POLL_SECONDS = (0.02, 0.5)
_THREADS = 32
_READABLE_CHARACTERS = 60


@dataclass(eq=False)
class _Held(Generic[T]):
    """One container in this process, from the wish to use it to its closing."""

    users: int = 0
    opening: asyncio.Task[T] | None = None
    closing: asyncio.Task[None] | None = None
    lock: FileLock | None = None
    timer: asyncio.TimerHandle | None = None
    unused: asyncio.Event = field(default_factory=asyncio.Event)


class ExclusiveStores(Generic[T]):
    """The stores of one process, for one event loop; any number of coroutines may use them at once.

    A container's store is opened by `open_store` (which gets a folder that exists) for the first who uses it, and
    closed by `close_store` when nobody has used it for `linger_seconds`. As long as it is open, a lock keeps all other
    processes out; the lock of a process that dies is free. Who has to wait for a store for more than `wait_seconds`
    gets a transient `ProviderError` that names the holder. Both functions run in a thread, as does deleting.
    """

    def __init__(
        self,
        folder: Path,
        open_store: Callable[[Path], T],
        close_store: Callable[[T], None],
        *,
        linger_seconds: float = 1.0,
        wait_seconds: float = 120.0,
    ) -> None:
        self._folder = folder
        self._open_store = open_store
        self._close_store = close_store
        self._linger_seconds = linger_seconds
        self._wait_seconds = wait_seconds
        self._held: dict[str, _Held[T]] = {}
        self._unclosed: dict[str, Exception] = {}
        self._calls: set[asyncio.Task[object]] = set()
        # The loop's own threads are few, and a call to an engine may wait long for a model.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="exclusive-store")

    def path(self, container: str) -> Path:
        """The folder of that container's store, whether there is one or not."""
        return self._folder / _safe(container)

    def exists(self, container: str) -> bool:
        """Whether the container has a store, open or not."""
        return self.path(container).is_dir()

    @asynccontextmanager
    async def use(self, container: str) -> AsyncIterator[T]:
        """The container's store, which is made if there is none and stays open until the block is left."""
        held = await self._join(container)
        held.users += 1
        held.unused.clear()
        if held.timer is not None:
            held.timer.cancel()
        try:
            assert held.opening is not None
            if not held.opening.done():
                # waited for and not awaited: a caller that is cancelled must not cancel it for the others
                await asyncio.wait({held.opening})
            yield held.opening.result()
        finally:
            held.users -= 1
            if not held.users:
                held.unused.set()
                self._rest(container, held)

    async def call(self, container: str, function: Callable[[T], R]) -> R:
        """What `function` gives for the container's store, in a thread.

        If the caller is cancelled, the function is not begun any more; if it is under way, the store stays open until
        it is done.
        """
        begun = False

        async def in_use() -> R:
            nonlocal begun
            async with self.use(container) as store:
                begun = True
                return await self._in_thread(lambda: function(store))

        task = asyncio.create_task(in_use(), name=f"call of {container}")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        task.add_done_callback(_seen)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            if not begun:
                task.cancel()
            raise
        return task.result()

    async def remove(self, container: str) -> None:
        """Delete the container's store as soon as nobody uses it; nothing happens if there is none."""
        held = await self._emptied(container)
        held.closing = asyncio.create_task(self._delete(container, held), name=f"delete {container}")
        held.closing.add_done_callback(_seen)
        await asyncio.wait({held.closing})
        held.closing.result()

    async def close(self) -> None:
        """Close all stores as soon as nobody uses them, and give back their locks."""
        for container in list(self._held):
            await self._closed(container)
        self._threads.shutdown(wait=False)
        for container in list(self._unclosed):
            self._complain(container)

    async def _join(self, container: str) -> _Held[T]:
        """The container as it is held here; begins to open it if it is not."""
        while True:
            held = self._held.get(container)
            if held is not None and held.closing is not None:
                await asyncio.wait({held.closing})
                continue
            self._complain(container)
            if held is None:
                held = self._held[container] = _Held()
                held.opening = asyncio.create_task(self._open(container, held), name=f"open {container}")
                held.opening.add_done_callback(_seen)
            return held

    async def _open(self, container: str, held: _Held[T]) -> T:
        try:
            await self._lock(container, held)
            try:
                store = await self._in_thread(lambda: self._open_folder(container))
            except BaseException:
                self._unlock(held)
                raise
        except BaseException:
            del self._held[container]
            raise
        if not held.users:
            self._rest(container, held)
        return store

    def _open_folder(self, container: str) -> T:
        folder = self.path(container)
        folder.mkdir(parents=True, exist_ok=True)
        return self._open_store(folder)

    def _rest(self, container: str, held: _Held[T]) -> None:
        """Close it after a while, unless it is used again."""
        opening = held.opening
        if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
            return

        def expire() -> None:
            if not held.users and held.closing is None:
                self._begin_close(container, held)

        held.timer = asyncio.get_running_loop().call_later(self._linger_seconds, expire)

    def _begin_close(self, container: str, held: _Held[T]) -> None:
        held.closing = asyncio.create_task(self._shut(container, held), name=f"close {container}")

    async def _shut(self, container: str, held: _Held[T]) -> None:
        assert held.opening is not None
        store = held.opening.result()
        try:
            await self._in_thread(lambda: self._close_store(store))
        except Exception as error:  # noqa: BLE001  there may be nobody here to raise it to: raised to the next who comes
            self._unclosed[container] = error
        finally:
            self._unlock(held)
            del self._held[container]

    async def _emptied(self, container: str) -> _Held[T]:
        """A place that keeps all others in this process out, taken when nobody has the container open any more."""
        await self._closed(container)
        self._unclosed.pop(container, None)  # no matter any more
        held = self._held[container] = _Held()
        return held

    async def _closed(self, container: str) -> None:
        """Return when the container is closed in this process; who uses it now may finish."""
        while (held := self._held.get(container)) is not None:
            opened = held.opening is not None and held.opening.done()
            if held.closing is None and opened and not held.users:
                if held.timer is not None:
                    held.timer.cancel()
                self._begin_close(container, held)
            if held.closing is not None:
                await asyncio.wait({held.closing})
            elif held.users:
                try:
                    async with asyncio.timeout(self._wait_seconds):
                        await held.unused.wait()
                except TimeoutError:
                    raise ProviderError(
                        f"container {container} has been in use by this process for more than {self._wait_seconds:g} "
                        "s: its store cannot be closed before the engine's call comes to an end.",
                        transient=True,
                    ) from None
            elif held.opening is not None:
                await asyncio.wait({held.opening})

    async def _delete(self, container: str, held: _Held[T]) -> None:
        held.users = 1  # as good as: it waits for the lock
        try:
            if not self.exists(container):
                return
            await self._lock(container, held)
            try:
                await self._in_thread(lambda: shutil.rmtree(self.path(container)))
            finally:
                self._unlock(held)
        finally:
            del self._held[container]

    async def _lock(self, container: str, held: _Held[T]) -> None:
        """Take the lock between processes, looking for it again and again so that the loop stays free."""
        from filelock import FileLock, Timeout

        folder = self._folder / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        # taken in one thread and given back in another
        lock = FileLock(folder / f"{_safe(container)}.lock", thread_local=False)
        begun, (pause, longest) = time.monotonic(), _POLL_SECONDS
        while True:
            try:
                lock.acquire(blocking=False)
                break
            except Timeout:
                if time.monotonic() - begun >= self._wait_seconds:
                    raise self._taken(container) from None
            await asyncio.sleep(min(pause, self._wait_seconds))
            pause = min(longest, pause * 1.5)
            if not held.users:
                raise ProviderError(f"container {container} is not wanted any more", transient=True)
        held.lock = lock
        self._holder(container).write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")

    def _unlock(self, held: _Held[T]) -> None:
        if held.lock is not None:
            lock, held.lock = held.lock, None
            lock.release()

    def _holder(self, container: str) -> Path:
        return self._folder / ".locks" / f"{_safe(container)}.holder"

    def _taken(self, container: str) -> ProviderError:
        try:
            holder = self._holder(container).read_text(encoding="utf-8")
        except FileNotFoundError:  # it has the lock and has not signed yet
            holder = "another process"
        return ProviderError(
            f"container {container}: {holder} has had its store {self.path(container)} open for more than "
            f"{self._wait_seconds:g} s, and only one process at a time may. End that process if it is no worker of "
            "this run; else let one worker have all questions of a container.",
            transient=True,
        )

    def _complain(self, container: str) -> None:
        """Raise what went wrong when the container was closed, once."""
        error = self._unclosed.pop(container, None)
        if error is not None:
            raise ProviderError(
                f"container {container}: its store {self.path(container)} could not be closed, and may lack what was "
                f"stored last: {type(error).__name__}: {error}"
            ) from error

    async def _in_thread(self, function: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


def _safe(container: str) -> str:
    """A file name of its own for each name: what can be read of it, and a hash that tells it from all others."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", container)[:_READABLE_CHARACTERS]
    return f"{readable}-{blake2b(container.encode(), digest_size=8).hexdigest()}"


def _seen(task: asyncio.Task[R]) -> None:
    """Its error is raised to those who wait for it; where nobody does any more, nobody needs it."""
    if not task.cancelled():
        task.exception()
