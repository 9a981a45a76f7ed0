"""What a service can bear holds over all processes, and nobody who waits takes anything with it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from net.limits import LONGEST_PAUSE_SECONDS, AdaptiveLimit, Limiter, Schedule, SharedSlots
from tests.net.limits.limit_workers import (
    call_when_told_to_pause,
    keep_reserving,
    keep_taking,
    take_all_and_hang,
    together,
)
from tests.processes import forked

# --- a rate --------------------------------------------------------------------------------------------------------


def test_four_processes_share_a_rate_and_none_is_left_out(tmp_path: Path) -> None:
    per_second, seconds = 40, 1.5
    begun = together(tmp_path, 4, keep_reserving, per_second * 60, seconds)
    moments = sorted(moment for process in begun for (moment,) in process)
    # a call begins at its place or late, so a window may also hold those that were late for the window before
    places = len(moments)
    assert places <= per_second * (moments[-1] - moments[0]) + 1 + 1e-3 * per_second
    shares = [len(process) for process in begun]
    assert min(shares) >= max(shares) / 3, shares


def test_a_place_is_given_once_and_never_before_its_time(tmp_path: Path) -> None:
    schedules = [Schedule(tmp_path / "schedule", 600) for _opened in range(3)]
    places = []
    for turn in range(12):
        before = time.time()
        wait = schedules[turn % 3].reserve()
        places.append((before + wait, time.time() + wait))
    for (_, latest), (earliest, _) in zip(places[1:], places, strict=False):
        assert latest - earliest >= 0.1 - 1e-6
    assert places[0][0] - time.time() < 0.1, "the first one waits for nobody"
    assert places[-1][0] - places[0][0] == pytest.approx(1.1, abs=0.05)
    for schedule in schedules:
        schedule.close()


def test_without_a_rate_nobody_waits(tmp_path: Path) -> None:
    schedule = Schedule(tmp_path / "schedule", None)
    assert [schedule.reserve() for _call in range(100)] == [0.0] * 100
    schedule.close()


def test_a_rate_that_was_not_used_is_not_saved_up(tmp_path: Path) -> None:
    schedule = Schedule(tmp_path / "schedule", 1200)
    schedule.reserve()
    time.sleep(0.2)
    assert schedule.reserve() == 0.0
    assert schedule.reserve() > 0.04
    schedule.close()


def test_a_file_that_was_cut_short_is_a_fresh_one(tmp_path: Path) -> None:
    (tmp_path / "schedule").write_bytes(b"123")
    schedule = Schedule(tmp_path / "schedule", 60)
    assert schedule.reserve() == 0.0
    schedule.close()


# --- a pause -------------------------------------------------------------------------------------------------------


def test_a_pause_holds_every_process(tmp_path: Path) -> None:
    pause = 0.5
    begun = [moment for process in together(tmp_path, 3, call_when_told_to_pause, pause) for (moment,) in process]
    asked = float((tmp_path / "paused.txt").read_text())
    assert len(begun) == 60
    assert not [moment - asked for moment in begun if asked < moment < asked + pause - 0.01]
    assert any(moment > asked for moment in begun)


def test_a_pause_also_holds_those_who_had_their_place_before_it(tmp_path: Path) -> None:
    schedule = Schedule(tmp_path / "schedule", 600)
    other = Schedule(tmp_path / "schedule", 600)
    begun: list[float] = []

    async def call() -> None:
        await schedule.turn()
        begun.append(time.time())

    async def work() -> float:
        calls = [asyncio.create_task(call()) for _call in range(4)]
        await asyncio.sleep(0.05)
        other.pause(0.6)
        paused = time.time()
        await asyncio.gather(*calls)
        return paused

    paused = asyncio.run(work())
    first, *rest = begun
    assert first < paused, "it had begun"
    earliest = [paused + 0.55 + 0.1 * place for place in range(len(rest))]
    assert all(at >= bound for at, bound in zip(sorted(rest), earliest, strict=True)), "and not all at once then"
    schedule.close()
    other.close()


def test_a_pause_that_nobody_would_sit_out_holds_nobody(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "service", most=2)

    async def work() -> None:
        limiter.pushed_back(LONGEST_PAUSE_SECONDS + 1)
        async with asyncio.timeout(10), limiter.slot():
            pass

    asyncio.run(work())
    limiter.close()


# --- slots ---------------------------------------------------------------------------------------------------------


def test_four_processes_never_hold_more_slots_than_there_are(tmp_path: Path) -> None:
    held = [one for process in together(tmp_path, 4, keep_taking, 3, 4, 8) for one in process]
    assert len(held) == 4 * 4 * 8
    events = sorted([(begun, 1) for _slot, begun, _end in held] + [(end, -1) for _slot, _begun, end in held])
    under_way = most = 0
    for _moment, change in events:
        under_way += change
        most = max(most, under_way)
    assert most <= 3
    assert set(Counter(slot for slot, _begun, _end in held)) == {0.0, 1.0, 2.0}


def test_slots_of_a_killed_process_come_back(tmp_path: Path) -> None:
    process = forked(take_all_and_hang, tmp_path, 2)
    deadline = time.monotonic() + 30
    while not (tmp_path / "taken").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    shared = SharedSlots(tmp_path / "slots", 2)

    async def work() -> set[int]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await shared.take()
        process.kill()
        async with asyncio.timeout(30):
            return {await shared.take(), await shared.take()}

    assert asyncio.run(work()) == {0, 1}
    process.join()
    shared.close()


def test_who_is_cancelled_while_waiting_leaks_no_slot(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path, "service", most=3, shared=2, per_minute=600)

    async def hold(seconds: float) -> None:
        async with limiter.slot():
            await asyncio.sleep(seconds)

    async def work() -> None:
        for delay in (0.0, 0.001, 0.01, 0.03):
            calls = [asyncio.create_task(hold(60)) for _call in range(8)]
            await asyncio.sleep(delay)
            for _again in range(2):  # a second cancel must not interrupt the giving back
                for call in calls:
                    call.cancel()
                await asyncio.sleep(0)
            await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(limiter._schedule, Schedule)
        limiter._schedule._store(0.0, 0.0)
        both = asyncio.Barrier(2)

        async def meet_another() -> None:
            async with limiter.slot():
                await both.wait()

        async with asyncio.timeout(20):  # only with both slots there can two meet
            await asyncio.gather(*(meet_another() for _call in range(4)))

    asyncio.run(work())
    limiter.close()


# --- as many as it bears -------------------------------------------------------------------------------------------


def test_push_back_lowers_the_limit_and_successes_raise_it_again() -> None:
    async def work() -> None:
        limit = AdaptiveLimit(10)
        for push_back in (7.0, 4.9, 3.43):
            await limit.take()
            limit.pushed_back()
            limit.give_back()
            assert limit.limit == pytest.approx(push_back)
        limits = []
        for _call in range(100):
            await limit.take()
            limit.succeeded()
            limit.give_back()
            limits.append(limit.limit)
        assert limits == sorted(limits)
        assert limits[3] == pytest.approx(4.43, abs=0.2), "about one more for a round of successes"
        assert limits[-1] == 10.0
        for _call in range(50):
            await limit.take()
            limit.pushed_back()
            limit.give_back()
        assert limit.limit == 1.0
        await asyncio.wait_for(limit.take(), 5)

    asyncio.run(work())


def test_all_that_was_under_way_counts_as_one_push_back() -> None:
    async def work() -> None:
        limit = AdaptiveLimit(10)
        for _call in range(10):
            await limit.take()
        for _call in range(10):
            limit.pushed_back()
            limit.give_back()
        assert limit.limit == pytest.approx(7.0)
        await limit.take()
        limit.pushed_back()
        assert limit.limit == pytest.approx(4.9)

    asyncio.run(work())


def test_fewer_are_under_way_after_a_push_back_and_the_first_to_come_is_the_first_to_go() -> None:
    async def work() -> None:
        limit = AdaptiveLimit(4)
        order: list[int] = []

        async def call(number: int) -> None:
            await limit.take()
            order.append(number)

        for _call in range(4):
            await limit.take()
        waiting = [asyncio.create_task(call(number)) for number in range(5)]
        await asyncio.sleep(0)
        limit.pushed_back()  # 2.8
        for given_back, begun in ((1, 0), (2, 0), (3, 1), (4, 2)):
            limit.give_back()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert len(order) == begun, given_back
        waiting[2].cancel()
        for _call in range(2):
            limit.give_back()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert order == [0, 1, 3, 4]
        assert waiting[2].cancelled()

    asyncio.run(work())


def test_a_grown_limit_lets_those_go_who_wait() -> None:
    async def work() -> None:
        limit = AdaptiveLimit(2)
        limit.pushed_back()
        await limit.take()
        waiting = asyncio.create_task(limit.take())
        await asyncio.sleep(0)
        assert not waiting.done()
        limit.succeeded()
        await asyncio.wait_for(waiting, 5)

    asyncio.run(work())


def test_who_is_cancelled_in_the_moment_of_being_let_go_hands_the_place_on() -> None:
    async def work() -> None:
        limit = AdaptiveLimit(1)
        await limit.take()
        waiting = [asyncio.create_task(limit.take()) for _call in range(2)]
        await asyncio.sleep(0)
        limit.give_back()
        waiting[0].cancel()
        await asyncio.wait_for(waiting[1], 5)
        assert waiting[0].cancelled()

    asyncio.run(work())
