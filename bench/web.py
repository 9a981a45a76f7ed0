"""Requests for data files: what may pass is tried again, and a server that asks to be left alone is."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception
from tenacity.wait import wait_random_exponential

if TYPE_CHECKING:
    import httpx

Say = Callable[[str], None]
T = TypeVar("T")

ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 300.0

_SILENCE_LIMIT_SECONDS = 30.0
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_backoff = wait_random_exponential(multiplier=0.5, max=30)


def open_client() -> httpx.Client:
    """A client for many requests: it follows redirects and gives up on a server that is silent for half a minute."""
    import httpx  # slow to import, and only a download needs it

    return httpx.Client(follow_redirects=True, timeout=_SILENCE_LIMIT_SECONDS)


class Patience:
    """Calls again while what failed may pass: five times in a row without any progress.

    `say` gets a line for each failure that is not the last.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._fruitless = 0

    def progressed(self) -> None:
        """Something has come: this attempt, whatever its end, was not without fruit."""
        self._fruitless = -1

    def call(self, what: str, request: Callable[[], T]) -> T:
        """What `request` gives; `what` names it in lines. Raises the last `httpx.HTTPError` or `httpx.InvalidURL`."""
        self._fruitless = 0
        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=self._is_over,
            wait=_wait_seconds,
            before_sleep=lambda state: self._say(f"{what}: {reason(_failure(state))}; trying again"),
            reraise=True,
        )
        return retrying(request)

    def _is_over(self, _: RetryCallState) -> bool:
        self._fruitless += 1
        return self._fruitless >= ATTEMPTS


def reason(error: BaseException | None) -> str:
    """What went wrong, in one line."""
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answered {error.response.status_code} {error.response.reason_phrase}".strip()
    return str(error) or type(error).__name__


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _may_pass(error: BaseException) -> bool:
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _TRANSIENT
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


def _wait_seconds(state: RetryCallState) -> float:
    asked = _retry_after(_failure(state))
    return _backoff(state) if asked is None else min(asked, LONGEST_WAIT_SECONDS)


def _retry_after(error: BaseException | None) -> float | None:
    """How many seconds the server asked to be left alone: given as such, or as a date by its own clock."""
    import httpx

    header = error.response.headers.get("Retry-After") if isinstance(error, httpx.HTTPStatusError) else None
    if header is None or not isinstance(error, httpx.HTTPStatusError):
        return None
    if header.isdigit():
        return float(header)
    try:
        until, now = (parsedate_to_datetime(text) for text in (header, error.response.headers["Date"]))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, KeyError):
        return None  # not a time: our own pace then
