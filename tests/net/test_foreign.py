"""Nothing that code under test raises, and no wait of its own, reaches the one who calls it."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from net import Border, Caller, CallLimits, CallRecord, Services
from net.foreign import LONGEST_TEXT, typed
from net.threads import DaemonThreads
from tests.processes import run as run_process
from tests.repository import ROOT
from vocabulary import ModelError, ProviderError


class Unshowable(Exception):  # noqa: N818  not an error of ours
    """An exception without a text."""

    def __str__(self) -> str:
        raise SystemExit(4)


class UnmadeError(ProviderError):
    """An error of ours that was never made properly."""

    def __init__(self) -> None:
        """Nothing is set."""


RAISED: list[BaseException] = [
    *(SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), Unshowable(), UnmadeError()),
    *(
        StopIteration(1),
        StopAsyncIteration(),
        TimeoutError(),
        RecursionError("deep"),
        BaseExceptionGroup("two", [SystemExit()]),
    ),
    *(ProviderError("busy", transient="no"), ProviderError("busy", transient=True, retry_after=float("nan"))),  # type: ignore[arg-type]
    *(ProviderError("\ud83d"), ProviderError("x" * 100_000)),
]


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    with closing(Services(in_flight=4, workers=1, folder=tmp_path)) as services:
        yield services.caller("service", CallLimits(), ProviderError)


def run(work: Any) -> Any:  # any: a coroutine and what it gives
    return asyncio.run(asyncio.wait_for(work, 30))


@pytest.mark.parametrize("error", RAISED, ids=lambda error: f"{RAISED.index(error)}-{type(error).__name__}")
@pytest.mark.parametrize("kind", ["plain", "async", "later"])
def test_whatever_is_raised_is_an_error_of_the_call(caller: Caller, error: BaseException, kind: str) -> None:
    def plain() -> None:
        raise error

    async def at_once() -> None:
        raise error

    async def later() -> None:
        await asyncio.sleep(0)
        raise error

    async def good() -> str:
        await asyncio.sleep(0.01)
        return "good"

    async def both() -> tuple[CallRecord[Any], CallRecord[Any]]:
        method: Callable[[], Any] = {"plain": plain, "async": at_once, "later": later}[kind]
        first, second = await asyncio.gather(caller.call(method), caller.call(good))
        return first, second

    failed, other = run(both())
    assert isinstance(failed.error, ProviderError)
    assert failed.value is None
    assert len(str(failed.error)) <= LONGEST_TEXT + 100
    str(failed.error).encode()
    assert (other.value, other.error) == ("good", None)


@given(st.text(st.characters(blacklist_categories=())))
def test_any_text_of_an_error_can_be_written(text: str) -> None:
    for error in (ValueError(text), ProviderError(text)):
        message = typed(error, ModelError)
        assert "\0" not in str(message)
        str(message).encode()


async def never() -> None:
    await asyncio.Event().wait()


async def never_cancelled() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if threading.current_thread() is threading.main_thread() and _released.is_set():
                raise


_released = threading.Event()


def never_in_a_thread() -> None:
    _released.wait(60)


def never_returning_plainly() -> Any:
    return never()


@pytest.mark.parametrize("method", [never, never_cancelled, never_in_a_thread, never_returning_plainly])
def test_a_call_that_does_not_return_is_given_up(caller: Caller, method: Callable[[], Any]) -> None:
    _released.clear()

    async def others_go_on() -> list[CallRecord[Any]]:
        try:
            return [
                *await asyncio.gather(*(caller.call(method, border=Border(seconds=0.1)) for _ in range(5))),
                await caller.call(lambda: "others go on"),
            ]
        finally:
            _released.set()

    *given_up, other = run(others_go_on())
    for done in given_up:
        assert isinstance(done.error, ProviderError)
        assert "did not return within 0.1 s" in str(done.error)
        assert done.attempts == 1
        assert done.service_ms >= 50
    assert other.value == "others go on", "four threads are stuck, and there is one for it all the same"


def test_what_is_returned_is_checked_as_part_of_the_call(caller: Caller) -> None:
    def check(value: object) -> str:
        if value != 1:
            raise ProviderError(f"returned {value!r}, not 1")
        return "one"

    async def returns(value: object) -> object:
        return value

    async def calls() -> list[CallRecord[Any]]:
        border = Border(check=check)
        methods = (returns, lambda value: value, lambda value: returns(value))
        return [await caller.call(method, value, border=border) for method in methods for value in (1, 2)]

    for good, bad in zip(*[iter(run(calls()))] * 2, strict=True):
        assert (good.value, good.error) == ("one", None)
        assert (bad.value, str(bad.error)) == (None, "returned 2, not 1")


def test_a_stuck_thread_does_not_keep_python_from_exiting() -> None:
    script = """
        import threading
        from net.threads import DaemonThreads
        threads = DaemonThreads(1)
        begun = threading.Event()
        stuck = threads.submit(lambda: (begun.set(), threading.Event().wait()))
        begun.wait()
        threads.abandon(stuck)
        print(threads.submit(lambda: "others go on").result(10))
        threads.shutdown()
    """
    ended = run_process(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        seconds=60,
        check=True,
    )
    assert ended.stdout == "others go on\n"


def test_threads_are_kept_and_bounded() -> None:
    threads, naps = DaemonThreads(3), threading.Event()
    names = [threads.submit(lambda: (naps.wait(0.001), threading.get_ident())[1]) for _ in range(60)]
    assert len({future.result(30) for future in names}) <= 3
    threads.shutdown()
    with pytest.raises(RuntimeError, match="no calls any more"):
        threads.submit(print)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["returns", "raises", "stuck"]), max_size=12), st.integers(1, 3))
def test_threads_do_all_that_is_not_behind_a_stuck_call(kinds: list[str], most: int) -> None:
    released = threading.Event()
    threads = DaemonThreads(most)
    futures = []
    try:
        for kind in kinds:
            if kind == "stuck":
                begun = threading.Event()
                future = threads.submit(lambda begun=begun: (begun.set(), released.wait(30)))
                assert begun.wait(10)
                threads.abandon(future)
            else:
                futures.append(threads.submit(int, "1" if kind == "returns" else "x"))
        assert [future.exception(10) is None for future in futures] == [
            kind == "returns" for kind in kinds if kind != "stuck"
        ]
    finally:
        released.set()
        threads.shutdown()
