"""LoCoMo: ten conversations between two people over months, 1,986 questions about them.

Its categories are numbers without names in the data; their meanings here are those of the paper's tables, proved by
their question counts. Many publications permute them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

from bench.base import AnswerMetric, Benchmark, BenchmarkInfo, BenchmarkOptions, opaque_id
from bench.benchmarks.locomo.corrected_key import CorrectedKey, read_corrected_key
from bench.benchmarks.locomo.evidence import evidence_of
from bench.benchmarks.locomo.session_dates import parse_session_date
from bench.data import download_command, each_key_once, find_file, other_kind, read_manifest
from vocabulary import Case, DataError, Gold, Haystack, Message, Question, Role, Session

NOT_ANSWERABLE = "not answerable"

_CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
_ADVERSARIAL = 5

Record = dict[str, Any]  # any: parsed JSON, each field is checked where it is read
T = TypeVar("T")


class _Turn(NamedTuple):
    id: str
    speaker: str
    role: Role
    text: str
    caption: str | None


class _Talk(NamedTuple):
    id: str
    date: str
    turns: list[_Turn]


@dataclass(frozen=True, slots=True)
class _Conversation:
    """A sample's sessions as plain values: messages become pydantic objects when somebody reads them."""

    sample: str
    haystack: str
    talks: list[_Talk]
    session_of: dict[str, str]


