"""A call is tried as often as it makes sense, and its clock shows the service alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError

import httpx
import pytest
import requests
import urllib3

from net import attempts
from net.attempts import ATTEMPTS, Caller, CallRecord
from net.in_flight import InFlight
from net.limits import Limiter
from net.limits.booked import LATE_SECONDS
from vocabulary import InfrastructureError, JudgeError, ModelError, ProviderError


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Caller]]:
    made: list[tuple[Limiter, ThreadPoolExecutor]] = []

    def make(
        most: int = 4, failure: type[InfrastructureError] = ProviderError, per_minute: float | None = None
    ) -> Caller:
        limiter = Limiter(tmp_path / str(len(made)), "service", most=most, per_minute=per_minute)
        made.append((limiter, ThreadPoolExecutor(most)))
        return Caller(*made[-1], failure)

    yield make
    for limiter, pool in made:
        pool.shutdown()
        limiter.close()


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_BACKOFF_SECONDS", (0.0, 0.0))


class Service:
    """Fails with each of `errors` in turn, then answers with the arguments."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.begun: list[float] = []

    async def call(self, *arguments: object) -> tuple[object, ...]:
        self.begun.append(time.monotonic())
        if self.errors:
            raise self.errors.pop(0)
        return arguments

    def plain(self, *arguments: object) -> tuple[object, ...]:
        self.begun.append(time.monotonic())
        if self.errors:
            raise self.errors.pop(0)
        return arguments


def busy(retry_after: float | None = None) -> ProviderError:
    return ProviderError("answered 429", transient=True, retry_after=retry_after)


# --- how often -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("failures", [0, 1, ATTEMPTS - 1])
@pytest.mark.parametrize("method", ["call", "plain"])
def test_what_may_succeed_later_is_tried_again(make: Callable[..., Caller], failures: int, method: str) -> None:
    service = Service(*(busy() for _failure in range(failures)))
    done: CallRecord[object] = asyncio.run(make().call(getattr(service, method), 1, "two"))
    assert (done.value, done.error, done.attempts) == ((1, "two"), None, failures + 1)
    assert len(service.begun) == failures + 1


@pytest.mark.usefixtures("no_backoff")
def test_after_five_attempts_the_last_error_is_the_answer(make: Callable[..., Caller]) -> None:
    errors = [ProviderError(f"answered {status}", transient=True) for status in range(500, 510)]
    service = Service(*errors)
    done = asyncio.run(make().call(service.call))
    assert ATTEMPTS == 5
    assert (done.value, done.error, done.attempts) == (None, errors[4], 5)


def test_attempts_are_spread_over_a_growing_time() -> None:
    spans = [max(attempts._backoff(number) for _draw in range(300)) for number in (1, 2, 3, 4)]
    assert spans == sorted(spans)
    assert spans[0] <= 0.5
    assert 2.0 < spans[-1] <= 4.0
    assert min(attempts._backoff(4) for _draw in range(300)) < 1.0, "full jitter"
    assert 10.0 < max(attempts._backoff(2_000) for _draw in range(300)) <= 30.0


def test_the_service_is_left_alone_for_as_long_as_it_asked(make: Callable[..., Caller]) -> None:
    service, other = Service(busy(0.4)), Service()
    caller = make()

    async def both() -> tuple[CallRecord[object], CallRecord[object]]:
        first = asyncio.create_task(caller.call(service.call))
        await asyncio.sleep(0.05)
        second = await caller.call(other.call)
        return await first, second

    first, second = asyncio.run(both())
    assert (first.attempts, second.attempts) == (2, 1)
    assert service.begun[1] - service.begun[0] >= 0.39
    assert other.begun[0] - service.begun[0] >= 0.39, "the others leave it alone too"
    assert first.waited_ms >= 390
    assert second.waited_ms >= 300
    assert max(first.service_ms, second.service_ms) < 200


