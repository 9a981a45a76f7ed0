"""A study for its reader: tables and sentences on a terminal, and a page."""

from typing import TYPE_CHECKING

from tuner.show.importance import importances
from tuner.show.live import shown_live
from tuner.show.tables import (
    front_lines,
    importance_lines,
    settings_of,
    show_lines,
    space_lines,
    status_lines,
    stopped_line,
    table,
    trial_lines,
    verdict_of,
)

if TYPE_CHECKING:
    from tuner.show.page import study_page
else:

    def __getattr__(name: str) -> object:
        """Import Jinja2 for a page alone."""
        if name != "study_page":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from tuner.show.page import study_page

        return study_page


__all__ = [
    "front_lines",
    "importance_lines",
    "importances",
    "settings_of",
    "show_lines",
    "shown_live",
    "space_lines",
    "status_lines",
    "stopped_line",
    "study_page",
    "table",
    "trial_lines",
    "verdict_of",
]