class LoCoMo(Benchmark):
    """LoCoMo: every question a case, every conversation a haystack shared by its questions.

    With ``--locomo-key corrected`` answers and evidence of 156 questions are those of an audit; with ``both`` each gold
    has its correction beside it (`Gold.corrected`).
    """

    name: ClassVar[str] = "locomo"
    types: ClassVar[tuple[str, ...]] = tuple(_CATEGORIES.values())
    official_answer: ClassVar[AnswerMetric | None] = "locomo_official"
    paper_metrics: ClassVar[tuple[str, ...]] = ("mem0_paper_f1", "mem0_paper_bleu1")
    dataset: ClassVar[str | None] = "locomo"
    family: ClassVar[str] = "locomo"
    protocol: ClassVar[str] = "locomo-lenient"

    def __init__(self, options: BenchmarkOptions) -> None:
        super().__init__(options)
        manifest = read_manifest(self.name)
        found = find_file(manifest, manifest.files[0], options.data)
        self._conversations: dict[str, _Conversation] = {}
        self._cases: list[Case] = []
        self._unknown_evidence: list[str] = []
        self._without_trap: list[str] = []
        try:
            self._load(_parse(found.path))
        except DataError as error:
            command = download_command(manifest, manifest.files[0], options.data)
            raise DataError(f"{found.path}: {error}. Mend it, or get the published file with `{command}`.") from error
        self._info = BenchmarkInfo(
            name=self.name,
            variant=found.path.stem,
            sha256=found.sha256,
            verified=found.verified,
            licence=manifest.licence,
            citation=manifest.citation,
            notes=found.notes,
        )
        remarks = () if options.locomo_key == "original" else self._correct(read_corrected_key(options))
        notes = (*self._info.notes, *self._remarks(), *remarks)
        self._info = self._info.model_copy(update={"notes": notes})

    @property
    def info(self) -> BenchmarkInfo:
        """What this is, for reports and fingerprints."""
        return self._info

    def cases(self) -> Sequence[Case]:
        """All questions, in the file's order."""
        return tuple(self._cases)

    def haystack(self, haystack_id: str) -> Haystack:
        """The conversation of that id; `DataError` if this file has none."""
        conversation = self._conversations.get(haystack_id)
        if conversation is None:
            raise DataError(f"locomo has no haystack {haystack_id!r}; its haystacks: {', '.join(self._conversations)}.")
        return Haystack(haystack_id, len(conversation.talks), partial(_sessions, conversation.talks))

    def _load(self, samples: list[Any]) -> None:  # any: parsed JSON, not checked yet
        seen: set[str] = set()
        for index, sample in enumerate(samples):
            if not isinstance(sample, dict):
                raise DataError(f"sample {index} is {_kind(sample)} instead of an object")
            name = _field(sample, "sample_id", str, f"sample {index}")
            if not re.fullmatch(r"[A-Za-z0-9._-]+", name) or name in seen:
                fault = "appears twice" if name in seen else "holds more than letters, digits, '.', '_' and '-'"
                raise DataError(f"sample {index}: sample_id {name!r} {fault}")
            seen.add(name)
            conversation = _read_conversation(name, _field(sample, "conversation", dict, name))
            self._conversations[conversation.haystack] = conversation
            for number, record in enumerate(_field(sample, "qa", list, name)):
                self._cases.append(self._read_case(conversation, number, record))

    def _read_case(self, conversation: _Conversation, number: int, record: Any) -> Case:  # any: parsed JSON
        where = f"{conversation.sample} qa[{number}]"
        if not isinstance(record, dict):
            raise DataError(f"{where} is {_kind(record)} instead of an object")
        case_id = f"{conversation.sample}-q{number:03d}"
        return Case(
            id=case_id,
            source_id=case_id,
            benchmark=self.name,
            question=Question(id=opaque_id(self.name, case_id), text=_field(record, "question", str, where)),
            gold=self._read_gold(conversation, case_id, record, where),
            haystack=conversation.haystack,
            cluster=conversation.sample,
        )

    def _read_gold(self, conversation: _Conversation, case_id: str, record: Record, where: str) -> Gold:
        category = _field(record, "category", int, where)
        if category not in _CATEGORIES:
            raise DataError(f"{where}: category {category} is none of 1 to {len(_CATEGORIES)}")
        evidence, unknown = evidence_of(_field(record, "evidence", list, where), conversation.session_of, where)
        self._unknown_evidence += [f"{case_id} {name}" for name in unknown]
        adversarial = category == _ADVERSARIAL
        return Gold(
            question_type=_CATEGORIES[category],
            # Two adversarial records carry an answer too ("No"): it is not what the benchmark expects.
            ground_truth=NOT_ANSWERABLE if adversarial else _text_or_number(record, "answer", where),
            answerable=not adversarial,
            **evidence,
            category=category,
            trap=self._trap(record, case_id, where) if adversarial else None,
        )

    def _trap(self, record: Record, case_id: str, where: str) -> str | None:
        """What an adversarial question wants to hear; nothing is measured by it, so that it may be missing."""
        try:
            return _text_or_number(record, "adversarial_answer", where)
        except DataError:
            self._without_trap.append(case_id)
            return None

    def _correct(self, key: CorrectedKey) -> tuple[str, ...]:
        """Put the golds of `key` in the place of the published ones, or beside them; what is to be said of it."""
        number_of = {one.sample: number for number, one in enumerate(self._conversations.values())}
        by_audit = {
            f"locomo_{number_of[case.cluster]}_qa{int(case.id.rpartition('-q')[2])}": case for case in self._cases
        }
        session_of = {name: conversation.session_of for name, conversation in self._conversations.items()}
        golds, both = key.apply(by_audit, session_of), self.options.locomo_key == "both"
        for place, case in enumerate(self._cases):
            if gold := golds.get(case.id):
                gold = case.gold.model_copy(update={"corrected": gold}) if both else gold
                self._cases[place] = case.model_copy(update={"gold": gold})
        changes: dict[str, object] = {
            "notes": (*self._info.notes, *key.notes),
            "verified": self._info.verified and key.verified,
        }
        if both:
            changes["corrected_key"] = key.sha256
        else:
            digest = hashlib.sha256(f"{self._info.sha256}\n{key.sha256}".encode()).hexdigest()
            changes |= {"variant": f"{self._info.variant}, corrected key", "sha256": digest}
            self._unknown_evidence = [one for one in self._unknown_evidence if one.partition(" ")[0] not in golds]
        self._info = self._info.model_copy(update=changes)
        return tuple(key.remarks(by_audit))

    def _remarks(self) -> Iterator[str]:
        blank = [case.id for case in self._cases if not case.question.text.strip()]
        empty = [case.id for case in self._cases if case.gold.answerable and not case.gold.ground_truth.strip()]
        for ids, what in (
            (blank, "questions without any text, asked as published"),
            (empty, "questions whose ground truth is empty, counted as published"),
            (self._without_trap, "adversarial questions without an adversarial answer"),
        ):
            if ids:
                yield f"{what}: {len(ids)} ({'; '.join(ids[:10])})"
        if self._unknown_evidence:
            which = "; ".join(self._unknown_evidence[:10])
            yield f"evidence references that name no message, left out: {len(self._unknown_evidence)} ({which})"
        bare = sum(not case.gold.evidence_messages for case in self._cases)
        if bare:
            yield f"questions without evidence, left out of retrieval metrics: {bare} of {len(self._cases):,}"
        asked = Counter((case.cluster, case.gold.category, case.question.text) for case in self._cases)
        repeated: Counter[str] = Counter()
        for (cluster, _, _), times in asked.items():
            repeated[cluster] += times - 1
        for cluster, times in sorted((+repeated).items()):
            yield f"questions of {cluster} that repeat an earlier one word for word, counted as published: {times}"


