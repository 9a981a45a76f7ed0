"""``export``, ``summary``, ``comment``, ``board``, ``bundle`` and ``verify``."""

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
    comment = commands.add_parser("comment", parents=both, help="a finished run as the comment of a pull request")
    comment.add_argument("--baseline", metavar="RUN", help="compare with a run, a report.json or a baseline file")
    comment.add_argument("--key", default="", help="tells this comment from those of other jobs")
    comment.add_argument("--details", metavar="URL", help="address of the job")
    comment.set_defaults(lines=_comment)
    board = commands.add_parser("board", help="a leaderboard of many reports, as HTML and JSON")
    board.add_argument("paths", nargs="+", type=Path, metavar="DIR", help="folders of runs, runs, or report.json files")
    board.add_argument(
        "--output", type=Path, metavar="DIR", default=Path("board"), help="folder of both files (default: %(default)s)"
    )
    board.set_defaults(lines=_board)
    bundle = commands.add_parser("bundle", parents=both, help="a finished run as one file that others can check")
    bundle.add_argument("--output", type=Path, metavar="FILE", help="the zip file (default: RUN.zip)")
    bundle.add_argument("--anyway", action="store_true", help="although it holds what looks like a key")
    bundle.set_defaults(lines=_bundle)
    about = "check a bundle and compute its figures again; exit status 1 if they differ"
    verify = commands.add_parser("verify", help=about)
    verify.add_argument("file", type=Path, metavar="FILE", help="a bundle")
    verify.add_argument("--max-gb", type=float, default=4.0, metavar="N", help="unpack no more than this (%(default)s)")
    verify.set_defaults(lines=_verify)


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


def _comment(chosen: argparse.Namespace) -> Iterator[str]:
    from reports.compare import compare_runs, sides_of
    from reports.report import find_baseline, read_report, run_folder
    from reports.share import comment

    report = read_report(run_folder(chosen.runs_dir, chosen.run))
    comparisons = uncompared = None
    if chosen.baseline:
        try:
            sides = sides_of([chosen.baseline, report.run.id], [], lambda text: find_baseline(text, chosen.runs_dir))
            comparisons = compare_runs(sides)
        except ConfigurationError as error:
            uncompared = str(error)
    yield from comment(report, chosen.key, comparisons, uncompared, chosen.details)


def _board(chosen: argparse.Namespace) -> Iterator[str]:
    from reports.share import board_page, make_board, new_file

    board = make_board(chosen.paths)
    try:
        chosen.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make {chosen.output}: {error.strerror}. Name another folder.") from error
    for name, text in (("board.html", board_page(board)), ("board.json", board.model_dump_json(indent=2) + "\n")):
        with new_file(chosen.output / name) as file:
            file.write(text.encode())
        yield str(chosen.output / name)
    yield from (f"left out: {one.path}: {one.reason}" for one in board.left_out)


def _bundle(chosen: argparse.Namespace) -> Iterator[str]:
    from reports.report import run_folder
    from reports.share import Secrets, write_bundle

    folder = run_folder(chosen.runs_dir, chosen.run)
    output = chosen.output or Path(f"{folder.name}.zip")
    files = write_bundle(folder, output, secrets=None if chosen.anyway else Secrets())
    size = output.stat().st_size / 1e6
    yield f"{output}: {files} files, {size:.1f} MB; check it with: python -m reports verify {output}"


def _verify(chosen: argparse.Namespace) -> Iterator[str]:
    from reports.share import verify_bundle

    found = verify_bundle(chosen.file, chosen.max_gb)
    yield from found.differences
    if found.differences:
        chosen.status = 1
        yield f"differs: run {found.run} is not what its bundle says"
    else:
        yield f"verified: run {found.run}, {found.figures} values computed again from {found.questions} questions"
    yield from (f"note: {remark}" for remark in found.remarks)


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
