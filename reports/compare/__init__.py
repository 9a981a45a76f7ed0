"""Comparing runs: which questions both were asked, what differs between the runs, and what the tests say of it."""

from reports.compare.aligning import compare_runs
from reports.compare.choosing import Side, sides_of
from reports.compare.model import Compared, Comparisons, comparisons_schema
from reports.compare.page import comparison_page
from reports.compare.words import markdown_lines, terminal_lines

__all__ = [
    "Compared",
    "Comparisons",
    "Side",
    "compare_runs",
    "comparison_page",
    "comparisons_schema",
    "markdown_lines",
    "sides_of",
    "terminal_lines",
]