def test_who_is_asked_to_wait_for_too_long_gives_up_at_once_and_holds_nobody_up(make: Callable[..., Caller]) -> None:
    service = Service(busy(121.0))
    caller = make()

    async def one_after_another() -> list[CallRecord[object]]:
        async with asyncio.timeout(10):
            return [await caller.call(service.call), await caller.call(service.call)]

    first, second = asyncio.run(one_after_another())
    assert first.attempts == 1
    assert isinstance(first.error, ProviderError)
    assert first.error.retry_after == 121.0
    assert second.error is None


def test_what_will_not_succeed_later_is_not_tried_again(make: Callable[..., Caller]) -> None:
    error = ProviderError("answered 401: wrong key")
    done = asyncio.run(make().call(Service(error).call))
    assert (done.error, done.attempts) == (error, 1)


# --- what is told --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [ProviderError, ModelError, JudgeError])
@pytest.mark.parametrize("method", ["call", "plain"])
def test_any_other_exception_becomes_the_phase_s_error(
    make: Callable[..., Caller], failure: type[InfrastructureError], method: str
) -> None:
    cause = KeyError("no such\nfield")
    done = asyncio.run(make(failure=failure).call(getattr(Service(cause), method)))
    assert type(done.error) is failure
    assert str(done.error) == r"KeyError: 'no such\nfield'"
    assert done.error.__cause__ is cause
    assert done.attempts == 1


def refused(status: int, **headers: str) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "http://memory.test/search?key=not-to-be-shown")
    response = httpx.Response(status, headers=headers, request=request, text="busy, not-to-be-shown")
    return httpx.HTTPStatusError("refused", request=request, response=response)


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("method", ["call", "plain"])
@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("closed"), refused(503),
        requests.ConnectionError("refused"), requests.ReadTimeout("slow"), urllib3.exceptions.ProtocolError("closed"),
        URLError(ConnectionRefusedError(111, "refused")), ConnectionResetError(104, "reset"), TimeoutError(),
    ],
    ids=lambda error: f"{type(error).__module__}.{type(error).__name__}",
)  # fmt: skip
def test_a_request_of_its_own_that_fails_is_tried_again(
    make: Callable[..., Caller], error: Exception, method: str
) -> None:
    service = Service(error)
    done = asyncio.run(make().call(getattr(service, method)))
    assert (done.error, done.attempts) == (None, 2)


@pytest.mark.parametrize(
    "error",
    [
        refused(401),
        httpx.UnsupportedProtocol("ftp"),
        requests.TooManyRedirects("30"),
        FileNotFoundError(2),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_request_that_cannot_succeed_is_final(make: Callable[..., Caller], error: Exception) -> None:
    done = asyncio.run(make().call(Service(error).call))
    assert (type(done.error), done.attempts) == (ProviderError, 1)
    assert "not-to-be-shown" not in str(done.error)


def test_text_in_several_lines_becomes_one(make: Callable[..., Caller]) -> None:
    done = asyncio.run(make().call(Service(ValueError("first\n  second\tthird")).call))
    assert str(done.error) == "ValueError: first second third"


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        (StopAsyncIteration, "call"),
        (StopAsyncIteration, "plain"),
        (StopIteration, "call"),
        (StopIteration, "plain"),
    ],
)
def test_exceptions_that_mean_something_to_the_event_loop_are_told_like_others(
    make: Callable[..., Caller], kind: type[Exception], method: str
) -> None:
    async def bounded() -> CallRecord[object]:
        async with asyncio.timeout(2):
            return await make().call(getattr(Service(kind("next")), method))

    done = asyncio.run(bounded())
    assert isinstance(done.error, ProviderError)
    assert kind.__name__ in str(done.error)


def test_cancelling_a_call_is_no_failure_of_the_service(make: Callable[..., Caller]) -> None:
    caller = make(most=1)

    async def cancelled() -> tuple[object, ...]:
        call = asyncio.create_task(caller.call(asyncio.sleep, 60))
        waiting = asyncio.create_task(caller.call(asyncio.sleep, 60))
        await asyncio.sleep(0.02)
        for task in (waiting, call):
            task.cancel()
        ended = await asyncio.gather(call, waiting, return_exceptions=True)
        assert [type(one) for one in ended] == [asyncio.CancelledError] * 2
        async with asyncio.timeout(5):
            return (await caller.call(Service().call, "free again")).value or ()

    assert asyncio.run(cancelled()) == ("free again",)


