"""``python -m tuner``: search for better settings of a memory system, and say honestly what was found.

Exit status: 0 done, 2 it was asked for wrongly or cannot be done; errors are one line on the error stream.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from vocabulary import ConfigurationError, MemoryBenchError, OneLineParser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    chosen = _argument_parser().parse_args(arguments)
    try:
        if find_spec("optuna") is None:
            raise ConfigurationError("the tuner needs Optuna: pip install 'memorybench[tuner]', or -e '.[tuner]' here")
        from tuner.commands import run

        for line in run(chosen):
            print(line, flush=True)
    except BrokenPipeError:  # the reader has closed the pipe, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("python -m tuner: interrupted; the same command goes on", file=sys.stderr)
        return 130
    except MemoryBenchError as error:
        print(f"python -m tuner: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _argument_parser() -> OneLineParser:
    parser = OneLineParser(prog="python -m tuner", description="Better settings for a memory system, found honestly.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    searched, kept, named = _searched(), _kept(), OneLineParser(add_help=False)
    named.add_argument("study", metavar="STUDY", help="name of the study")

    space = commands.add_parser("space", parents=[searched], help="what would be searched")
    space.set_defaults(objective=[], until="judge")
    optimize = commands.add_parser("optimize", parents=[searched, kept], help="search, and measure what was found")
    _add_search(optimize)
    worker = commands.add_parser("worker", parents=[named, kept], help="do trials of a study that `optimize` began")
    _add_limits(worker)
    worker.add_argument("--number", type=int, default=1, help="tells workers apart (default: %(default)s)")

    commands.add_parser("list", parents=[kept], help="the studies")
    commands.add_parser("status", parents=[named, kept], help="how far a study is")
    commands.add_parser("best", parents=[named, kept], help="the best trials, and the verdict on held-out questions")
    commands.add_parser("front", parents=[named, kept], help="the trials that none is better than in every objective")
    commands.add_parser("importance", parents=[named, kept], help="which parameters matter most")
    show = commands.add_parser("show", parents=[named, kept], help="all of one trial")
    show.add_argument("trial", type=int, metavar="TRIAL")
    compare = commands.add_parser("compare", parents=[kept], help="the best of several studies side by side")
    compare.add_argument("studies", nargs="+", metavar="STUDY")
    enqueue = commands.add_parser("enqueue", parents=[named, kept], help="have certain settings tried next")
    enqueue.add_argument("settings", nargs="+", metavar="NAME=VALUE")
    export = commands.add_parser("export", parents=[named, kept], help="the settings of a trial as a run accepts them")
    export.add_argument("--trial", type=int, help="which one (default: the recommended one)")
    export.add_argument("--format", choices=("command", "toml", "env"), default="command")
    report = commands.add_parser("report", parents=[named, kept], help="all of a study as one page of HTML")
    report.add_argument("--output", metavar="FILE", help="default: RUNS_DIR/STUDY.html")
    commands.add_parser("delete", parents=[named, kept], help="forget a study; its runs stay, see clean")
    serve = commands.add_parser("serve", parents=[kept], help="studies over HTTP, for programs elsewhere")
    _add_service(serve)
    commands.add_parser("migrate", parents=[kept], help="make the tables of studies in a database, and nothing else")
    commands.add_parser(
        "clean", parents=[named, kept], help="remove the runs of a study's trials, but for the tied best"
    )
    return parser


def _kept() -> OneLineParser:
    parser = OneLineParser(add_help=False)
    parser.add_argument(
        "--storage", metavar="URL", help="journal:FILE (default: RUNS_DIR/studies.journal), postgresql+psycopg://…, …"
    )
    parser.add_argument("--runs-dir", metavar="DIR", help="folder of the runs (default: runs)")
    return parser


def _searched() -> OneLineParser:
    parser = OneLineParser(add_help=False)
    parser.add_argument("--provider", default="bm25", metavar="NAME", help="memory system (default: %(default)s)")
    parser.add_argument("--preset", choices=("quick", "standard", "full"), default="standard",
                        help="settings of the search; of ingest too; of all (default: %(default)s)")  # fmt: skip
    parser.add_argument("--param", action="append", default=[], metavar="NAME=SPEC", help="other bounds or choices")
    parser.add_argument("--space", metavar="FILE", help="the same for several parameters, as TOML")
    parser.add_argument(
        "--provider-option", action="append", default=[], metavar="NAME=VALUE", help="a setting to start from"
    )
    return parser


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-b", "--benchmark", default="synthetic", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--objective", action="append", default=[], metavar="METRIC[:min|:max]",
                        help="accuracy (default), recall@10, context_tokens, …; the first one decides")  # fmt: skip
    parser.add_argument("--constraint", action="append", default=[], metavar="METRIC<=VALUE", help="a limit to keep")
    parser.add_argument("--until", choices=("search", "judge"), default="judge", help="search: retrieval only")
    parser.add_argument("--sampler", choices=("tpe", "gp", "random", "nsgaii", "qmc", "grid"), default="tpe")
    parser.add_argument("--pruner", choices=("wilcoxon", "hyperband", "median", "none"), default=None,
                        help="stops trials that are worse (default: wilcoxon, where it can be)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the sampler")
    parser.add_argument("--part-seed", type=int, default=0, help="divides the haystacks into tune and holdout")
    parser.add_argument(
        "--name", default="", help="name of the study (default: PROVIDER-BENCHMARK); one that exists goes on"
    )
    parser.add_argument("--noise-repeats", type=int, default=3, metavar="N", help="runs of the default settings")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: %(default)s)")
    parser.add_argument("--engine", choices=("local", "ray"), default="local",
                        help="ray: a Ray cluster asks the questions of each trial, without a cache")  # fmt: skip
    parser.add_argument("--ray-address", metavar="HOST:PORT", help="the cluster (default: RAY_ADDRESS, or that here)")
    parser.add_argument("--cache", metavar="DIR", help="step cache that trials share (default: RUNS_DIR/cache)")
    parser.add_argument("--no-cache", action="store_true", help="do every step of every trial")
    parser.add_argument("--no-dead-check", action="store_true", help="search parameters that change nothing too")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE",
                        help="another option of the runs, such as answering_model=… or judge=…")  # fmt: skip
    _add_limits(parser)


def _add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen to (default: %(default)s)")
    parser.add_argument("--port", type=int, default=6180, help="0 is any free one (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=100.0, metavar="N",
                        help="requests a second of each client; 0 is no limit (default: %(default)s)")  # fmt: skip
    parser.add_argument("--dashboard", action="store_true", help="Optuna's dashboard beside it, to be read only")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trials", type=int, default=50, help="trials that end (default: %(default)s)")
    parser.add_argument("--timeout", metavar="TIME", help="such as 90s, 30m or 2h")
    parser.add_argument("--max-usd", type=float, metavar="USD", help="what all runs of the study may cost")


if __name__ == "__main__":
    sys.exit(main())
