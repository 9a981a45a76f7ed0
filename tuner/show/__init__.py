"""A study for its reader: tables and sentences on a terminal."""

from tuner.show.tables import (
    front_lines,
    importance_lines,
    progress_line,
    settings_of,
    show_lines,
    space_lines,
    status_lines,
    stopped_line,
    table,
    trial_lines,
    verdict_of,
)

__all__ = [
    "front_lines",
    "importance_lines",
    "progress_line",
    "settings_of",
    "show_lines",
    "space_lines",
    "status_lines",
    "stopped_line",
    "table",
    "trial_lines",
    "verdict_of",
]
