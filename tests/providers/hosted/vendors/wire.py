"""Adapter against official SDK: the same operation, and what each of them sent for it, compared field by field."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.providers.hosted.vendors.vendor_server import Recorded

PROPERTY = "wire"
"""The property of a test that holds a row of the table, as JSON; `conftest.py` prints them."""


def compare(
    record_property: Callable[[str, object], None],
    operation: str,
    adapter: Sequence[Recorded],
    sdk: Sequence[Recorded],
    reasons: Mapping[str, str] | None = None,
) -> None:
    """Fail unless both sent the same, but for differences that are listed with their reason.

    `operation` begins with the vendor's name: "mem0 add". `reasons` are by field: ``method``, ``path``, ``query.NAME``,
    ``body.NAME.0.NAME`` (a prefix stands for all below it), or ``requests`` where their number differs; then only those
    that both have are compared. A listed reason that explains nothing fails, too: it is no longer true.
    """
    listed = dict(reasons or {})
    found: dict[str, str] = {}
    if len(adapter) != len(sdk):
        found["requests"] = f"{len(adapter)} and {len(sdk)}"
    for mine, theirs in zip(adapter, sdk, strict=False):
        ours, others = dict(_fields(mine)), dict(_fields(theirs))
        for name in sorted({*ours, *others}):
            if ours.get(name) != others.get(name):
                found[name] = f"{ours.get(name, 'nothing')} and {others.get(name, 'nothing')}"
    unexplained = {name: message for name, message in found.items() if not _explained(name, listed)}
    needless = [name for name in listed if not any(_explained(field, {name: ""}) for field in found)]
    first = adapter[0] if adapter else sdk[0]
    row = {"operation": operation, "request": f"{first.method} {first.path}", "differs": listed}
    record_property(PROPERTY, json.dumps(row))
    assert not unexplained, f"{operation}: adapter and SDK differ: {unexplained}"
    assert not needless, f"{operation}: these do not differ, so need no reason: {needless}"


def _fields(request: Recorded) -> Iterator[tuple[str, str]]:
    yield "method", request.method
    yield "path", request.path
    for name, value in request.query:
        yield f"query.{name}", value
    yield from _leaves("body", request.body)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _leaves(f"{name}.{key}", part)
    elif isinstance(value, list) and value:
        for place, part in enumerate(value):
            yield from _leaves(f"{name}.{place}", part)
    else:
        yield name, json.dumps(value)


def _explained(name: str, reasons: Mapping[str, str]) -> bool:
    return any(name == reason or name.startswith(f"{reason}.") for reason in reasons)
