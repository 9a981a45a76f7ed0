"""Replies as servers really send them: what is not needed may be odd, and is read as far as it can be."""

from __future__ import annotations

import json
import math
import re
from typing import Annotated, Any, Literal, TypeVar  # Any: what JSON may hold

from pydantic import BaseModel, BeforeValidator

_COMMENTS = re.compile(r"\A(?:\s*:[^\n]*(?:\n|\Z))+|(?:\n\s*:[^\n]*)+\s*\Z")
_UNSTORABLE = re.compile("[\ud800-\udfff\x00]")
_ESCAPED = re.compile(r"\\u(?:d[89a-f]|0000)|\x00", re.IGNORECASE)
_MOST_TOKENS = 2**53


def parse_body(text: str) -> Any:
    """The JSON value in the text of a response, None where there is none; comment lines around it are skipped.

    What no database takes (lone surrogates, NUL) is replaced by U+FFFD.
    """
    try:
        found = json.loads(_COMMENTS.sub("", text.removeprefix("\ufeff")))
        return _storable(found) if _ESCAPED.search(text) else found
    except (ValueError, RecursionError):
        return None


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_storable(part) for part in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(part) for name, part in value.items()}
    return value


def _count(value: object) -> int:
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value < _MOST_TOKENS:
        return int(value)
    return 0


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _fields(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _parts(value: object) -> list[object]:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    several = value if isinstance(value, list) else [value]
    return [{"type": "text", "text": part} if isinstance(part, str) else _fields(part) for part in several]


Count = Annotated[int, BeforeValidator(_count)]
"""A number of tokens; 0 for null, for text and for what cannot be a count."""

Word = Annotated[str | None, BeforeValidator(_word)]
"""A text; None for an empty one and for anything else."""

T = TypeVar("T", bound=BaseModel)
Fields = Annotated[T, BeforeValidator(_fields)]
"""An object; an empty one for anything else."""


class Part(BaseModel):
    """A part of a message's content; `text` is None in parts that hold something else."""

    type: Word = None
    text: Word = None


Content = Annotated[list[Part], BeforeValidator(_parts)]
"""What a message holds: parts, or a text, which counts as one part."""


def text_of(content: list[Part]) -> str:
    """The text of a message, without the parts that hold reasoning or calls."""
    return "".join(part.text or "" for part in content if part.type in (None, "text", "output_text"))


def has_reasoning(content: list[Part]) -> bool:
    """Whether a part of a message is reasoning."""
    return any("think" in (part.type or "") or "reason" in (part.type or "") for part in content)


Ending = Literal["normal", "cut", "withheld", "broken", "call", "unknown"]

ENDINGS: dict[Ending, str] = {
    "broken": "the server broke it off",
    "call": "the model wants to call a tool",
    "unknown": "that is no normal ending",
}
"""What is said of endings."""

_REASONS: dict[str, Ending] = {
    **dict.fromkeys(("stop", "end_turn", "eos", "eos_token", "stop_sequence"), "normal"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length", "truncated"), "cut"),
    **dict.fromkeys(("model_context_window_exceeded", "pause_turn", "incomplete"), "cut"),
    **dict.fromkeys(("content_filter", "content_filtered", "refusal", "safety", "recitation"), "withheld"),
    **dict.fromkeys(("blocklist", "prohibited_content", "spii", "guardrail_intervened", "sensitive"), "withheld"),
    **dict.fromkeys(("error", "abort", "aborted", "cancelled", "timeout", "overloaded"), "broken"),
    **dict.fromkeys(("network_error", "insufficient_system_resource"), "broken"),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), "call"),
}


def ending_of(reason: str | None) -> Ending:
    """What a reply's finish reason means; None is that of servers that give none. Only those listed are normal."""
    return _REASONS.get(reason.lower(), "unknown") if reason else "normal"
