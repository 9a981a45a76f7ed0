"""What a tool's result says: JSON where there is some, else prose, which is a result with a text and nothing more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import JsonValue

from providers.general.declared import ResultPaths
from providers.general.results import Fault, at, results_of, shown
from vocabulary import SearchResult

if TYPE_CHECKING:
    from mcp.types import CallToolResult

    from providers.general.mcp.mcp_file import SearchCall

_LISTS = ("results", "result", "memories", "items", "documents", "facts", "data", "entities", "nodes", "hits")
_USUAL = ResultPaths(
    text="text || memory || content || fact || observation || document || value",
    score="score || similarity || relevance || relevance_score",
    time="metadata.session_date || session_date",
    session_ids="metadata.session_id || session_id",
    message_ids="metadata.message_id || message_id",
)


def texts_of(result: CallToolResult) -> list[str]:
    """The texts of a result."""
    return [block.text for block in result.content if block.type == "text"]


def json_of(result: CallToolResult) -> JsonValue:
    """Its structured content, or else its only text read as JSON; None if it is prose."""
    if result.structured_content is not None:
        structured: JsonValue = result.structured_content
        return structured
    texts = texts_of(result)
    found: list[JsonValue] = [value for text in texts if (value := _read(text)) is not None]
    if len(found) != len(texts) or not found:
        return None
    return found[0] if len(found) == 1 else found


def _read(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def results_in(result: CallToolResult, call: SearchCall, fault: Fault) -> list[SearchResult]:
    """The results of a search: where the file says, else under their usual names, else each text as it is."""
    reply = json_of(result)
    if call.results is not None:
        items = at(call.results.items, reply, "items", fault)
        if not isinstance(items, list):
            raise fault("items", f"is to be a list, and is {shown(items)} in {shown(str(reply or texts_of(result)))}")
        return results_of(items, call.results, fault)
    listed = _listed(reply)
    if listed is None:
        return [SearchResult(text=text, raw=text) for text in _texts_in(reply, result) if text.strip()]
    plain = [one for one in listed if isinstance(one, dict)]
    if len(plain) == len(listed):
        return results_of(plain, _USUAL, fault)
    return [SearchResult(text=str(one), raw=one) for one in listed if one]


def _texts_in(reply: JsonValue, result: CallToolResult) -> list[str]:
    """Prose: also where a server wraps it as structured content."""
    if isinstance(reply, dict) and len(reply) == 1:
        (only,) = reply.values()
        if isinstance(only, str):
            return [only]
    return texts_of(result)


def _listed(reply: JsonValue) -> list[JsonValue] | None:
    """The list of results in a reply; None if there is none."""
    if isinstance(reply, list):
        return reply
    return next(_lists(reply), None) if isinstance(reply, dict) else None


def _lists(reply: Mapping[str, JsonValue]) -> Iterator[list[JsonValue]]:
    for name in _LISTS:
        value = reply.get(name)
        if isinstance(value, list):
            yield value
        elif isinstance(value, dict):
            yield from _lists(value)
