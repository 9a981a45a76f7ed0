"""Writing what a run leaves behind, so that a half-written file never stands where a good one should."""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import BaseModel, JsonValue
from pydantic_core import PydanticSerializationError, to_jsonable_python

from reports.audits import AUDITS, Audits, read_audits
from reports.build import build_report
from reports.conformance import Checked, conformance_of, conformance_path
from reports.gate import Threshold
from reports.model import Report
from reports.records import ContainerRecord, QuestionRecord, RunRecord, Step
from reports.story import outcome
from schema import CheckpointError, SearchResult, Verdict, Word

REPORT = "report.json"
RESULTS = "results.jsonl"
HYPOTHESES = "hypotheses.jsonl"


class ResultLine(Word):
    """A line of results.jsonl: everything about one question. `answer` is the hypothesis."""

    question_id: str
    source_id: str
    provider: str
    benchmark: str
    question_type: str
    question: str
    question_date: datetime | None
    ground_truth: str
    answerable: bool
    category: int | str | None
    groups: tuple[str, ...]
    evidence_messages: tuple[str, ...]
    evidence_sessions: tuple[str, ...]
    haystack: str
    cluster: str
    outcome: str
    results: tuple[SearchResult, ...] | None
    answer: str | None
    verdict: Verdict | None
    replayed: bool
    steps: tuple[Step, ...]


def write_report(folder: Path, report: Report) -> Path:
    """Write ``report.json`` into `folder` and return its path; raises `schema.CheckpointError` if it cannot be."""
    with _Draft(folder / REPORT) as draft:
        draft.write(_json(report, indent=2))
    return folder / REPORT


def write_audits(folder: Path, audits: Audits) -> Path:
    """Write ``judge_audit.json`` into `folder` and return its path; raises `schema.CheckpointError` if it cannot be."""
    with _Draft(folder / AUDITS) as draft:
        draft.write(_json(audits, indent=2))
    return folder / AUDITS


