"""One process among several places: it books turns, and has in flight what it is given."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from net.limits import ALL, Booked, Demand, Division, Limiter, OverPlaces
from net.limits.booked import LATE_SECONDS
from net.limits.parts import Part
from vocabulary import CheckpointError


class Run:
    """What the places have in common, in memory."""

    def __init__(self, parts: Mapping[str, int] | None = None, *, seconds: float = 60.0) -> None:
        self.parts = dict(parts or {})
        self.seconds = seconds
        self.booked: list[int] = []
        self.demands: list[Mapping[str, Demand]] = []
        self.pauses: dict[str, float] = {}
        self.error: Exception | None = None
        self.unbookable: Exception | None = None
        self.closed = False
        self._next = 0.0
        self._lock = threading.Lock()

    def book(self, service: str, interval: float, turns: int) -> Booked:
        if self.unbookable:
            raise self.unbookable
        with self._lock:
            first = max(self._next, time.monotonic())
            self._next = first + interval * turns
            self.booked.append(turns)
            return Booked(first - time.monotonic(), self.pauses.get(service, 0.0))

    def pause(self, _service: str, seconds: float) -> None:
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def divide(self, demands: Mapping[str, Demand]) -> Division:
        if self.error:
            raise self.error
        self.demands.append(demands)
        parts = {name: self.parts.get(name, demand.total) for name, demand in demands.items()}
        return Division(parts, self.pauses, self.seconds, 0.02)

    def close(self) -> None:
        self.closed = True


def run(work: Callable[[], Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work(), 30))


@asynccontextmanager
async def many(limiter: Limiter, over: OverPlaces, count: int, seconds: float = 0.0) -> Any:
    """So many calls at once, each of which notes when it began."""
    begun: list[float] = []

    async def call() -> None:
        async with limiter.slot():
            await over.under_way.take(0)
            begun.append(time.monotonic())
            try:
                await asyncio.sleep(seconds)
            finally:
                over.under_way.give_back()

    calls = [asyncio.create_task(call()) for _call in range(count)]
    yield begun, calls
    for one in calls:
        one.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


def test_calls_that_wait_together_book_together_and_begin_at_their_turns(tmp_path: Path) -> None:
    shared = Run()

    async def work() -> float:
        with closing(OverPlaces(shared, 64)) as over:
            limiter = Limiter(tmp_path, "service", most=64, per_minute=6000, over_places=over)
            started = time.monotonic()
            async with many(limiter, over, 40) as (begun, calls):
                await asyncio.gather(*calls)
                return float(begun[-1] - started)

    seconds = run(work)
    assert sum(shared.booked) >= 40
    assert len(shared.booked) <= 10
    assert seconds >= 39 * 0.01 - 0.005
    assert shared.closed


def test_steady_calls_have_turns_that_were_booked_before_they_came(tmp_path: Path) -> None:
    shared = Run()

    async def work() -> None:
        with closing(OverPlaces(shared, 64)) as over:
            limiter = Limiter(tmp_path, "service", most=64, per_minute=600_000, over_places=over)
            for _call in range(200):
                async with many(limiter, over, 1) as (_begun, calls):
                    await asyncio.gather(*calls)
                await asyncio.sleep(0.005)

    run(work)
    assert len(shared.booked) < 100
    assert 200 <= sum(shared.booked) < 400


def test_no_more_than_a_second_is_booked_ahead(tmp_path: Path) -> None:
    shared = Run()

    async def work() -> None:
        with closing(OverPlaces(shared, 64)) as over:
            limiter = Limiter(tmp_path, "service", most=64, per_minute=600, over_places=over)
            async with many(limiter, over, 40) as (begun, _calls):
                await until(lambda: len(begun) >= 5)

    run(work)
    assert max(shared.booked) <= 10
    assert sum(shared.booked) <= 11


@pytest.mark.parametrize("per_minute", [None, 60_000])
def test_a_pause_of_another_place_holds_here(tmp_path: Path, per_minute: float | None) -> None:
    shared = Run()

    async def work() -> float:
        with closing(OverPlaces(shared, 4)) as over:
            limiter = Limiter(tmp_path, "service", most=4, per_minute=per_minute, over_places=over)
            async with many(limiter, over, 1) as (_begun, calls):
                await asyncio.gather(*calls)
            shared.pauses["service"] = 0.5
            paused = time.monotonic()
            shared.pause("service", 0.5)
            await until(lambda: len(shared.demands) >= 3)
            shared.pauses.clear()
            async with many(limiter, over, 3) as (begun, calls):
                await asyncio.gather(*calls)
                return float(min(begun) - paused)

    assert run(work) >= 0.5 - 0.005


def test_nothing_begins_without_a_part_and_a_smaller_one_is_kept_to(tmp_path: Path) -> None:
    shared = Run({ALL: 3, "service": 2})

    async def work() -> None:
        with closing(OverPlaces(shared, 8)) as over:
            limiter = Limiter(tmp_path, "service", most=8, shared=6, over_places=over)
            async with many(limiter, over, 5, 600.0) as (begun, calls):
                await until(lambda: len(begun) >= 2)
                await _divided_again(shared)
                assert len(begun) == 2
                assert shared.demands[-1]["service"] == Demand(6, kept=2, wanted=5)
                assert shared.demands[-1][ALL].total == 8
                shared.parts["service"] = 1
                await _divided_again(shared)
                assert shared.demands[-1]["service"].kept == 2, "two are in flight"
                calls[0].cancel()
                await _divided_again(shared)
                assert shared.demands[-1]["service"].kept == 1
                assert len(begun) == 2
                shared.parts["service"] = 4
                await until(lambda: len(begun) >= 4)  # all of the three in flight

    run(work)


async def until(happened: Callable[[], bool]) -> None:
    while True:
        if happened():
            return
        await asyncio.sleep(0.01)


async def _divided_again(shared: Run) -> None:
    before = len(shared.demands)
    await until(lambda: len(shared.demands) >= before + 3)


def test_a_part_that_was_there_before_the_first_call_grows_while_others_wait() -> None:
    async def work() -> None:
        part = Part(4, lambda: None)
        part.resize(1, time.time() + 60.0)
        await part.take(0)
        waiting = asyncio.create_task(part.take(1))
        await asyncio.sleep(0)
        threading.Thread(target=part.resize, args=(2, time.time() + 60.0)).start()
        await waiting

    run(work)


def test_no_call_begins_on_a_part_that_was_not_renewed(tmp_path: Path) -> None:
    shared = Run(seconds=-1.0)

    async def work() -> None:
        with closing(OverPlaces(shared, 4)) as over:
            limiter = Limiter(tmp_path, "service", most=4, over_places=over)
            async with many(limiter, over, 2) as (begun, calls):
                await _divided_again(shared)
                assert not begun
                shared.seconds = 60.0
                await asyncio.gather(*calls)

    run(work)


def test_calls_that_wait_get_the_error_of_the_database(tmp_path: Path) -> None:
    shared = Run({ALL: 0})

    async def work() -> None:
        with closing(OverPlaces(shared, 4)) as over:
            limiter = Limiter(tmp_path, "service", most=4, over_places=over)
            async with many(limiter, over, 2) as (_begun, calls):
                await _divided_again(shared)
                shared.error = CheckpointError("it is gone")
                for ended in await asyncio.gather(*calls, return_exceptions=True):
                    assert isinstance(ended, CheckpointError)
            with pytest.raises(CheckpointError):
                await over.under_way.take(0)

    run(work)


def test_turns_that_a_busy_loop_missed_are_booked_anew(tmp_path: Path) -> None:
    shared = Run()

    async def work() -> list[float]:
        with closing(OverPlaces(shared, 64)) as over:
            limiter = Limiter(tmp_path, "service", most=64, per_minute=1200, over_places=over)
            async with many(limiter, over, 20) as (begun, calls):
                await until(lambda: len(begun) >= 3)
                asyncio.get_running_loop().call_soon(time.sleep, LATE_SECONDS * 2)  # ten turns
                await asyncio.gather(*calls)
                return list(begun)

    begun = run(work)
    assert sum(shared.booked) > 20
    assert max(sum(first <= moment < first + 0.05 for moment in begun) for first in begun) <= 20 * LATE_SECONDS + 1


def test_calls_that_are_cancelled_take_no_turn_from_others(tmp_path: Path) -> None:
    shared = Run()

    async def work() -> None:
        with closing(OverPlaces(shared, 64)) as over:
            limiter = Limiter(tmp_path, "service", most=64, per_minute=600, over_places=over)
            async with many(limiter, over, 8) as (begun, calls):
                await until(lambda: bool(begun))
                for call in calls[1:-1]:
                    call.cancel()
                await calls[-1]

    run(work)
    assert sum(shared.booked) <= 8


def test_calls_that_wait_for_a_turn_get_the_error_of_the_database(tmp_path: Path) -> None:
    shared = Run()
    shared.unbookable = CheckpointError("it is gone")

    async def work() -> None:
        with closing(OverPlaces(shared, 4)) as over:
            limiter = Limiter(tmp_path, "service", most=4, per_minute=600, over_places=over)
            async with many(limiter, over, 4) as (_begun, calls):
                for ended in await asyncio.gather(*calls, return_exceptions=True):
                    assert isinstance(ended, CheckpointError)

    run(work)


def test_a_service_that_is_first_called_after_the_database_failed_fails_too() -> None:
    shared = Run()
    shared.error = CheckpointError("the database is gone")
    with closing(OverPlaces(shared, 4)) as over:

        async def work() -> None:
            with pytest.raises(CheckpointError, match="is gone"):
                await over.under_way.take(0)
            with pytest.raises(CheckpointError, match="is gone"):
                await over.slots("late", 2).take()

        run(work)
