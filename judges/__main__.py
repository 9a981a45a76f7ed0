"""``python -m judges``: how far a judge can be trusted.

Exit status: 0 done, 1 it could not be done, 2 it was asked for wrongly; errors are one line on the error stream.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from judges import open_judge
from judges.base import Judge
from llms.clients import read_options
from vocabulary import ConfigurationError, MemoryBenchError, OneLineParser, usual_runs_dir

PROTOCOL = "locomo-strict"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    chosen = _argument_parser().parse_args(arguments)
    try:
        _audit_published(chosen) if chosen.on == "published" else _audit(chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    except ConfigurationError as error:
        return _fail(error, 2)
    except (MemoryBenchError, OSError) as error:
        return _fail(error, 1)
    return 0


def _argument_parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m judges", description="The judges: how far one can be trusted.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    audit = commands.add_parser("audit", help="grade answers with known labels by a judge")
    audit.add_argument("--judge", required=True, metavar="NAME", help="any that pytest --judge takes")
    audit.add_argument(
        "--judge-protocol",
        metavar="PROTOCOL",
        help=f"by which rules it grades (default: {PROTOCOL}, or those of the run that it is attached to)",
    )
    audit.add_argument(
        "--model-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of requests to its language model",
    )
    audit.add_argument(
        "--on",
        choices=("labelled", "published"),
        default="labelled",
        help="the suite's own labelled answers, or imported ones with their publishers' grades (default: %(default)s)",
    )
    audit.add_argument("runs", nargs="*", metavar="RUN", help="--on published: imports (default: all in --runs-dir)")
    audit.add_argument("--limit", type=_count, metavar="N", help="only N answers, of all kinds alike")
    audit.add_argument("--in-flight", type=_count, metavar="N", default=8, help="calls under way at once (default: 8)")
    audit.add_argument("--json", type=Path, metavar="FILE", help="write the figures and all verdicts here")
    audit.add_argument("--attach", metavar="RUN", help="put the figures into the report of a run, or of the last")
    audit.add_argument(
        "--runs-dir",
        type=Path,
        metavar="DIR",
        default=usual_runs_dir(),
        help="folder of the runs (default: MEMORYBENCH_RUNS_DIR or %(default)s)",
    )
    return parser


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _audit(chosen: argparse.Namespace) -> None:
    from judges.audit import accepting_everything, audit_of, grade
    from judges.audit_set import audit_items, some_of
    from judges.audit_table import audit_json, audit_lines
    from reports.report import attach_audit, run_folder

    if chosen.runs:
        raise ConfigurationError(f"{chosen.runs[0]}: only --on published takes runs.")
    if chosen.attach and chosen.limit:
        raise ConfigurationError("--attach takes an audit of all answers: leave --limit out.")
    folder = run_folder(chosen.runs_dir, chosen.attach) if chosen.attach else None
    judge = _judge(chosen, folder)
    items = some_of(audit_items(), chosen.limit) if chosen.limit else audit_items()
    graded = asyncio.run(grade(judge, items, chosen.in_flight, _tell(len(items))))
    audit = audit_of(judge, graded)
    for line in audit_lines(audit, accepting_everything(judge, items), graded):
        print(line)
    if chosen.json:
        chosen.json.write_text(audit_json(audit, graded), encoding="utf-8")
    if folder:
        print(f"attached to {attach_audit(folder, audit)}")


def _audit_published(chosen: argparse.Namespace) -> None:
    from judges.audit import grade
    from judges.audit_table import table_lines
    from judges.published import audit_published, published_json, published_rows, read_sets

    if chosen.attach:
        raise ConfigurationError("--attach takes an audit on the suite's own labelled answers: leave --on out.")
    audits, verdicts = [], []
    for one in read_sets(chosen.runs_dir, chosen.runs):
        judge = _open(chosen).for_protocol(chosen.judge_protocol or one.protocol)
        items = one.some(chosen.limit) if chosen.limit else one.answers
        graded = asyncio.run(grade(judge, items, chosen.in_flight, _tell(len(items))))
        audits.append(audit_published(judge, one, graded))
        verdicts += graded
        wrong = ", all wrong on purpose" if one.all_wrong else ""
        print(f"judge {judge.name} ({judge.protocol}) on {len(items):,} answers: {one.name}{wrong}")
        for line in table_lines([*published_rows(audits[-1])], left=1):
            print(f"  {line}")
    if chosen.json:
        chosen.json.write_text(published_json(audits, verdicts), encoding="utf-8")


def _open(chosen: argparse.Namespace) -> Judge:
    judge = open_judge(chosen.judge, read_options(chosen.model_option, "judge"))
    if chosen.model_option and judge.model is None:
        raise ConfigurationError(f"--model-option {chosen.model_option[0]}: judge {judge.name!r} is no language model.")
    return judge


def _judge(chosen: argparse.Namespace, folder: Path | None) -> Judge:
    """The judge with the rules that it is to grade by: if the audit is for a run, those that it judged the run by."""
    judge = _open(chosen)
    if folder is None:
        return judge.for_protocol(chosen.judge_protocol or PROTOCOL)
    from reports.report import judged_by

    used = judged_by(folder, judge.name)
    detail = f"{judge.name} judged run {folder.name} by {' and '.join(used)}"
    if len(used) > 1 and not chosen.judge_protocol:
        raise ConfigurationError(f"{detail}: choose with --judge-protocol.")
    judge = judge.for_protocol(chosen.judge_protocol or used[0])
    if judge.protocol not in used:
        raise ConfigurationError(f"{detail}, not by {judge.protocol}: an audit by other rules says nothing about it.")
    return judge


def _tell(items: int) -> Callable[[int], None] | None:
    """A counter on a terminal; nothing anywhere else."""
    if not sys.stderr.isatty():
        return None

    def tell(done: int) -> None:
        print(f"{done}/{items}", end="\r" if done < items else "\r\033[K", file=sys.stderr, flush=True)

    return tell


def _fail(reason: object, status: int) -> int:
    print(f"python -m judges: {' '.join(str(reason).split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no "…" gets a "?"
    sys.exit(main())
