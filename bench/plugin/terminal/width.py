"""How wide the terminal is, and text folded to it."""

from __future__ import annotations

import re
import shutil
from textwrap import wrap

_UNBROKEN = "\N{NO-BREAK SPACE}"  # textwrap breaks at ASCII whitespace alone


def terminal_width() -> int:
    """How many columns there are; 80 where it is no terminal, as pytest has it."""
    return shutil.get_terminal_size().columns


def folded(text: str) -> list[str]:
    """`text` in lines that fit the terminal; paths, ids and commands in backquotes stay whole, to be copied."""
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    kept = re.sub(r"`[^`]*`", lambda quoted: quoted[0].replace(" ", _UNBROKEN), text)
    lines = wrap(kept, terminal_width(), subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
    return [line.replace(_UNBROKEN, " ") for line in lines]
