"""Waiting for a service to be ready: it ends when it is, when it fails, and when the time is over."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

import pytest

from providers.readiness import until_ready
from vocabulary import IndexingTimeoutError, ProviderError

Look = Callable[[], Awaitable[str | None]]


def looks(*message: str | Exception | None) -> tuple[Look, list[float]]:
    """One after the other, the last one again and again; and when each look was taken."""
    taken: list[float] = []

    async def look() -> str | None:
        taken.append(time.monotonic())
        now = message[min(len(taken), len(message)) - 1]
        if isinstance(now, Exception):
            raise now
        return now

    return look, taken


def wait(look: Look, seconds: float = 20.0) -> None:
    asyncio.run(until_ready("box", look, seconds=seconds, longest_pause=0.2))


def test_it_looks_until_nothing_is_outstanding() -> None:
    look, taken = looks("2 of 2 events", "1 of 2 events", None)
    wait(look)
    assert len(taken) == 3


def test_what_is_ready_at_once_is_not_waited_for() -> None:
    look, taken = looks(None)
    wait(look, seconds=0.001)
    assert len(taken) == 1


def test_the_pauses_grow_up_to_the_longest() -> None:
    look, taken = looks(*["queued"] * 6, None)
    wait(look)
    pauses = [later - earlier for earlier, later in itertools.pairwise(taken)]
    assert pauses[0] >= 0.1
    assert pauses[1] >= 0.15
    assert min(pauses[2:]) >= 0.2


def test_an_end_names_the_container_the_seconds_and_the_last_status() -> None:
    look, _taken = looks("3 of 19 events: RUNNING")
    with pytest.raises(IndexingTimeoutError, match=r"^container box was not ready after \d\.\d s\. ") as caught:
        wait(look, seconds=0.5)
    assert str(caught.value).endswith("Last status: 3 of 19 events: RUNNING.")
    assert not caught.value.transient


def test_a_look_that_another_may_mend_is_taken_again_when_the_service_wants_it() -> None:
    look, taken = looks("RUNNING", ProviderError("answered 429", transient=True, retry_after=0.6), None)
    wait(look)
    assert taken[2] - taken[1] >= 0.6


def test_a_service_that_fails_to_the_end_is_told_of() -> None:
    look, _taken = looks("RUNNING", ProviderError("answered 503", transient=True))
    with pytest.raises(IndexingTimeoutError, match=r"RUNNING .*answered 503"):
        wait(look, seconds=0.5)


def test_nobody_waits_for_what_comes_after_the_end() -> None:
    look, taken = looks(ProviderError("answered 429", transient=True, retry_after=100))
    begun = time.monotonic()
    with pytest.raises(IndexingTimeoutError, match="answered 429"):
        wait(look, seconds=5)
    assert time.monotonic() - begun < 4
    assert len(taken) == 1


def test_what_failed_for_good_ends_the_wait() -> None:
    look, taken = looks("RUNNING", ProviderError("event e1 of session s1 FAILED"), None)
    with pytest.raises(ProviderError, match="event e1 of session s1 FAILED"):
        wait(look)
    assert len(taken) == 2


def test_a_look_that_is_not_answered_does_not_outlast_the_end() -> None:
    async def look() -> str | None:
        await asyncio.sleep(60)
        return None

    begun = time.monotonic()
    with pytest.raises(IndexingTimeoutError, match="not answered"):
        wait(look, seconds=0.3)
    assert time.monotonic() - begun < 30
