"""Runs as people read them on a terminal: the closing table, stories of questions, listings."""

from reports.show.grid import grid
from reports.show.listing import Overview, Wanted, clock, failed_questions, failures, overview, run_state
from reports.show.published import published_lines
from reports.show.story import example_row, full_story, one_line, short_story
from reports.show.summary import closing_table, result_lines, warning_lines

__all__ = [
    "Overview",
    "Wanted",
    "clock",
    "closing_table",
    "example_row",
    "failed_questions",
    "failures",
    "full_story",
    "grid",
    "one_line",
    "overview",
    "published_lines",
    "result_lines",
    "run_state",
    "short_story",
    "warning_lines",
]
