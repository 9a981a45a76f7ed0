"""FactConsolidation: numbered facts of which later ones overrule earlier ones (`docs/factconsolidation.md`).

A part of MemoryAgentBench. Eight rows of 100 questions share four lists: the single-hop and the multi-hop questions of
a size are about the same facts, so that each list is one haystack.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import BaseModel, StrictStr, TypeAdapter, ValidationError

from bench.base import AnswerMetric, Benchmark, BenchmarkInfo, BenchmarkOptions, opaque_id
from bench.data import download_command, find_file, other_kind, read_manifest
from vocabulary import (
    Case,
    DataError,
    DataMissingError,
    Gold,
    Haystack,
    Message,
    Question,
    Session,
    clean_json,
    estimate_tokens,
)

SESSION_TOKENS = 4096
"""How large a session is at most: the official code hands the list to a memory system in chunks of this size."""

_SOURCE = re.compile(r"factconsolidation_(sh|mh)_(\d+k)")
_TYPES = {"sh": "single-hop", "mh": "multi-hop"}
_NO_EVIDENCE = "the data name no evidence: retrieval is not scored"


class _Metadata(BaseModel):
    source: StrictStr
    qa_pair_ids: list[StrictStr]


class _Row(BaseModel):
    context: StrictStr
    questions: list[StrictStr]
    answers: list[list[StrictStr]]
    metadata: _Metadata


_ROWS = TypeAdapter(list[_Row])


class _FactList(NamedTuple):
    """A list as the file has it: its facts become messages when somebody reads them."""

    haystack: str
    facts: tuple[str, ...]
    sessions: tuple[range, ...]


class FactConsolidation(Benchmark):
    """All eight rows; ``-k`` takes a size (6k, 32k, 64k, 262k) or a type."""

    name: ClassVar[str] = "factconsolidation"
    types: ClassVar[tuple[str, ...]] = tuple(_TYPES.values())
    official_answer: ClassVar[AnswerMetric | None] = "substring_exact_match"
    own_judge: ClassVar[str | None] = "substring_exact_match"
    dataset: ClassVar[str | None] = "factconsolidation"
    family: ClassVar[str] = "factconsolidation"

    def __init__(self, options: BenchmarkOptions) -> None:
        super().__init__(options)
        manifest = read_manifest(self.name)
        found = find_file(manifest, manifest.files[0], options.data)
        self._lists: dict[str, _FactList] = {}
        self._cases: list[Case] = []
        try:
            for number, row in enumerate(_read_rows(found.path)):
                self._add(row, f"row {number} ({row.metadata.source})")
        except DataMissingError:
            raise
        except DataError as error:
            command = download_command(manifest, manifest.files[0], options.data)
            raise DataError(f"{found.path}: {error}. Mend it, or get the published file with `{command}`.") from error
        self._info = BenchmarkInfo(
            name=self.name,
            variant=found.path.stem.partition("-")[0],
            sha256=found.sha256,
            verified=found.verified,
            licence=manifest.licence,
            citation=manifest.citation,
            notes=(*found.notes, _NO_EVIDENCE),
        )

    @property
    def info(self) -> BenchmarkInfo:
        """What this is, for reports and fingerprints."""
        return self._info

    def cases(self) -> Sequence[Case]:
        """All questions, in the file's order."""
        return tuple(self._cases)

    def haystack(self, haystack_id: str) -> Haystack:
        """The list of that id; `DataError` if this file has none."""
        found = self._lists.get(haystack_id)
        if found is None:
            known = ", ".join(self._lists)
            raise DataError(f"factconsolidation has no haystack {haystack_id!r}; its haystacks: {known}.")
        return Haystack(haystack_id, len(found.sessions), partial(_sessions, found))

    def _add(self, row: _Row, where: str) -> None:
        named = _SOURCE.fullmatch(row.metadata.source)
        if named is None:
            raise DataError(f"{where}: source {row.metadata.source!r} is not like 'factconsolidation_sh_6k'")
        hop, size = named.groups()
        if any(case.id == f"{hop}-{size}-q000" for case in self._cases):
            raise DataError(f"{where}: a row before it has the same source")
        lengths = len(row.questions), len(row.answers), len(row.metadata.qa_pair_ids)
        if len(set(lengths)) != 1:
            raise DataError(f"{where}: {lengths[0]} questions, {lengths[1]} answers and {lengths[2]} qa_pair_ids")
        found = _read_list(row.context, where)
        self._lists[found.haystack] = self._lists.get(found.haystack, found)
        for number, (text, answers) in enumerate(zip(row.questions, row.answers, strict=True)):
            if len(answers) != 1 or not answers[0].strip():
                raise DataError(f"{where}: answers[{number}] is {answers!r:.60} instead of one answer")
            case_id = f"{hop}-{size}-q{number:03d}"
            self._cases.append(
                Case(
                    id=case_id,
                    source_id=row.metadata.qa_pair_ids[number],
                    benchmark=self.name,
                    question=Question(id=opaque_id(self.name, case_id), text=text),
                    gold=Gold(question_type=_TYPES[hop], ground_truth=answers[0], category=hop, groups=(size,)),
                    haystack=found.haystack,
                    cluster=found.haystack,
                )
            )


def _read_rows(path: Path) -> list[_Row]:
    """The rows of the published Parquet file, or of a JSON list of the same rows."""
    try:
        if path.suffix == ".parquet":
            return _ROWS.validate_python(_parquet_rows(path))
        content = path.read_bytes()
        if kind := other_kind(content[:1000]):
            raise DataError(kind)
        return _ROWS.validate_json(clean_json(content))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise DataError(f"{place}: {first['msg']} (found {first['input']!r:.60})") from error


def _parquet_rows(path: Path) -> list[object]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise DataMissingError(f"{path} is a Parquet file, which needs pyarrow: pip install -e '.[parquet]'") from error
    try:
        rows: list[object] = parquet.read_table(path).to_pylist()
    except ArrowException as error:
        raise DataError(f"not a Parquet file ({error})") from error
    return rows


def _read_list(context: str, where: str) -> _FactList:
    """The facts after the heading, in sessions of as many whole facts as there is room for."""
    facts = tuple(context.rstrip("\n").split("\n")[1:])
    for number, fact in enumerate(facts):
        head, _, said = fact.partition(". ")
        if head != str(number) or not said.strip():
            raise DataError(f"{where}: line {number + 2} of the context, {fact!r:.60}, is not fact {number}")
    if not facts:
        raise DataError(f"{where}: the context {context!r:.60} holds no facts")
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
    return _FactList(f"facts-{digest[:16]}", facts, tuple(_divided(facts)))


def _divided(facts: Sequence[str]) -> Iterator[range]:
    begin = tokens = 0
    for number, fact in enumerate(facts):
        size = estimate_tokens(fact)
        if tokens + size > SESSION_TOKENS and number > begin:
            yield range(begin, number)
            begin, tokens = number, 0
        tokens += size
    yield range(begin, len(facts))


def _sessions(found: _FactList) -> Iterator[Session]:
    """Messages keep the numbers of their facts: a reader tells by them which of two holds."""
    for ordinal, numbers in enumerate(found.sessions, start=1):
        messages = (Message(id=f"f{at:05d}", speaker="User", role="user", text=found.facts[at]) for at in numbers)
        yield Session(id=f"s{ordinal:03d}", date=None, messages=tuple(messages))
