"""``merge``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from reports.cli.parents import Parents
from vocabulary import OneLineParser


def add_merge_command(commands: argparse._SubParsersAction[OneLineParser], parents: Parents) -> None:
    """Add the command that makes one run of the shards of a run."""
    about = "one run of the shards that pytest bench --shard made; exit status 1 if its gate is missed"
    merge = commands.add_parser("merge", parents=[parents.where], help=about)
    merge.add_argument("runs", nargs="+", metavar="RUN", help="all shards of the run: their ids, or folders")
    merge.add_argument("--run-id", required=True, metavar="NEW", help="name of the merged run")
    merge.add_argument(
        "--fail-under",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a gate, as in pytest bench (repeatable)",
    )
    merge.add_argument("--max-errors", type=int, metavar="N", help="how many questions may end in an error at a gate")
    merge.set_defaults(lines=_lines)


def _lines(chosen: argparse.Namespace) -> Iterator[str]:
    import shutil

    from reports.merge import merge_shards
    from reports.report import REPORT, gate_lines, parse_threshold
    from reports.show import closing_table
    from vocabulary import ConfigurationError

    if chosen.max_errors is not None and chosen.max_errors < 0:
        raise ConfigurationError(f"--max-errors {chosen.max_errors}: give a number of 0 or more.")
    thresholds = [parse_threshold(text) for text in chosen.fail_under]
    report, folder = merge_shards(
        chosen.runs, chosen.runs_dir, chosen.run_id, thresholds=thresholds, max_errors=chosen.max_errors
    )
    yield closing_table(report, shutil.get_terminal_size((100, 24)).columns)
    if report.gate:
        yield from gate_lines(report.gate)
        chosen.status = 0 if report.gate.met else 1
    yield f"run {chosen.run_id}: {len(chosen.runs)} shards merged; report: {folder / REPORT}"
