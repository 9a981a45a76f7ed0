"""``compare`` and ``baseline``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from reports.cli.parents import Parents
from vocabulary import ConfigurationError, OneLineParser


def add_comparing_commands(commands: argparse._SubParsersAction[OneLineParser], parents: Parents) -> None:
    """Add the commands that compare runs, and that make a file of one to compare with."""
    compared = commands.add_parser(
        "compare", parents=[parents.where], help="what differs between runs, and which questions flipped"
    )
    compared.add_argument(
        "runs", nargs="+", metavar="RUN",
        help="the baseline and the runs to compare with it: an id, a folder, a report.json, a baseline file; "
        "RUN/PROVIDER for one provider; A1 A2 vs B1 B2 for repeats",
    )  # fmt: skip
    compared.add_argument("--provider", action="append", default=[], metavar="NAME", help="only this one (repeatable)")
    compared.add_argument("--anyway", action="store_true", help="although judge or data differ")
    form = compared.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    form.add_argument("--html", type=Path, metavar="FILE", help="write a page of HTML")
    baseline = commands.add_parser(
        "baseline", parents=[parents.which, parents.where], help="a small file of a run for --baseline, on stdout"
    )
    compared.set_defaults(lines=_compared)
    baseline.set_defaults(lines=_baseline)


def _compared(chosen: argparse.Namespace) -> Iterator[str]:
    import shutil
    import sys

    from reports.compare import compare_runs, comparison_page, markdown_lines, sides_of, terminal_lines
    from reports.pages import write_page
    from reports.report import find_baseline

    sides = sides_of(chosen.runs, chosen.provider, lambda text: find_baseline(text, chosen.runs_dir))
    comparisons = compare_runs(sides, anyway=chosen.anyway)
    if chosen.json:
        yield comparisons.model_dump_json(indent=2)
    elif chosen.markdown:
        yield from markdown_lines(comparisons)
    elif chosen.html:
        try:
            write_page(chosen.html, comparison_page(comparisons))
        except OSError as error:
            raise ConfigurationError(f"--html {chosen.html} cannot be written: {error.strerror}.") from error
        yield f"comparison: {chosen.html}"
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        yield from terminal_lines(comparisons, width, colour=sys.stdout.isatty())


def _baseline(chosen: argparse.Namespace) -> Iterator[str]:
    from reports.differences import baseline_text
    from reports.report import check_baseline, find_baseline

    baseline = find_baseline(chosen.run, chosen.runs_dir)
    check_baseline(baseline)
    yield baseline_text(baseline).rstrip("\n")
