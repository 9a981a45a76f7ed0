"""What the commands' parsers have in common."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from vocabulary import OneLineParser, usual_runs_dir


def _where() -> OneLineParser:
    parser = OneLineParser(add_help=False)
    parser.add_argument(
        "--runs-dir",
        type=Path,
        metavar="DIR",
        default=usual_runs_dir(),
        help="folder of the runs (default: MEMORYBENCH_RUNS_DIR or %(default)s)",
    )
    parser.add_argument(
        "--checkpoint-url", metavar="URL", help="the runs of this database too: what pytest bench was given"
    )
    return parser


def _which() -> OneLineParser:
    parser = OneLineParser(add_help=False)
    parser.add_argument("run", metavar="RUN", help="a run's id, or last for the one that was begun last")
    return parser


@dataclass(frozen=True)
class Parents:
    """Parsers to build on: `where` has ``--runs-dir`` and ``--checkpoint-url``, `which` has ``RUN``."""

    where: OneLineParser = field(default_factory=_where)
    which: OneLineParser = field(default_factory=_which)


def count(text: str) -> int:
    """A number of 1 or more, for argparse."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)
