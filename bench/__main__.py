"""``python -m bench``: which benchmarks and providers there are, what is in them, and getting the data.

Exit status: 0 done, 1 it could not be done, 2 it was asked for wrongly; errors are one line on the error stream.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from bench.base import Benchmark, BenchmarkOptions
from registry import declared_names, known_classes
from vocabulary import ConfigurationError, MemoryBenchError, OneLineParser, UnknownNameError, usual_runs_dir

_SELECTION = {
    "--context-size": "context_size",
    "--category": "category",
    "--evidence": "evidence",
    "--all": "everything",
}
_KEPT = "; what has come is kept: the same command goes on from there"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    parser = _argument_parser()
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        parser.print_help()
        return 0
    try:
        if chosen.command in _OWN_DATA:
            return _OWN_DATA[chosen.command](chosen)
        if chosen.command == "check-provider":
            from bench.cli import check_provider

            return check_provider(chosen.file, chosen.options)
        _download(chosen) if chosen.command == "download" else _show_or_clear(chosen)
    except ConfigurationError as error:
        return _fail(error, 2)
    except MemoryBenchError as error:
        return _fail(error, 1)
    except BrokenPipeError:  # who reads has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still wants to write
        return 1
    except KeyboardInterrupt:
        return _fail("interrupted" + (_KEPT if chosen.command == "download" else ""), 1)
    return 0


def _argument_parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m bench",
        description="The benchmarks: which there are, what is in them, their data; and the memory systems to ask.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("list", help="all benchmarks: whether their data is here, its size and licence")
    describe = commands.add_parser("describe", help="one benchmark in figures, with its licence and citation")
    describe.add_argument("name", metavar="NAME")
    memories = commands.add_parser("providers", help="what each memory system does, or what can be set about one")
    memories.add_argument("name", metavar="NAME", nargs="?")
    memories.add_argument("--markdown", action="store_true", help="print a Markdown table, with all columns")
    check = commands.add_parser(
        "check-provider", help="run the conformance kit for a service that a TOML file describes"
    )
    check.add_argument("file", metavar="FILE", help="the file, or an example by its name, such as http:letta")
    check.add_argument("options", metavar="…", nargs=argparse.REMAINDER, help="options of pytest, such as -n 3")
    clear = commands.add_parser("clear", help="remove what a run stored in its memory systems")
    clear.add_argument("run", metavar="RUN", help="its id, or last")
    clear.add_argument(
        "--runs-dir", metavar="DIR", default=usual_runs_dir(), help="where runs are (default: %(default)s)"
    )
    clear.add_argument("--checkpoint-url", metavar="URL", help="the run is in this database")
    shared = commands.add_parser(
        "cache", help="what runs with --cache share: its size, whether it is whole, clearing it"
    )
    shared.add_argument("action", choices=("stats", "clear", "verify"))
    shared.add_argument("folder", metavar="DIR", type=Path)
    shared.add_argument("--older-than", metavar="DAYS", type=float, default=0.0, help="clear what was not used so long")
    _add_own_data(commands)
    publish = commands.add_parser("import", help="make a run of answers that others published, to judge them here")
    publish.add_argument("files", metavar="FILE", type=Path, nargs="+")
    publish.add_argument("--run-id", metavar="ID", help="name of the run (default: by the time)")
    publish.add_argument("--benchmark", metavar="NAME", help="what they answer, where the file leaves it open")
    publish.add_argument("--name", metavar="NAME", help="whose answers they are, as published:NAME")
    publish.add_argument("--all-wrong", action="store_true", help="each answer is wrong on purpose")
    publish.add_argument(
        "--runs-dir", metavar="DIR", type=Path, default=usual_runs_dir(), help="where runs are (default: %(default)s)"
    )
    fetch = commands.add_parser("download", help="get a benchmark's data and check it")
    fetch.add_argument("name", metavar="NAME")
    fetch.add_argument("--to", metavar="DIR", type=Path, help="put it here instead of datasets/")
    some = fetch.add_argument_group("which files of a data set that has thousands (each can be given several times)")
    several: dict[str, Any] = {"action": "append", "default": []}  # any: argparse's own keywords
    some.add_argument("--context-size", metavar="N", type=int, help="haystacks of N conversations", **several)
    some.add_argument("--category", metavar="NAME", help="a category's folder, such as user_evidence", **several)
    some.add_argument("--evidence", metavar="N", type=int, help="questions about N evidence messages", **several)
    some.add_argument("--all", dest="everything", action="store_true", help="whatever their context size")
    return parser


def _add_own_data(commands: Any) -> None:  # any: argparse's own type of sub-commands is private
    check = commands.add_parser("check", help="what is wrong in your own data set, and what it lacks")
    check.add_argument("dataset", metavar="PATH", type=Path, nargs="?")
    check.add_argument("--schema", action="store_true", help="print the JSON Schema of the format instead")
    example = commands.add_parser(
        "new-dataset", help="write a small data set to begin with, and a page about its fields"
    )
    example.add_argument("folder", metavar="FOLDER", type=Path)
    convert = commands.add_parser("convert", help="transcripts to sessions: chat messages, ChatGPT's export, Markdown")
    convert.add_argument("files", metavar="FILE", type=Path, nargs="+")
    convert.add_argument("--format", choices=("chatgpt", "markdown", "openai"), help="by default it is recognized")
    convert.add_argument("--haystack", metavar="NAME", help="whose sessions they are; by default the name of each file")
    convert.add_argument("--to", metavar="FILE", type=Path, help="write them here instead of printing them")
    draft = commands.add_parser("draft-questions", help="questions that a language model proposes and you decide about")
    draft.add_argument("dataset", metavar="PATH", type=Path)
    draft.add_argument("--model", metavar="NAME", help="what drafts; without it the accepted drafts become questions")
    draft.add_argument("--model-option", metavar="NAME=VALUE", action="append", default=[], help="as of pytest bench")
    draft.add_argument("--judge", metavar="NAME", default="lexical", help="of answers without the conversations")
    draft.add_argument("--questions", metavar="N", type=_count, default=10, help="for each haystack (%(default)s)")
    draft.add_argument("--haystack", metavar="NAME", action="append", help="only for these (repeatable)")
    draft.add_argument("--context-tokens", metavar="N", type=_count, default=30_000, help="of a request (%(default)s)")
    draft.add_argument("--in-flight", metavar="N", type=_count, default=8, help="requests at once (%(default)s)")
    draft.add_argument("--drafts", metavar="FILE", type=Path, help="the CSV of drafts, by default PATH.drafts.csv")
    draft.add_argument("--review", action="store_true", help="decide about the drafts in the terminal")
    draft.add_argument("--to", metavar="FILE", type=Path, help="the CSV of accepted questions, by default beside PATH")


def _check(chosen: argparse.Namespace) -> int:
    if chosen.schema:
        from bench.benchmarks.own import dataset_schema

        print(dataset_schema(), end="")
        return 0
    if chosen.dataset is None:
        raise ConfigurationError("check: name a data set, or ask for --schema.")
    from bench.cli import check_dataset

    lines, faults = check_dataset(chosen.dataset)
    _print(lines)
    return 1 if faults else 0


def _new_dataset(chosen: argparse.Namespace) -> int:
    from bench.cli import write_example

    _print(write_example(chosen.folder))
    return 0


def _convert(chosen: argparse.Namespace) -> int:
    from bench.cli import convert_transcripts

    try:
        with chosen.to.open("x", encoding="utf-8") if chosen.to else nullcontext(sys.stdout) as out:
            for line in convert_transcripts(chosen.files, chosen.format, chosen.haystack, out):
                print(line, file=sys.stderr)
    except FileExistsError as error:
        raise ConfigurationError(f"{chosen.to} exists. Name a new file.") from error
    except OSError as error:
        raise ConfigurationError(f"{chosen.to} cannot be written: {error.strerror}.") from error
    except MemoryBenchError:
        if chosen.to:
            chosen.to.unlink(missing_ok=True)  # half of a data set looks like a whole one
        raise
    return 0


def _draft_questions(chosen: argparse.Namespace) -> int:
    from bench.cli.draft_command import draft_command  # imports what calls models

    draft_command(chosen)
    return 0


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


_OWN_DATA = {
    "check": _check,
    "convert": _convert,
    "draft-questions": _draft_questions,
    "new-dataset": _new_dataset,
}


def _show_or_clear(chosen: argparse.Namespace) -> None:
    from bench import cli
    from bench.pipeline import find_benchmarks
    from providers import Provider, find_provider

    if chosen.command == "list":
        others = (find_benchmarks(name, _options()) for name in declared_names("bench.benchmarks"))
        found = (*(benchmark.each(_options()) for benchmark in _benchmarks().values()), *others)
        _print(cli.list_benchmarks([kind for kinds in found for kind in kinds], _options()))
    elif chosen.command == "describe":
        for benchmark in find_benchmarks(chosen.name, _options()):
            _print(cli.describe_benchmark(benchmark, _options()))
    elif chosen.command == "providers":
        table = cli.markdown if chosen.markdown else cli.terminal_table
        if chosen.name:
            _print(cli.provider_settings_table(find_provider(chosen.name), table))
        else:
            declared = {name: find_provider(name) for name in declared_names("providers")}
            _print(table(cli.provider_rows({**known_classes(Provider, "providers"), **declared})))
    elif chosen.command == "import":
        fields = {name: getattr(chosen, name) for name in cli.ImportRequest._fields}
        cli.import_answers(cli.ImportRequest(**fields), _options(), partial(print, flush=True))
    elif chosen.command == "cache":
        _print(cli.cache_lines(chosen.action, chosen.folder, chosen.older_than))
    else:
        if chosen.checkpoint_url:
            from reports.store import adopt_runs

            adopt_runs(Path(chosen.runs_dir), chosen.checkpoint_url)
        cli.clear_run(Path(chosen.runs_dir), chosen.run, partial(print, flush=True))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)


def _options() -> BenchmarkOptions:
    own = os.environ.get("MEMORYBENCH_DATASET", "").split(",")
    return BenchmarkOptions(data=os.environ.get("MEMORYBENCH_DATA") or None, dataset=tuple(filter(None, own)))


def _benchmarks() -> dict[str, type[Benchmark]]:
    return dict(sorted(known_classes(Benchmark, "bench.benchmarks").items()))


def _download(chosen: argparse.Namespace) -> None:
    from bench.data import ListingPart, Selection, download, download_part, find_download

    name, say = chosen.name, partial(print, flush=True)
    try:
        manifest, asked = find_download(name)
    except UnknownNameError:
        if name not in _benchmarks():
            raise
        print(f"{name} is generated: there is nothing to download.")
        return
    if isinstance(asked, ListingPart):
        selection = Selection(
            context_size=chosen.context_size,
            category=chosen.category,
            evidence=chosen.evidence,
            everything=chosen.everything,
        )
        download_part(manifest, asked, selection, chosen.to, say)
        return
    given = [option for option, field in _SELECTION.items() if getattr(chosen, field)]
    if given:
        raise ConfigurationError(f"{name} has no parts to choose from: leave {', '.join(given)} out.")
    if manifest.listing:
        parts = ", ".join(part.name for part in manifest.listing.parts)
        raise ConfigurationError(f"{name} comes in parts; say which: {parts}.")
    download(manifest, chosen.to, say, files=None if asked is None else [asked])


def _fail(reason: object, status: int) -> int:
    print(f"python -m bench: {' '.join(str(reason).split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
