"""When a service takes calls again, by the headers of its response."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

_EARLIEST_UNIX_TIME = 1e9
"""More seconds than that are no pause, but a time of day (2001 and later)."""

_LONGEST_SECONDS = 32 * 86400.0
"""Quotas last a month at most: a longer pause is a mistake of the server's."""


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before the next attempt: ``retry-after-ms``, or ``retry-after`` in seconds or as a date.

    None if there is no such header, or none that makes sense: unreadable, in the past, or longer than any quota.
    `headers` are looked up in lower case.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None and _sensible(milliseconds / 1000):
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or not text:
        return _sensible(seconds)
    try:
        date = parsedate_to_datetime(text)
        return _sensible((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def pause_until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until a service takes calls again, where it says that none is left: ``x-ratelimit-remaining: 0``.

    ``x-ratelimit-reset`` is a Unix time or a number of seconds. None if calls are left or it does not say.
    """
    remaining, reset = _number(headers.get("x-ratelimit-remaining")), _number(headers.get("x-ratelimit-reset"))
    if remaining is None or remaining >= 1 or reset is None:
        return None
    return _sensible(reset - time.time() if reset > _EARLIEST_UNIX_TIME else reset)


def _sensible(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 < seconds <= _LONGEST_SECONDS else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
