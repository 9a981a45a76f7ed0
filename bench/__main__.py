"""``python -m bench``: which benchmarks there are, what is in them, and getting their data.

Exit status: 0 done, 1 it could not be done, 2 it was asked for wrongly; errors are one line on the error stream.
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from bench.base import Benchmark, BenchmarkOptions
from bench.data import manifest_names, read_manifest
from bench.download import download
from schema import ConfigurationError, DataError, DataMissingError, MemoryBenchError, find_class, known_classes


class _Parser(argparse.ArgumentParser):
    """argparse that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    parser = _argument_parser()
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "list":
            _list()
        elif chosen.command == "describe":
            _describe(chosen.name)
        else:
            _download(chosen.name, chosen.to)
    except ConfigurationError as error:
        return _fail(error, 2)
    except MemoryBenchError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing unfinished was kept", 1)
    return 0


def _argument_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m bench", description="The benchmarks: which there are, what is in them, their data."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="all benchmarks: whether their data is here, its size and licence")
    describe = commands.add_parser("describe", help="one benchmark in figures, with its licence and citation")
    describe.add_argument("name", metavar="NAME")
    fetch = commands.add_parser("download", help="get a benchmark's data and check it")
    fetch.add_argument("name", metavar="NAME")
    fetch.add_argument("--to", metavar="DIR", type=Path, help="put it here instead of datasets/")
    return parser


def _options() -> BenchmarkOptions:
    return BenchmarkOptions(data=os.environ.get("MEMORYBENCH_DATA") or None)


def _benchmarks() -> dict[str, type[Benchmark]]:
    return dict(sorted(known_classes(Benchmark, "bench").items()))


def _list() -> None:
    rows = [("NAME", "DATA", "QUESTIONS", "SIZE", "LICENCE")]
    faults = []
    published = manifest_names()
    for name, benchmark in _benchmarks().items():
        manifest = read_manifest(name) if name in published else None
        state, questions, licence = "", "-", manifest.terms if manifest else ""
        try:
            loaded = benchmark(_options())
        except DataMissingError as error:
            state = "missing"
            faults.append(str(error))
        except DataError as error:
            state = "faulty"
            faults.append(str(error))
        else:
            state = "generated" if manifest is None else "here" if loaded.info.verified else "unverified"
            questions, licence = f"{len(loaded.cases()):,}", licence or loaded.info.licence
        rows.append((name, state, questions, manifest.size if manifest else "-", licence))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for fault in faults:
        print(f"\n{fault}")


def _describe(name: str) -> None:
    benchmark = find_class("benchmark", name, Benchmark, "bench")(_options())
    info, cases = benchmark.info, benchmark.cases()
    haystacks = [benchmark.haystack(haystack) for haystack in dict.fromkeys(case.haystack for case in cases)]
    messages = sum(len(session.messages) for haystack in haystacks for session in haystack.sessions())
    print(f"{info.name} ({info.variant}), {'as published' if info.verified else 'UNVERIFIED'}")
    print(f"  sha256     {info.sha256}")
    print(f"  licence    {info.licence}")
    print(f"  questions  {len(cases):,}")
    by_type = Counter(case.gold.question_type for case in cases)
    for question_type in benchmark.types:
        print(f"    {question_type:<20} {by_type[question_type]:>7,}")
    print(f"  haystacks  {len(haystacks):,}")
    print(f"  sessions   {sum(haystack.session_count for haystack in haystacks):,}")
    print(f"  messages   {messages:,}")
    for note in info.notes:
        print(f"  note: {note}")
    print(f"  citation:\n{textwrap.indent(info.citation, '    ')}")


def _download(name: str, folder: Path | None) -> None:
    if name not in manifest_names() and name in _benchmarks():
        print(f"{name} is generated: there is nothing to download.")
        return
    download(read_manifest(name), folder, partial(print, flush=True))


def _fail(reason: object, status: int) -> int:
    print(f"python -m bench: {' '.join(str(reason).split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
