"""Data inside of a page: JSON, compressed, in an element that no browser runs."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Hashable
from typing import Generic, TypeVar

from pydantic_core import to_json

from vocabulary import clean_text, visible

Value = TypeVar("Value", bound=Hashable)
_LEVEL = 6
"""Level 9 takes twice the time for 1 % less."""


def packed(name: str, data: object) -> str:
    """An element with `data` as JSON, which the page opens by its `name`: letters, digits and ``-``."""
    encoded = base64.b64encode(gzip.compress(to_json(data), _LEVEL, mtime=0)).decode()
    return f'<script type="text/plain" id="{name}">{encoded}</script>'


def shown(text: str, longest: int) -> str:
    """`text` as a page shows it: controls are visible, and what is beyond `longest` characters is counted."""
    if not text.isprintable():  # neither a control nor a line break: most texts
        text = visible(clean_text(text))
    if len(text) <= longest:
        return text
    return f"{text[:longest]}… [{len(text) - longest:,} more characters]"


class Interned(Generic[Value]):
    """Each value once; what refers to it has its number."""

    def __init__(self) -> None:
        self._known: dict[Value, int] = {}

    @property
    def all(self) -> list[Value]:
        """The values, in the order of their numbers."""
        return [*self._known]

    def number(self, value: Value) -> int:
        """The number of `value`."""
        return self._known.setdefault(value, len(self._known))
