"""Tables for a terminal: aligned columns in the width that there is, without a border."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence


def grid(
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    right: Collection[int] = (),
    flexible: Collection[int] = (),
    wrapped: Collection[int] = (),
    styles: Sequence[str] = (),
) -> list[str]:
    """`rows` in lines of at most `width` characters.

    Columns in `right` are aligned right. Where a row would be too long, cells of `flexible` columns are cut, and those
    of `wrapped` ones go on in further lines. `styles` gives a style of rich for each row, "" for none; without any
    there is no escape code in the lines.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for place in range(len(rows[0]) if rows else 0):
        table.add_column(no_wrap=place not in (*flexible, *wrapped), justify="right" if place in right else "left")
    for place, row in enumerate(rows):
        cells = (
            Text(cell, overflow="fold") if column in wrapped else Text(cell, no_wrap=True, overflow="ellipsis")
            for column, cell in enumerate(row)
        )
        table.add_row(*cells, style=styles[place] if styles else None)
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=any(styles),
        color_system="standard" if any(styles) else None,
        no_color=not any(styles),
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]
