"""What a service says of its limits."""

from __future__ import annotations

import time

import pytest

from net.retry_after import pause_until_reset


def test_calls_that_are_left_are_no_reason_to_pause() -> None:
    assert pause_until_reset({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "60"}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-remaining": "0"},
        {"x-ratelimit-reset": "60"},
        {"x-ratelimit-remaining": "none", "x-ratelimit-reset": "60"},
    ],
)
def test_without_both_headers_nothing_is_known(headers: dict[str, str]) -> None:
    assert pause_until_reset(headers) is None


def test_the_reset_is_a_number_of_seconds() -> None:
    assert pause_until_reset({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "12.5"}) == 12.5


def test_or_a_time_of_day() -> None:
    pause = pause_until_reset({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 30)})
    assert pause is not None
    assert 28 < pause < 31


def test_a_time_that_has_passed_is_no_pause() -> None:
    assert pause_until_reset({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) - 30)}) is None
