"""``serve``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from reports.cli.parents import Parents
from vocabulary import OneLineParser


def add_serve_command(commands: argparse._SubParsersAction[OneLineParser], parents: Parents) -> None:
    """Add the command that serves the runs as a site."""
    served = commands.add_parser("serve", parents=[parents.where], help="all runs as a site that can only be read")
    served.add_argument("--host", default="127.0.0.1", help="address to listen to (default: %(default)s)")
    served.add_argument("--port", type=int, default=6181, help="0 is any free one (default: %(default)s)")
    served.set_defaults(lines=_lines)


def _lines(chosen: argparse.Namespace) -> Iterator[str]:
    from reports.serve import serve

    serve(
        chosen.runs_dir,
        chosen.host,
        chosen.port,
        checkpoint_url=chosen.checkpoint_url,
        note=lambda line: print(line, flush=True),
    )
    return iter(())
