"""Text that every database, file and model server takes."""

from __future__ import annotations

import json
import re
from typing import Annotated

from pydantic import BeforeValidator

REPLACEMENT = "\ufffd"
"""Stands where a character was that is no text: U+FFFD, as Unicode wants it."""

_LONE_ESCAPE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|[c-fC-F][0-9a-fA-F]{2}(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
_ORDER = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Unicode's bidirectional controls (UAX 9)."""
_NO_TEXT = re.compile("[\ud800-\udfff\0]")


def clean_text(text: str) -> str:
    """`text` with U+FFFD for each lone surrogate (JSON can hold one, UTF-8 cannot) and for each NUL."""
    if "\0" not in text:
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            pass
        else:
            return text
    return _NO_TEXT.sub(REPLACEMENT, text)


def visible(text: str) -> str:
    """`text` as a terminal may show it: without controls, and with escapes for what changes the order of characters.

    Line breaks and tabs stay.
    """
    return _CONTROL.sub(REPLACEMENT, _ORDER.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def clean_json(data: bytes) -> bytes:
    """JSON text as strict parsers take it: with U+FFFD for each escape of a lone surrogate.

    What is no JSON is returned as it is, for the parser to say so.
    """
    if not _LONE_ESCAPE.search(data):
        return data
    try:
        return clean_text(json.dumps(json.loads(data), ensure_ascii=False)).encode()
    except (ValueError, RecursionError):
        return data


def _cleaned(value: object) -> object:
    return clean_text(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_cleaned)]
"""A text from outside: cleaned when the value that holds it is made."""
