"""A service that fails for everybody is left alone, but for one probe at a time, and no call is charged for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from net import attempts, outages
from net.attempts import ATTEMPTS, Caller, CallRecord
from net.limits import Limiter, Schedule
from net.outages import OUTAGE_CALLS, Outage, paused_services
from tests.processes import forked
from vocabulary import ProviderError


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_BACKOFF_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(outages, "_PROBE_SECONDS", (0.05, 0.1))
    monkeypatch.setattr(outages, "_POLL_SECONDS", 0.02)


class Place:
    """Callers of the service "service" in one folder, as several workers have them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.noted: list[Outage] = []
        self._made: list[Limiter] = []
        self._pool = ThreadPoolExecutor(1)

    def caller(self, patience: float = 30.0, most: int = 8) -> Caller:
        limiter = Limiter(self.folder, "service", most=most, patience=patience, note=self.noted.append)
        self._made.append(limiter)
        return Caller(limiter, self._pool, ProviderError)

    def close(self) -> None:
        for limiter in self._made:
            limiter.close()
        self._pool.shutdown()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


class Service:
    """Fails until so many seconds have passed; in the outages of the `watched` folder it counts calls at once."""

    def __init__(self, error: Callable[[], Exception], back_after: float = 0.0) -> None:
        self._error = error
        self._back = time.monotonic() + back_after
        self.watched: Path | None = None
        self.calls = self.refused = self.probes = self.most_probes = self._probing = 0

    async def call(self) -> str:
        self.calls += 1
        probe = self.watched is not None and bool(paused_services(self.watched))
        self.probes += probe
        self._probing += probe
        self.most_probes = max(self.most_probes, self._probing)
        try:
            await asyncio.sleep(0.02)
            if time.monotonic() < self._back:
                self.refused += 1
                raise self._error()
            return "done"
        finally:
            self._probing -= probe


def broken() -> ProviderError:
    return ProviderError("answered 500", transient=True, status=500)


def unreachable() -> ProviderError:
    return ProviderError("connection refused", transient=True)


async def all_of(service: Service, *callers: Caller, calls: int) -> list[CallRecord[str]]:
    async with asyncio.timeout(60):
        return list(await asyncio.gather(*(callers[n % len(callers)].call(service.call) for n in range(calls))))


def test_an_outage_is_sat_out_by_all_calls_of_all_workers(place: Place) -> None:
    service = Service(broken, back_after=1.5)
    done = asyncio.run(all_of(service, place.caller(most=4), place.caller(most=4), calls=100))
    assert [one.value for one in done] == ["done"] * 100
    assert service.calls - 100 == service.refused
    assert service.refused <= 8 + 1.5 / 0.1 + OUTAGE_CALLS, "what was under way, and a probe now and then"
    (outage,) = place.noted
    assert (outage.service, outage.over) == ("service", True)
    assert 1.0 < outage.seconds < 30
    assert not paused_services(place.folder)


def test_one_probe_at_a_time_is_made(place: Place) -> None:
    service = Service(broken, back_after=1.0)
    callers = place.caller(), place.caller()

    service.watched = place.folder
    done = asyncio.run(all_of(service, *callers, calls=16))
    assert {one.value for one in done} == {"done"}
    assert service.probes > 3
    assert service.most_probes == 1


def test_a_failure_that_others_do_not_share_is_no_outage(place: Place) -> None:
    service = Service(broken)

    async def poison() -> str:
        raise broken()

    async def both() -> tuple[CallRecord[str], list[CallRecord[str]]]:
        caller = place.caller()
        bad = asyncio.create_task(caller.call(poison))
        good = []
        while not bad.done():
            good.append(await caller.call(service.call))
        return await bad, good

    bad, good = asyncio.run(both())
    assert (bad.value, bad.attempts) == (None, ATTEMPTS)
    assert all(one.value for one in good)
    assert place.noted == []


def test_a_single_call_that_nobody_answers_waits_too(place: Place) -> None:
    service = Service(unreachable, back_after=0.8)
    (done,) = asyncio.run(all_of(service, place.caller(), calls=1))
    assert done.value == "done"
    assert done.attempts == service.calls > ATTEMPTS


