"""The commands of ``python -m reports``: a module for each family, which imports what it runs only when it runs."""

from reports.cli.comparing import add_comparing_commands
from reports.cli.merging import add_merge_command
from reports.cli.pages import add_page_commands
from reports.cli.parents import Parents, count
from reports.cli.runs import add_run_commands
from reports.cli.serving import add_serve_command
from reports.cli.sharing import add_share_commands

__all__ = [
    "Parents",
    "add_comparing_commands",
    "add_merge_command",
    "add_page_commands",
    "add_run_commands",
    "add_serve_command",
    "add_share_commands",
    "count",
]
