"""Markdown that shows texts of data, models and services as they are, whatever they hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from vocabulary import visible

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$])")
_REFERENCE = re.compile(r"([@#])")
_LONGEST = 160


def plain(text: str, longest: int = 1000) -> str:
    """`text` in one line without any markup; it mentions nobody and refers to no issue."""
    short = _one_line(text, longest)
    return _REFERENCE.sub("\\1\u200b", _SPECIAL.sub(r"\\\1", short))


def code(text: str, longest: int = _LONGEST) -> str:
    """`text` in one line as code: no markup, link or mention in it works, in a table either."""
    short = _one_line(text, longest).replace("|", "\\|")
    if not short:
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", short)), default=0))
    room = " " if short.startswith("`") or short.endswith("`") else ""
    return f"{fence}{room}{short}{room}{fence}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> Iterator[str]:
    """Lines of a table of cells that are Markdown; columns in `right` are aligned right."""
    yield f"| {' | '.join(headings)} |"
    yield f"|{'|'.join('--:' if index in right else '---' for index in range(len(headings)))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _one_line(text: str, longest: int) -> str:
    line = " ".join(visible(text[: 2 * longest]).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
