"""Benchmarks without data: one line in the place of pytest's list of skipped tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from bench.plugin.missing import missing_of
from bench.plugin.terminal.width import folded, terminal_width


@contextmanager
def without_stand_ins(terminal: pytest.TerminalReporter) -> Iterator[None]:
    """Keep what stands in for missing data out of the summary that pytest prints meanwhile."""
    skipped = terminal.stats.get("skipped", [])
    others = [report for report in skipped if not missing_of(report)]
    if len(others) == len(skipped):
        yield
        return
    terminal.stats["skipped"] = others
    try:
        yield
    finally:
        terminal.stats["skipped"] = skipped


def absent_lines(missing: Mapping[str, str]) -> list[str]:
    """The reason if one benchmark is missing; else the names, or their number where they do not fit in a line."""
    if not missing:
        return []
    if len(missing) == 1:
        return folded(f"not measured: {next(iter(missing.values()))}")
    how = "python -m bench list"
    line = f"not measured, no data: {', '.join(missing)} ({how})"
    return [line if len(line) <= terminal_width() else f"not measured, no data: {len(missing)} benchmarks ({how})"]
