"""LoCoMo's key as an audit corrects it: answers and evidence of 156 questions (`docs/locomo.md`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, StrictInt, StrictStr, TypeAdapter, ValidationError

from bench.base import BenchmarkOptions
from bench.benchmarks.locomo.evidence import evidence_of
from bench.data import download_command, find_file, other_kind, read_manifest
from vocabulary import Case, DataError, Gold

CITATION = "WRONG_CITATION"
"""The kind of row that says that the published answer is right, and its evidence is not."""

_REFERS_BACK = "golden answer"
"""A text that says so of the published answer does not repeat it."""


_WAY_OUT = "The corrections fit the published locomo10.json alone: use that, or --locomo-key original."


class _Row(BaseModel):
    question_id: StrictStr
    question: StrictStr
    golden_answer: StrictStr | StrictInt
    error_type: StrictStr
    correct_answer: StrictStr | StrictInt
    correct_evidence: list[StrictStr]


_ROWS = TypeAdapter(list[_Row])


class CorrectedKey(NamedTuple):
    """Corrections by the audit's ids of questions, as in ``locomo_0_qa12``: of conversation 0 and its question 12."""

    path: Path
    sha256: str
    verified: bool
    notes: tuple[str, ...]
    rows: Mapping[str, _Row]

    def apply(self, cases: Mapping[str, Case], session_of: Mapping[str, Mapping[str, str]]) -> dict[str, Gold]:
        """The corrected golds by the ids of cases; `cases` by the audit's ids, `session_of` by haystack and message.

        Raises `DataError` if a row is about none of them, or about another question or answer.
        """
        found: dict[str, Gold] = {}
        for name, row in self.rows.items():
            case = cases.get(name)
            if case is None:
                raise DataError(f"{self.path}: {name} is no question of this data. {_WAY_OUT}")
            published = case.question.text, case.gold.ground_truth
            if published != (row.question, str(row.golden_answer)):
                raise DataError(
                    f"{self.path}: {name} corrects {row.question!r:.60}, which is not {case.id} here. {_WAY_OUT}"
                )
            found[case.id] = _corrected(row, case.gold, session_of[case.haystack])
        return found

    def remarks(self, cases: Mapping[str, Case]) -> Iterator[str]:
        """Each correction, by its kind."""
        by_kind: dict[str, list[str]] = defaultdict(list)
        for name, row in self.rows.items():
            by_kind[row.error_type].append(cases[name].id)
        answers = sum(len(ids) for kind, ids in by_kind.items() if kind != CITATION)
        yield (
            f"key corrected by locomo-audit (sha256 {self.sha256[:12]}): {answers} answers, and of "
            f"{len(by_kind[CITATION])} more the evidence alone"
        )
        for kind, ids in sorted(by_kind.items()):
            yield f"{kind.lower().replace('_', ' ')}: {len(ids)} ({_grouped(ids)})"


def read_corrected_key(options: BenchmarkOptions) -> CorrectedKey:
    """The audit's file; raises `DataMissingError` if it is not there, `DataError` if it is something else."""
    manifest = read_manifest("locomo_audit")
    found = find_file(manifest, manifest.files[0], options.data)
    try:
        content = found.path.read_bytes()
        if kind := other_kind(content[:1000]):
            raise DataError(kind)
        rows = _ROWS.validate_json(content)
        names = [row.question_id for row in rows]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DataError(f"{twice} is there twice")
    except OSError as error:
        raise DataError(f"{found.path} cannot be read: {error.strerror}") from error
    except (ValidationError, DataError) as error:
        reason = error if isinstance(error, DataError) else _first(error)
        command = download_command(manifest, manifest.files[0], options.data)
        raise DataError(f"{found.path}: {reason}. Mend it, or get the published file with `{command}`.") from error
    return CorrectedKey(found.path, found.sha256, found.verified, found.notes, dict(zip(names, rows, strict=True)))


def _corrected(row: _Row, published: Gold, session_of: Mapping[str, str]) -> Gold:
    truth = str(row.correct_answer)
    if row.error_type == CITATION:
        truth = published.ground_truth
    elif _REFERS_BACK in truth:
        truth = f"{published.ground_truth} ({truth})"
    evidence, _unknown = evidence_of(row.correct_evidence, session_of, row.question_id)
    return published.model_copy(update={"ground_truth": truth, **evidence})


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    return f"{place}: {first['msg']} (found {first['input']!r:.60})"


def _grouped(ids: Iterable[str]) -> str:
    """``conv-26 q002 q005; conv-30 q057``: each conversation once."""
    by_sample: dict[str, list[str]] = defaultdict(list)
    for name in ids:
        sample, _, number = name.rpartition("-")
        by_sample[sample].append(number)
    return "; ".join(f"{sample} {' '.join(numbers)}" for sample, numbers in by_sample.items())
