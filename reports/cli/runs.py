"""``list``, ``status``, ``show-failures`` and ``schema``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from reports.cli.parents import Parents, count
from vocabulary import OneLineParser

FILES = ("report.json", "results.jsonl", "baseline.json", "comparison.json")
"""What there is a JSON Schema of."""


def add_run_commands(commands: argparse._SubParsersAction[OneLineParser], parents: Parents) -> None:
    """Add the commands that list runs, say how far one is, and show what failed in it."""
    where, which = parents.where, parents.which
    listed = commands.add_parser("list", parents=[where], help="all runs, a line each")
    status = commands.add_parser("status", parents=[which, where], help="how far a run is, also while it is going on")
    shown = commands.add_parser(
        "show-failures", parents=[which, where], help="the stories of what was not answered right, and of errors"
    )
    shown.add_argument("--limit", type=count, metavar="N", help="only the first N")
    shown.add_argument("--type", metavar="TYPE", help="only questions of this type")
    shown.add_argument("--provider", metavar="NAME", help="only this provider's")
    shown.add_argument("--question", metavar="ID", help="only this question, whatever became of it")
    shown.add_argument("--errors-only", action="store_true", help="only questions that ended in an error")
    shown.add_argument("--full", action="store_true", help="all search results, and nothing cut")
    schema = commands.add_parser("schema", help="the JSON Schema of report.json, or of another file")
    schema.add_argument("file", nargs="?", choices=FILES, default="report.json")
    for parser in (listed, status, shown, schema):
        parser.set_defaults(lines=_lines)


def _lines(chosen: argparse.Namespace) -> Iterator[str]:
    from reports.cli.printed import lines_of

    return lines_of(chosen)
