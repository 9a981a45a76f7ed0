import asyncio
import re
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest

from providers.engines.exclusive_stores import ExclusiveStores
from tests.processes import PIPE, Process
from vocabulary import ProviderError


class Shelf:
    """Stores that count: each is a list in a file, and says when it is used after it was closed."""

    def __init__(self) -> None:
        self.opened: list[Path] = []
        self.closed: list[Path] = []
        self.threads: set[int] = set()
        self.broken_at_opening = False
        self.broken_at_closing = False

    def open(self, folder: Path) -> list[Path]:
        self.threads.add(threading.get_ident())
        if self.broken_at_opening:
            raise OSError("no such shelf")
        self.opened.append(folder)
        return [folder]

    def close(self, store: list[Path]) -> None:
        self.threads.add(threading.get_ident())
        if self.broken_at_closing:
            raise OSError("the shelf fell")
        self.closed.append(store.pop())

    def stores(self, folder: Path, linger: float = 0.0, wait: float = 20.0) -> ExclusiveStores[list[Path]]:
        return ExclusiveStores(folder, self.open, self.close, linger_seconds=linger, wait_seconds=wait)


HOLDER = """
import asyncio, sys
from pathlib import Path
from providers.engines.exclusive_stores import ExclusiveStores

async def main(folder, container, mode):
    stores = ExclusiveStores(Path(folder), lambda at: at, lambda at: None, linger_seconds=0.0, wait_seconds=30)
    if mode == "add":
        for _ in range(20):
            async with stores.use(container) as store:
                counter = store / "counter"
                number = int(counter.read_text()) if counter.exists() else 0
                await asyncio.sleep(0.002)
                counter.write_text(str(number + 1))
    else:
        async with stores.use(container):
            print("held", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
    await stores.close()

asyncio.run(main(*sys.argv[1:]))
"""


def process(folder: Path, container: str, mode: str) -> Process:
    command = [sys.executable, "-c", HOLDER, str(folder), container, mode]
    return Process(command, stdin=PIPE, stdout=PIPE)


def ended(worker: Process) -> int:
    worker.communicate("\n", timeout=60)
    return worker.returncode


def test_a_store_is_opened_once_for_all_who_use_it_and_closed_after_them(tmp_path: Path) -> None:
    shelf = Shelf()

    async def main() -> None:
        stores = shelf.stores(tmp_path)
        inside = 0

        async def user() -> None:
            nonlocal inside
            async with stores.use("a") as store:
                inside += 1
                while inside < 5:  # noqa: ASYNC110  until all five are in it
                    await asyncio.sleep(0)
                assert store == [stores.path("a")]

        await asyncio.gather(*(user() for _ in range(5)))
        assert len(shelf.opened) == 1
        while not shelf.closed:  # noqa: ASYNC110  nobody tells when a store that nobody uses is closed
            await asyncio.sleep(0.01)
        async with stores.use("a"):
            assert len(shelf.opened) == 2
        await stores.close()
        assert shelf.closed == shelf.opened

    asyncio.run(main())
    assert threading.get_ident() not in shelf.threads


def test_a_store_that_is_used_again_soon_stays_open(tmp_path: Path) -> None:
    shelf = Shelf()

    async def main() -> None:
        stores = shelf.stores(tmp_path, linger=3600.0)
        for _ in range(3):
            async with stores.use("a"):
                assert not shelf.closed
        await stores.close()

    asyncio.run(main())
    assert len(shelf.opened) == len(shelf.closed) == 1


def test_names_that_look_alike_have_stores_of_their_own(tmp_path: Path) -> None:
    stores = Shelf().stores(tmp_path)
    names = ["a/b", "a_b", "a b", "A_b", "..", ".", "", "a" * 300, "a" * 301, "жук", "жuk", ".locks"]
    paths = {stores.path(name) for name in names}
    assert len({path.name.lower() for path in paths}) == len(names)
    assert all(path.parent == tmp_path and re.fullmatch(r"[\w-]{1,80}", path.name, re.ASCII) for path in paths)
    for path in paths:
        path.mkdir()


def test_what_is_removed_is_gone_and_comes_anew(tmp_path: Path) -> None:
    shelf = Shelf()

    async def main() -> None:
        stores = shelf.stores(tmp_path, linger=3600.0)
        await stores.remove("never was")
        assert not stores.exists("a")
        async with stores.use("a") as store:
            (store[0] / "file").write_text("x")
        assert stores.exists("a")
        await stores.remove("a")
        assert not stores.exists("a")
        assert len(shelf.closed) == 1
        async with stores.use("a") as store:
            assert not list(store[0].iterdir())
        await stores.close()

    asyncio.run(main())


