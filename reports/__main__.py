"""``python -m reports``: which runs there are, how far one is, and what was not answered right.

Exit status: 0 done, 1 `verify` finds a difference or the gate of `merge` is missed, 2 it was asked for wrongly or
cannot be read; errors are one line on the error stream.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from reports.cli import (
    Parents,
    add_comparing_commands,
    add_merge_command,
    add_page_commands,
    add_run_commands,
    add_serve_command,
    add_share_commands,
)
from vocabulary import MemoryBenchError, OneLineParser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    parser = _argument_parser()
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        parser.print_help()
        return 0
    try:
        if getattr(chosen, "checkpoint_url", None):
            from reports.store import adopt_runs

            adopt_runs(chosen.runs_dir, chosen.checkpoint_url)
        for line in chosen.lines(chosen):
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    except MemoryBenchError as error:
        print(f"python -m reports: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    status: int = getattr(chosen, "status", 0)
    return status


def _argument_parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m reports", description="The runs: which there are, how far they are, what failed."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    parents = Parents()
    add_run_commands(commands, parents)
    add_comparing_commands(commands, parents)
    add_merge_command(commands, parents)
    add_share_commands(commands, parents)
    add_page_commands(commands, parents)
    add_serve_command(commands, parents)
    return parser


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no "…" gets a "?"
    sys.exit(main())
