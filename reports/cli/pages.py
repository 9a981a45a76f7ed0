"""``html``: runs as pages."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from reports.cli.parents import Parents, count
from vocabulary import OneLineParser


def add_page_commands(commands: argparse._SubParsersAction[OneLineParser], parents: Parents) -> None:
    """Add the command that writes report.html anew."""
    html = commands.add_parser("html", parents=[parents.where], help="write report.html of runs anew")
    html.add_argument("run", metavar="RUN", nargs="+", help="a run's id, or last for the one that was begun last")
    html.add_argument(
        "--results", type=count, default=10, metavar="N", help="search results of each question (default: %(default)s)"
    )
    html.set_defaults(lines=_lines)


def _lines(chosen: argparse.Namespace) -> Iterator[str]:
    from reports.html import write_html
    from reports.report import REPORT, run_folder, write_recorded

    for run_id in chosen.run:
        folder = run_folder(chosen.runs_dir, run_id)
        if not (folder / REPORT).is_file():  # of a run that another machine finished, or that goes on
            write_recorded(folder)
        yield str(write_html(folder, kept=chosen.results))
