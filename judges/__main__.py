"""``python -m judges``: how far a judge can be trusted.

Exit status: 0 done, 1 it could not be done, 2 it was asked for wrongly; errors are one line on the error stream.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from judges import Judge, open_judge
from judges.audit import Graded, accepting_everything, audit_of, grade
from judges.audit_set import AuditItem, audit_items, some_of
from judges.audit_table import audit_lines
from reports import JudgeAudit, attach_audit, judged_by, run_folder
from schema import ConfigurationError, MemoryBenchError

PROTOCOL = "locomo-strict"


class _Parser(argparse.ArgumentParser):
    """argparse that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit status."""
    chosen = _argument_parser().parse_args(arguments)
    try:
        _audit(chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has read enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    except ConfigurationError as error:
        return _fail(error, 2)
    except (MemoryBenchError, OSError) as error:
        return _fail(error, 1)
    return 0


def _argument_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m judges", description="The judges: how far one can be trusted.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    audit = commands.add_parser("audit", help="have a judge grade answers whose worth is known")
    audit.add_argument("--judge", required=True, metavar="NAME", help="any that pytest --judge takes")
    audit.add_argument(
        "--judge-protocol",
        metavar="PROTOCOL",
        help=f"by which rules it grades (default: {PROTOCOL}, or those of the run that it is attached to)",
    )
    audit.add_argument("--limit", type=_count, metavar="N", help="only N answers, of all kinds alike")
    audit.add_argument("--in-flight", type=_count, metavar="N", default=8, help="calls under way at once (default: 8)")
    audit.add_argument("--json", type=Path, metavar="FILE", help="write the figures and all verdicts here")
    audit.add_argument("--attach", metavar="RUN", help="put the figures into the report of a run, or of the last")
    audit.add_argument(
        "--runs-dir",
        type=Path,
        metavar="DIR",
        default=Path(os.environ.get("MEMORYBENCH_RUNS_DIR") or "runs"),
        help="folder of the runs (default: MEMORYBENCH_RUNS_DIR or runs)",
    )
    return parser


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _audit(chosen: argparse.Namespace) -> None:
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
        chosen.json.write_text(_json(judge, audit, graded), encoding="utf-8")
    if folder:
        print(f"attached to {attach_audit(folder, audit)}")


def _judge(chosen: argparse.Namespace, folder: Path | None) -> Judge:
    """The judge with the rules that it is to grade by: if the audit is for a run, those that it judged the run by."""
    judge = open_judge(chosen.judge)
    if folder is None:
        return judge.for_protocol(chosen.judge_protocol or PROTOCOL)
    used = judged_by(folder, judge.name)
    told = f"{judge.name} judged run {folder.name} by {' and '.join(used)}"
    if len(used) > 1 and not chosen.judge_protocol:
        raise ConfigurationError(f"{told}: choose with --judge-protocol.")
    judge = judge.for_protocol(chosen.judge_protocol or used[0])
    if judge.protocol not in used:
        raise ConfigurationError(f"{told}, not by {judge.protocol}: an audit by other rules says nothing about it.")
    return judge


def _tell(items: int) -> Callable[[int], None] | None:
    """A counter on a terminal; nothing anywhere else."""
    if not sys.stderr.isatty():
        return None

    def tell(done: int) -> None:
        print(f"{done}/{items}", end="\r" if done < items else "\r\033[K", file=sys.stderr, flush=True)

    return tell


def _json(judge: Judge, audit: JudgeAudit, graded: Sequence[Graded]) -> str:
    found = {"audit": audit.model_dump(mode="json"), "items": [_row(judge, one.item, one) for one in graded]}
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _row(judge: Judge, item: AuditItem, one: Graded) -> dict[str, str | None]:
    verdict, error = one.verdict, one.error
    return {
        "id": item.id,
        "kind": item.kind,
        "question": item.question.text,
        "ground_truth": item.gold.ground_truth,
        "answer": item.answer.hypothesis,
        "label": item.label(judge.protocol),
        "verdict": verdict.label if verdict else None,
        "explanation": verdict.explanation if verdict else None,
        "error": f"{type(error).__name__}: {error}" if error else None,
    }


def _fail(reason: object, status: int) -> int:
    print(f"python -m judges: {' '.join(str(reason).split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no "…" gets a "?"
    sys.exit(main())