def _parse(path: Path) -> list[Any]:  # any: parsed JSON, not checked yet
    try:
        content = path.read_bytes()
        if kind := other_kind(content[:1000]):
            raise DataError(kind)
        samples = json.loads(content, object_pairs_hook=each_key_once)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"not valid JSON ({error}), is it cut off?") from error
    if not isinstance(samples, list) or not samples:
        raise DataError(f"holds {_kind(samples)} instead of a list of samples")
    return samples


def _read_conversation(sample: str, record: Record) -> _Conversation:
    roles: dict[str, Role] = {
        _field(record, "speaker_b", str, sample): "assistant",
        _field(record, "speaker_a", str, sample): "user",
    }
    # The lists say which sessions there are: conv-26 has dates of 16 sessions that never took place.
    numbers = sorted(int(key.removeprefix("session_")) for key in record if re.fullmatch(r"session_\d+", key))
    if not numbers:
        raise DataError(f"{sample} has no session_1, session_2, …")
    talks = [_read_talk(sample, record, number, roles) for number in numbers]
    session_of: dict[str, str] = {}
    for talk in talks:
        for turn in talk.turns:
            if turn.id in session_of:
                raise DataError(f"{sample} session {talk.id}: dia_id {turn.id!r} was there before")
            session_of[turn.id] = talk.id
    digest = hashlib.sha256(json.dumps(talks, separators=(",", ":")).encode()).hexdigest()
    readable = re.sub(r"[^A-Za-z0-9]+", "-", sample)[:24].strip("-")
    return _Conversation(sample, f"{readable}-{digest[:12]}", talks, session_of)


def _read_talk(sample: str, record: Record, number: int, roles: dict[str, Role]) -> _Talk:
    where = f"{sample} session_{number}"
    try:
        date = parse_session_date(_field(record, f"session_{number}_date_time", str, sample))
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    turns = _field(record, f"session_{number}", list, sample)
    if not turns:
        raise DataError(f"{where} has no turns")
    return _Talk(
        f"D{number}",
        date.isoformat(),
        [_read_turn(turn, roles, f"{where}[{index}]") for index, turn in enumerate(turns)],
    )


def _read_turn(record: Any, roles: dict[str, Role], where: str) -> _Turn:  # any: parsed JSON
    if not isinstance(record, dict):
        raise DataError(f"{where} is {_kind(record)} instead of an object")
    speaker = _field(record, "speaker", str, where)
    if speaker not in roles:
        raise DataError(f"{where}: speaker {speaker!r} is neither of {', '.join(roles)}")
    caption = _field(record, "blip_caption", str, where) if "blip_caption" in record else None
    text = _field(record, "text", str, where)
    return _Turn(_field(record, "dia_id", str, where), speaker, roles[speaker], text, caption or None)


def _sessions(talks: list[_Talk]) -> Iterator[Session]:
    for talk in talks:
        messages = tuple(Message(**turn._asdict()) for turn in talk.turns)
        yield Session(id=talk.id, date=datetime.fromisoformat(talk.date), messages=messages)


def _field(record: Record, key: str, kind: type[T], where: str) -> T:
    if key not in record:
        raise DataError(f"{where}: {key!r} is missing")
    value = record[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{where}: {key!r} is {_kind(value)} instead of {kind.__name__}")
    return value


def _text_or_number(record: Record, key: str, where: str) -> str:
    """Answers are text, but for six that are integers."""
    return str(record[key]) if type(record.get(key)) is int else _field(record, key, str, where)


def _kind(value: object) -> str:
    return f"{type(value).__name__} {value!r:.60}"