# --- the clock -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_backoff")
def test_the_clock_shows_the_last_attempt_alone(make: Callable[..., Caller]) -> None:
    naps = [0.3, 0.3, 0.05]

    async def call() -> str:
        nap = naps.pop(0)
        await asyncio.sleep(nap)
        if naps:
            raise busy()
        return "done"

    done = asyncio.run(make().call(call))
    assert done.attempts == 3
    assert 45 <= done.service_ms < 300
    assert done.waited_ms >= 590


def test_a_rate_holds_where_calls_wait_for_others_to_end_after_their_turn(tmp_path: Path) -> None:
    limiter, others = Limiter(tmp_path, "service", most=8, per_minute=1200), InFlight(8)
    begun: list[float] = []
    freed: list[float] = []

    async def call() -> None:
        begun.append(time.monotonic())

    async def work() -> None:
        with ThreadPoolExecutor(1) as pool:
            caller = Caller(limiter, pool, ProviderError, others)
            for _call in range(8):  # of another service
                await others.take(0)
            calls = [asyncio.create_task(caller.call(call)) for _call in range(8)]
            await asyncio.sleep(LATE_SECONDS + 0.6)
            freed.append(time.monotonic())
            for _call in range(8):
                others.give_back()
            await asyncio.gather(*calls)

    asyncio.run(work())
    limiter.close()
    assert begun[-1] - freed[0] >= 4 * 0.05, "the turns of the first calls were too old"


def test_the_clock_does_not_show_the_queue_before_the_service(make: Callable[..., Caller]) -> None:
    caller = make(most=1)
    all_wait = asyncio.Event()

    async def call() -> None:
        await all_wait.wait()
        await asyncio.sleep(0.1)

    async def at_once() -> list[CallRecord[object]]:
        calls = [asyncio.create_task(caller.call(call)) for _call in range(4)]
        await asyncio.sleep(0.01)
        all_wait.set()
        return list(await asyncio.gather(*calls))

    done = asyncio.run(at_once())
    assert all(95 <= one.service_ms < 380 for one in done)
    assert max(one.waited_ms for one in done) >= 290


def test_a_plain_method_runs_in_a_thread_and_its_clock_does_not_show_the_wait_for_one(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "service", most=4)
    names: list[str] = []
    all_wait = threading.Event()

    def call() -> None:
        names.append(threading.current_thread().name)
        assert all_wait.wait(60)
        time.sleep(0.1)

    async def at_once(caller: Caller) -> tuple[list[CallRecord[object]], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        calls = [asyncio.create_task(caller.call(call)) for _call in range(4)]
        await asyncio.sleep(0.01)
        all_wait.set()
        done = list(await asyncio.gather(*calls))
        ticking.cancel()
        return done, ticks

    with ThreadPoolExecutor(1, thread_name_prefix="one") as pool:
        done, ticks = asyncio.run(at_once(Caller(limiter, pool, ProviderError)))
    limiter.close()
    assert names == ["one_0"] * 4
    assert ticks > 5, "the event loop went on meanwhile"
    assert all(95 <= one.service_ms < 380 for one in done)
    assert max(one.waited_ms for one in done) >= 290


def test_a_plain_method_may_give_something_to_wait_for(make: Callable[..., Caller]) -> None:
    service = Service()
    done = asyncio.run(make().call(lambda *arguments: service.call(*arguments), "x"))
    assert done.value == ("x",)


def test_a_rate_is_waited_for_and_not_timed(make: Callable[..., Caller]) -> None:
    caller = make(per_minute=300)
    service = Service()

    async def at_once() -> list[CallRecord[object]]:
        return list(await asyncio.gather(*(caller.call(service.call) for _call in range(3))))

    before = time.monotonic()
    done = asyncio.run(at_once())
    assert service.begun[2] - before >= 0.39
    assert max(one.service_ms for one in done) < 380
