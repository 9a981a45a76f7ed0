"""What a service says of when it wants to be asked again."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_EARLIEST_UNIX_TIME = 1e9
"""More seconds than that are no pause, but a time of day (2001 and later)."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a service asks to be left alone: ``retry-after-ms``, or ``retry-after`` in seconds or as a date.

    None if it does not say, or not in a way that can be understood. `headers` are looked up in lower case.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def pause_until_reset(headers: Mapping[str, str]) -> float | None:
    """Seconds until a service takes calls again, where it says that none is left: ``x-ratelimit-remaining: 0``.

    ``x-ratelimit-reset`` is a Unix time or a number of seconds. None if calls are left or it does not say.
    """
    remaining, reset = _number(headers.get("x-ratelimit-remaining")), _number(headers.get("x-ratelimit-reset"))
    if remaining is None or remaining >= 1 or reset is None:
        return None
    return max(0.0, reset - time.time()) if reset > _EARLIEST_UNIX_TIME else reset


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
