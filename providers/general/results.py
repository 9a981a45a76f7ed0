"""From a reply to search results, by the paths that a file gives; what is not as it should be names its key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pydantic import JsonValue

from net import excerpt
from providers.general.declared import ResultPaths
from providers.general.reply_paths import look_up
from vocabulary import ProviderError, SearchResult

Fault = Callable[[str, str], ProviderError]
"""An error about a key of the file and what is wrong with what stands there."""

_EARLIEST_MILLISECONDS = 1e11
"""A larger Unix time is in milliseconds: in seconds it would be after the year 5000."""


def results_of(items: Sequence[JsonValue], paths: ResultPaths, fault: Fault) -> list[SearchResult]:
    """A result for each item that has a text; raises `ProviderError` if none of them has one."""
    found = [result for item in items if (result := _result(item, paths, fault)) is not None]
    if items and not found:
        raise fault("text", f"no text is there in any of {len(items)} results, of which the first is {shown(items[0])}")
    return found


def shown(value: JsonValue) -> str:
    """A piece of a reply for an error message."""
    return excerpt(str(value))


def at(path: str, reply: JsonValue, key: str, fault: Fault) -> JsonValue:
    """What stands at `path`; raises `ProviderError` if the path cannot be followed there."""
    try:
        return look_up(path, reply)
    except ValueError as error:
        raise fault(key, f"{path} cannot be followed in {shown(reply)}: {error}") from None


def _result(item: JsonValue, paths: ResultPaths, fault: Fault) -> SearchResult | None:
    text = at(paths.text, item, "text", fault)
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise fault("text", f"is to be a text, and is {shown(text)}")
    return SearchResult(
        text=text,
        score=_score(item, paths, fault),
        timestamp=_time(at(paths.time, item, "time", fault), fault) if paths.time else None,
        session_ids=_ids(item, paths.session_ids, "session_ids", fault),
        message_ids=_ids(item, paths.message_ids, "message_ids", fault),
        raw=item,
    )


def _score(item: JsonValue, paths: ResultPaths, fault: Fault) -> float | None:
    key, path, sign = ("distance", paths.distance, -1.0) if paths.distance else ("score", paths.score, 1.0)
    value = at(path, item, key, fault) if path else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise fault(key, f"is to be a number, and is {shown(value)}")
    return sign * value


def _time(value: JsonValue, fault: Fault) -> datetime | None:
    """An ISO date or a Unix time, as UTC without a zone; of a list the first."""
    if isinstance(value, list):
        value = value[0] if value else None
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) > _EARLIEST_MILLISECONDS else value
            return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
        moment = datetime.fromisoformat(str(value))
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError, OSError):
        raise fault("time", f"is to be an ISO date or a Unix time, and is {shown(value)}") from None


def _ids(item: JsonValue, path: str | None, key: str, fault: Fault) -> tuple[str, ...]:
    value = at(path, item, key, fault) if path else None
    values = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(str(one) for one in values if isinstance(one, str | int) and one != ""))
