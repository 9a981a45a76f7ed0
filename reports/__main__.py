"""``python -m reports``: which runs there are, how far one is, and what was not answered right.

Exit status: 0 done, 2 it was asked for wrongly or cannot be read; errors are one line on the error stream.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from vocabulary import MemoryBenchError, OneLineParser, usual_runs_dir


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    parser = _argument_parser()
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        parser.print_help()
        return 0
    from reports.show.commands import lines_of

    try:
        for line in lines_of(chosen):
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    except MemoryBenchError as error:
        print(f"python -m reports: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _argument_parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m reports", description="The runs: which there are, how far they are, what failed."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    where = OneLineParser(add_help=False)
    where.add_argument(
        "--runs-dir",
        type=Path,
        metavar="DIR",
        default=usual_runs_dir(),
        help="folder of the runs (default: MEMORYBENCH_RUNS_DIR or %(default)s)",
    )
    which = OneLineParser(add_help=False)
    which.add_argument("run", metavar="RUN", help="a run's id, or last for the one that was begun last")
    commands.add_parser("list", parents=[where], help="all runs, a line each")
    commands.add_parser("status", parents=[which, where], help="how far a run is, also while it is going on")
    shown = commands.add_parser(
        "show-failures", parents=[which, where], help="the stories of what was not answered right, and of errors"
    )
    shown.add_argument("--limit", type=_count, metavar="N", help="only the first N")
    shown.add_argument("--type", metavar="TYPE", help="only questions of this type")
    shown.add_argument("--provider", metavar="NAME", help="only this provider's")
    shown.add_argument("--question", metavar="ID", help="only this question, whatever became of it")
    shown.add_argument("--errors-only", action="store_true", help="only questions that ended in an error")
    shown.add_argument("--full", action="store_true", help="all search results, and nothing cut")
    schema = commands.add_parser("schema", help="the JSON Schema of report.json, or of results.jsonl")
    schema.add_argument("file", nargs="?", choices=("report.json", "results.jsonl"), default="report.json")
    return parser


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no "…" gets a "?"
    sys.exit(main())
