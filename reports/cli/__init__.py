"""The commands of ``python -m reports``: a module for each family, which imports what it runs only when it runs."""

from reports.cli.parents import Parents, count
from reports.cli.runs import add_run_commands

__all__ = ["Parents", "add_run_commands", "count"]
