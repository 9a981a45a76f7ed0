"""Scripts that put no spaces between words."""

from __future__ import annotations

import re

UNSPACED = re.compile(
    "["
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e80-\u0ecd"  # Lao
    "\u1000-\u103f\u1050-\u109f"  # Myanmar
    "\u1780-\u17d3"  # Khmer
    "\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese
    "\u1100-\u11ff\uac00-\ud7af"  # Korean, which puts particles to its words
    "]+"
)
"""A run of such letters: code that reads words takes it for one word."""


def has_unspaced(text: str) -> bool:
    """Whether any of `text` is in such a script."""
    return not text.isascii() and UNSPACED.search(text) is not None