def write_checked(runs_dir: Path, checked: Checked) -> Path:
    """Write what the conformance kit knows of a provider and return the path of the file.

    Raises `schema.CheckpointError` if it cannot be written.
    """
    path = conformance_path(runs_dir, checked.provider.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        told = f"cannot make {path.parent}: {error.strerror}. Choose another folder with --runs-dir."
        raise CheckpointError(told) from error
    with _Draft(path) as draft:
        draft.write(_json(checked, indent=2))
    return path


def write_run(
    folder: Path,
    run: RunRecord,
    questions: Iterable[QuestionRecord],
    containers: Iterable[ContainerRecord],
    *,
    thresholds: Sequence[Threshold] = (),
    max_errors: int | None = None,
) -> Report:
    """Build the report of `run` and write all its files into `folder`, reading each iterable once.

    Audits of its judges that were attached before stay attached; what the conformance kit found out about its providers
    is read from beside the folder.

    Raises `schema.CheckpointError` if that cannot be done; each file is then either the former or the new one, whole.
    """
    with record_files(folder, run) as keep:
        kept = _handing_on(questions, keep)
        report = build_report(run, kept, containers, thresholds=thresholds, max_errors=max_errors)
        report = report.with_audits(read_audits(folder)).with_conformance(partial(conformance_of, folder.parent))
    write_report(folder, report)
    return report


@contextmanager
def record_files(folder: Path, run: RunRecord) -> Iterator[Callable[[QuestionRecord], None]]:
    """Files with a line for each question: ``results.jsonl`` and, where questions were to be answered, hypotheses.

    Yields what each record is to be handed to. The files stand in `folder` only when the block has ended well; until
    then, and if it ends otherwise, the former ones do. Hypotheses hold the two fields of LongMemEval's official script;
    with several pairs of provider and benchmark each pair has a file of its own. Raises `schema.CheckpointError`.
    """
    with ExitStack() as stack:
        results = stack.enter_context(_Draft(folder / RESULTS))
        hypotheses = _Hypotheses(folder, stack)
        answering = run.until in ("answer", "judge")

        def keep(record: QuestionRecord) -> None:
            results.write(_json(_line(record)))
            if answering:
                hypotheses.keep(record)

        yield keep
        hypotheses.settle()


def _handing_on(
    questions: Iterable[QuestionRecord], keep: Callable[[QuestionRecord], None]
) -> Iterator[QuestionRecord]:
    for record in questions:
        keep(record)
        yield record


class _Draft:
    """A file that takes its place only when it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")

    def __enter__(self) -> Self:
        try:
            self._file: BinaryIO = self._temporary.open("wb")
        except OSError as error:
            raise self._failure(error) from error
        return self

    def write(self, line: str) -> None:
        """Add a line."""
        try:
            self._file.write(line.encode() + b"\n")
        except OSError as error:
            raise self._failure(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._temporary.replace(self.path)
        except OSError as error:
            raise self._failure(error) from error
        finally:
            with suppress(OSError):  # what could not be flushed cannot be on closing either, and has been told
                self._file.close()
            with suppress(OSError):
                self._temporary.unlink(missing_ok=True)

    def _failure(self, error: OSError) -> CheckpointError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            way_out = "Free some space, or choose another folder with --runs-dir"
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            way_out = "Make the folder writable, or choose another with --runs-dir"
        else:
            way_out = "See to the folder, or choose another with --runs-dir"
        why = error.strerror or str(error)
        return CheckpointError(f"cannot write {self.path}: {why}. {way_out}; what the checkpoint holds is not lost.")


class _Hypotheses:
    """The hypotheses of each pair, in files whose names are known only when all pairs are."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.drafts: dict[tuple[str, str], _Draft] = {}

    def keep(self, record: QuestionRecord) -> None:
        pair = (record.provider, record.case.benchmark)
        if pair not in self.drafts:
            self.drafts[pair] = self.stack.enter_context(_Draft(self._path(pair)))
        if record.answer is not None:
            line = {"question_id": record.case.source_id, "hypothesis": _writable(record.answer.hypothesis)}
            self.drafts[pair].write(json.dumps(line, ensure_ascii=False))

    def settle(self) -> None:
        """Give the file of a single pair its plain name."""
        if len(self.drafts) == 1:
            next(iter(self.drafts.values())).path = self.folder / HYPOTHESES

    def _path(self, pair: tuple[str, str]) -> Path:
        stem = "hypotheses-" + "-".join(re.sub(r"[^A-Za-z0-9._-]+", "_", name) for name in pair)
        taken = {draft.path.name for draft in self.drafts.values()}
        number = 1
        while (name := f"{stem}-{number}.jsonl" if number > 1 else f"{stem}.jsonl") in taken:
            number += 1
        return self.folder / name


def _line(record: QuestionRecord) -> ResultLine:
    case, gold = record.case, record.case.gold
    return ResultLine(
        question_id=case.id,
        source_id=case.source_id,
        provider=record.provider,
        benchmark=case.benchmark,
        question_type=gold.question_type,
        question=case.question.text,
        question_date=case.question.date,
        ground_truth=gold.ground_truth,
        answerable=gold.answerable,
        category=gold.category,
        groups=gold.groups,
        evidence_messages=gold.evidence_messages,
        evidence_sessions=gold.evidence_sessions,
        haystack=case.haystack,
        cluster=case.cluster,
        outcome=outcome(record),
        results=record.results,
        answer=None if record.answer is None else record.answer.hypothesis,
        verdict=record.verdict,
        replayed=record.replayed,
        steps=record.steps,
    )


def _json(model: BaseModel, indent: int | None = None) -> str:
    try:
        return model.model_dump_json(indent=indent)
    except PydanticSerializationError:
        # A lone surrogate: providers and models may return one, UTF-8 cannot hold it.
        plain = _writable(to_jsonable_python(model))
        return json.dumps(plain, indent=indent, ensure_ascii=False, separators=(",", ": " if indent else ":"))


def _writable(value: JsonValue) -> JsonValue:
    """`value` without what JSON in UTF-8 cannot hold: lone surrogates become "?", numbers that are none become null."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_writable(one) for one in value]
    if isinstance(value, dict):
        return {str(_writable(key)): _writable(one) for key, one in value.items()}
    return value