def test_a_single_call_that_is_always_refused_is_given_up(place: Place) -> None:
    service = Service(broken, back_after=60)
    (done,) = asyncio.run(all_of(service, place.caller(), calls=1))
    assert (done.value, done.attempts) == (None, ATTEMPTS)


def test_when_patience_ends_all_calls_end_in_the_error_and_later_ones_at_once(place: Place) -> None:
    service, caller = Service(broken, back_after=60), place.caller(patience=0.5)
    done = asyncio.run(all_of(service, caller, calls=20))
    assert all(one.value is None for one in done)
    assert any("answered 500 (service has failed for" in str(one.error) for one in done)
    (outage,) = place.noted
    assert not outage.over
    assert outage.seconds >= 0.5
    (later,) = asyncio.run(all_of(service, caller, calls=1))
    assert (later.attempts, later.value) == (1, None)
    service._back = 0.0
    assert asyncio.run(all_of(service, caller, calls=2))[0].value == "done"


def test_without_patience_nobody_waits(place: Place) -> None:
    done = asyncio.run(all_of(Service(broken, back_after=60), place.caller(patience=0.0), calls=20))
    assert {one.attempts for one in done} == {ATTEMPTS}
    assert place.noted == []


def test_a_pause_longer_than_the_patience_stops_all_calls_and_names_its_end(place: Place) -> None:
    def quota() -> ProviderError:
        return ProviderError("answered 429: quota", transient=True, retry_after=3600.0, status=429)

    service = Service(quota, back_after=60)
    callers = place.caller(most=1), place.caller(most=1)
    done = asyncio.run(all_of(service, *callers, calls=20))
    assert service.calls <= 2, "one for each worker that had begun"
    assert {one.value for one in done} == {None}
    for one in done:
        assert "service takes no calls before 2" in str(one.error)
        assert "UTC" in str(one.error)


def test_a_retry_after_within_the_patience_is_sat_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("net.limits.limiter.LONGEST_PAUSE_SECONDS", 0.1)
    service = Service(lambda: ProviderError("429", transient=True, retry_after=0.4, status=429), back_after=0.3)
    done = asyncio.run(all_of(service, place.caller(), calls=8))
    assert {one.value for one in done} == {"done"}
    assert service.refused <= 8


def probe_and_hang(folder: Path) -> None:
    outages._PROBE_SECONDS = (0.05, 0.1)
    attempts._BACKOFF_SECONDS = (0.0, 0.0)
    limiter = Limiter(folder, "service", most=OUTAGE_CALLS, patience=60)
    caller = Caller(limiter, ThreadPoolExecutor(1), ProviderError)

    async def call() -> None:
        if paused_services(folder):
            (folder / "probes").touch()
            await asyncio.sleep(600)
        raise broken()

    async def work() -> None:
        await asyncio.gather(*(caller.call(call) for _call in range(OUTAGE_CALLS)))

    asyncio.run(work())


def test_the_probe_of_a_killed_worker_is_made_by_another(place: Place) -> None:
    process = forked(probe_and_hang, place.folder)
    deadline = time.monotonic() + 60
    while not (place.folder / "probes").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.join()
    (done,) = asyncio.run(all_of(Service(broken), place.caller(), calls=1))
    assert done.value == "done"
    assert len(place.noted) == 1


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_changes_no_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    schedule = Schedule(tmp_path / "schedule", 600)
    schedule.reserve()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + step)
    assert schedule.reserve() <= 0.1
    assert schedule.reserve() > 0.05
    schedule.close()


def test_what_an_earlier_boot_left_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Limiter(tmp_path, "service", most=1, patience=600)
    before.hold(500)
    before.hold(3600)
    before.close()
    monkeypatch.setattr("net.limits.limiter.BOOT", "another")
    monkeypatch.setattr("net.outages._SUFFIX", ".another.outage")
    after = Limiter(tmp_path, "service", most=1, patience=600)

    async def call() -> None:
        async with asyncio.timeout(10), after.slot():
            pass

    asyncio.run(call())
    after.close()