def test_removing_waits_for_who_is_inside_and_lets_nobody_in_meanwhile(tmp_path: Path) -> None:
    shelf = Shelf()
    order: list[str] = []

    async def main() -> None:
        stores = shelf.stores(tmp_path)

        async def next_one() -> None:
            async with stores.use("a") as store:
                order.append("in again" if not list(store[0].iterdir()) else "in what was to be removed")

        async with stores.use("a") as store:
            (store[0] / "file").write_text("x")
            removing = asyncio.create_task(stores.remove("a"))
            await asyncio.sleep(0.05)
            assert not removing.done()
            order.append("out")
        entering = [asyncio.create_task(next_one()) for _ in range(3)]
        await asyncio.gather(removing, *entering)
        await stores.close()

    asyncio.run(main())
    assert order[0] == "out"
    assert set(order[1:]) <= {"in again"}
    assert len(order) == 4


def test_a_call_is_finished_before_its_store_is_closed_though_nobody_waits_for_it(tmp_path: Path) -> None:
    shelf, entered, leave = Shelf(), threading.Event(), threading.Event()
    seen: list[list[Path]] = []

    def slow(store: list[Path]) -> None:
        entered.set()
        assert leave.wait(30)
        seen.append(list(store))

    async def main() -> None:
        stores = shelf.stores(tmp_path)
        calling = asyncio.create_task(stores.call("a", slow))
        await asyncio.to_thread(entered.wait)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        removing = asyncio.create_task(stores.remove("a"))
        await asyncio.sleep(0.05)
        assert not shelf.closed
        leave.set()
        await removing
        await stores.close()

    asyncio.run(main())
    assert seen == [shelf.opened]
    assert len(shelf.closed) == 1


def test_a_store_that_cannot_be_opened_is_tried_anew(tmp_path: Path) -> None:
    shelf = Shelf()

    async def main() -> None:
        stores = shelf.stores(tmp_path)
        shelf.broken_at_opening = True
        failures = await asyncio.gather(*(stores.call("a", len) for _ in range(3)), return_exceptions=True)
        assert [str(failure) for failure in failures] == ["no such shelf"] * 3
        shelf.broken_at_opening = False
        assert await stores.call("a", len) == 1
        await stores.close()

    asyncio.run(main())


def test_a_store_that_could_not_be_closed_is_an_error_for_who_comes_next(tmp_path: Path) -> None:
    shelf = Shelf()

    async def main() -> None:
        stores = shelf.stores(tmp_path)
        shelf.broken_at_closing = True
        assert await stores.call("a", len) == 1
        with pytest.raises(ProviderError, match=r"could not be closed.*OSError: the shelf fell"):
            await stores.close()

    asyncio.run(main())


def test_of_several_processes_one_at_a_time_has_a_store(tmp_path: Path) -> None:
    workers = [process(tmp_path, "a", "add") for _ in range(4)]
    assert [ended(worker) for worker in workers] == [0] * 4
    assert (Shelf().stores(tmp_path).path("a") / "counter").read_text() == "80"


def test_who_waits_too_long_learns_for_whom_and_the_loop_is_free_meanwhile(tmp_path: Path) -> None:
    holder = process(tmp_path, "a", "hold")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    async def main() -> int:
        stores = Shelf().stores(tmp_path, wait=0.5)
        waiting = asyncio.create_task(stores.call("a", len))
        assert await stores.call("b", len) == 1  # another container is free
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.01)
            turns += 1
        with pytest.raises(
            ProviderError, match=rf"container a: process {holder.pid} on .* for more than 0.5 s"
        ) as info:
            waiting.result()
        assert info.value.transient
        with pytest.raises(ProviderError, match=f"process {holder.pid}"):
            await stores.remove("a")
        assert stores.exists("a")
        await stores.close()
        return turns

    try:
        assert asyncio.run(main()) > 5
    finally:
        assert ended(holder) == 0


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    holder = process(tmp_path, "a", "hold")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    async def main() -> int:
        stores = Shelf().stores(tmp_path)
        waiting = asyncio.create_task(stores.call("a", len))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        holder.send_signal(signal.SIGKILL)
        found = await waiting
        await stores.close()
        return found

    try:
        assert asyncio.run(main()) == 1
    finally:
        holder.kill()
        holder.communicate()


def test_who_gives_up_waiting_for_another_process_does_not_call_later(tmp_path: Path) -> None:
    holder, called = process(tmp_path, "a", "hold"), threading.Event()
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"

    async def main() -> None:
        stores = Shelf().stores(tmp_path)
        waiting = asyncio.create_task(stores.call("a", lambda _store: called.set()))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(ended, holder)
        assert await stores.call("a", len) == 1
        await stores.close()

    try:
        asyncio.run(main())
    finally:
        holder.kill()
        holder.communicate()
    assert not called.is_set()


def test_a_folder_that_somebody_deleted_is_made_anew(tmp_path: Path) -> None:
    async def main() -> None:
        stores = Shelf().stores(tmp_path)
        assert await stores.call("a", len) == 1
        await stores.close()
        shutil.rmtree(stores.path("a"))
        again = Shelf().stores(tmp_path)
        assert not again.exists("a")
        assert await again.call("a", lambda store: store[0].is_dir())
        await again.close()

    asyncio.run(main())
