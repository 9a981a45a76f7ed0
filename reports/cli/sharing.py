"""``export`` and ``summary``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from reports.cli.parents import Parents
from vocabulary import ConfigurationError, OneLineParser


def add_share_commands(commands: argparse._SubParsersAction[OneLineParser], parents: Parents) -> None:
    """Add the commands that hand a run to other programs."""
    both = [parents.which, parents.where]
    export = commands.add_parser("export", parents=both, help="a run as a table: a row for each question and provider")
    export.add_argument("--format", choices=("csv", "parquet", "jsonl", "markdown"), default="csv")
    export.add_argument("--output", type=Path, metavar="FILE", help="write this file (default: standard output)")
    export.add_argument("--texts", action="store_true", help="with question, ground truth, answer and explanation")
    export.set_defaults(lines=_export)
    summary = commands.add_parser("summary", parents=both, help="a finished run in Markdown, as CI jobs show it")
    summary.add_argument("--github-summary", action="store_true", help="append it to the file GITHUB_STEP_SUMMARY")
    summary.set_defaults(lines=_summary)


def _export(chosen: argparse.Namespace) -> Iterator[str]:
    from reports.report import read_report, run_folder
    from reports.share import csv_lines, json_lines, rows_of, summary_table, write_parquet
    from reports.store import open_run

    folder = run_folder(chosen.runs_dir, chosen.run)
    if chosen.format == "markdown":
        yield from _written(summary_table(read_report(folder)), chosen.output)
        return
    if chosen.format == "parquet" and chosen.output is None:
        raise ConfigurationError("--format parquet is not text: name a file with --output FILE.")
    report = read_report(folder) if (folder / "report.json").is_file() else None
    with closing(open_run(folder.parent, folder.name)) as checkpoint:
        rows = rows_of(checkpoint, report)
        if chosen.format == "parquet":
            write_parquet(rows, chosen.output, texts=chosen.texts)
            yield str(chosen.output)
        else:
            make = csv_lines if chosen.format == "csv" else json_lines
            yield from _written(make(rows, texts=chosen.texts), chosen.output)


def _summary(chosen: argparse.Namespace) -> Iterator[str]:
    from reports.report import read_report, run_folder
    from reports.share import append_summary, job_summary, newest_failures, summary_file
    from reports.store import open_run

    file = summary_file() if chosen.github_summary else None
    folder = run_folder(chosen.runs_dir, chosen.run)
    with closing(open_run(folder.parent, folder.name)) as checkpoint:
        lines = job_summary(read_report(folder), newest_failures(checkpoint))
    if file is None:
        yield from lines
    else:
        append_summary(file, lines)
        yield str(file)


def _written(lines: Iterator[str], output: Path | None) -> Iterator[str]:
    """`lines`, or the file that they were written to."""
    from reports.share import new_file

    if output is None:
        yield from lines
        return
    with new_file(output) as file:
        for line in lines:
            file.write(f"{line}\n".encode(errors="replace"))
    yield str(output)
