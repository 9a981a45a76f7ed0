"""The event loop goes on whatever code under test does to it, and says so where it cannot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from bench.pipeline import BackgroundLoop
from vocabulary import StalledError


@pytest.fixture
def background() -> Iterator[BackgroundLoop]:
    with closing(BackgroundLoop()) as loop:
        yield loop


async def _ends_in(error: BaseException) -> None:
    raise error


def _begin_a_task_that_exits() -> None:
    asyncio.get_running_loop().create_task(_ends_in(SystemExit(3)))


def _raise_in_a_callback() -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    asyncio.get_running_loop().call_soon(fail)


@pytest.mark.parametrize(
    "harm",
    [
        lambda: asyncio.get_running_loop().stop(),
        _begin_a_task_that_exits,
        _raise_in_a_callback,
        lambda: [task.cancel() for task in asyncio.all_tasks() if task is not asyncio.current_task()],
    ],
    ids=["stop", "exit", "interrupt", "cancel"],
)
def test_the_loop_goes_on(background: BackgroundLoop, harm: Callable[[], object]) -> None:
    async def harmful() -> str:
        harm()
        await asyncio.sleep(0.01)
        return "and on"

    async def harmless() -> str:
        await asyncio.sleep(0.05)
        return "later"

    assert background.submit(harmful()).result(20) == "and on"
    assert background.submit(harmless()).result(20) == "later"
    assert background.failure is None


def test_a_loop_that_stands_still_fails_those_who_wait() -> None:
    released = threading.Event()
    failures: list[StalledError] = []
    background = BackgroundLoop(patience=1, on_failure=failures.append)

    async def blocking() -> None:
        released.wait(60)

    try:
        waiting = background.submit(asyncio.sleep(60))
        with pytest.raises(StalledError, match=r"stands still for \d+ s, at .*threading.py:\d+ in wait"):
            background.submit(blocking()).result(30)
        with pytest.raises(StalledError):
            waiting.result(30)
        with pytest.raises(StalledError):
            background.run(asyncio.sleep(0))
        background.close()
        assert failures == [background.failure]
    finally:
        released.set()
        background._thread.join(30)
        background.loop.close()


def test_closing_does_not_wait_for_what_cannot_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.pipeline.background._CANCEL_SECONDS", 0.1)
    background = BackgroundLoop()
    released = threading.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                continue

    background.submit(stubborn())
    background.run(asyncio.sleep(0))
    try:
        background.run(background.cancel_all())
    finally:
        released.set()
    background.run(asyncio.sleep(0.3))
    background.close()
