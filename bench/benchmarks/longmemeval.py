"""LongMemEval: 500 questions, each over a chat history of its own, in three sizes (`docs/longmemeval.md`).

The file's session ids tell which sessions hold the answer, so nobody sees them: sessions are numbered in the order of
their dates, and messages by session, speaker and turn (``s012u03`` is turn 3 of session 12, said by the user).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import ClassVar, Literal, NamedTuple

from pydantic import BaseModel, StrictBool, StrictInt, StrictStr, ValidationError

from bench.base import Benchmark, BenchmarkInfo, BenchmarkOptions, opaque_id
from bench.data import (
    Found,
    FoundHaystack,
    Item,
    Place,
    check_file,
    download_command,
    index_file,
    index_folder,
    locate_file,
    read_manifest,
)
from vocabulary import (
    Case,
    DataError,
    EvidenceSource,
    Gold,
    Haystack,
    Message,
    Question,
    Role,
    Session,
    clean_json,
    clean_text,
)

LOADER_VERSION = 2
"""To be raised whenever the same file gives other cases or haystacks: what an index knows is then found anew."""

ABSTENTION_SUFFIX = "_abs"

_DATE = re.compile(r"(\d{4})/(\d\d)/(\d\d) \([A-Z][a-z]{2}\) (\d\d):(\d\d)")
_SPEAKERS: dict[Role, str] = {"user": "User", "assistant": "Assistant"}


class _Turn(BaseModel):
    role: Role
    content: StrictStr
    has_answer: StrictBool = False


class _Instance(BaseModel):
    question_id: StrictStr
    question_type: StrictStr
    question: StrictStr
    answer: StrictStr | StrictInt
    question_date: StrictStr
    haystack_dates: list[StrictStr]
    haystack_session_ids: list[StrictStr]
    haystack_sessions: list[list[_Turn]]
    answer_session_ids: list[StrictStr]


class _Talk(NamedTuple):
    """A session as the file has it: `id` is ours, `source` the file's."""

    id: str
    source: str
    date: datetime
    turns: list[_Turn]


class LongMemEval(Benchmark):
    """What the three sizes have in common: a question, a date and a haystack in each item of the file."""

    types: ClassVar[tuple[str, ...]] = (
        "single-session-user",
        "single-session-assistant",
        "single-session-preference",
        "multi-session",
        "knowledge-update",
        "temporal-reasoning",
    )
    official_retrieval: ClassVar[Literal["longmemeval_official"] | None] = "longmemeval_official"
    official_accuracy: ClassVar[Literal["longmemeval"] | None] = "longmemeval"
    dataset: ClassVar[str | None] = "longmemeval"
    family: ClassVar[str] = "longmemeval"
    protocol: ClassVar[str] = "longmemeval"

    def __init__(self, options: BenchmarkOptions) -> None:
        super().__init__(options)
        manifest = read_manifest("longmemeval")
        published = next(file for file in manifest.files if file.path == self.file)
        path = locate_file(manifest, published, options.data)
        self._seen: set[str] = set()
        kind = f"longmemeval/{LOADER_VERSION}{'/as-of' if options.as_of else ''}"
        try:
            indexed = index_file(path, kind, self._find)
        except DataError as error:
            command = download_command(manifest, published, options.data)
            raise DataError(f"{path}: {error}. Mend it, or get the published file with `{command}`.") from error
        found = check_file(manifest, published, path, indexed.sha256, options.data)
        self._haystacks = indexed.haystacks
        # the sizes share an index: what a question is called and belongs to depends on which of them is asked
        self._cases = tuple(self._named(case) for case in indexed.cases)
        self._info = BenchmarkInfo(
            name=self.name,
            variant=path.stem,
            sha256=found.sha256,
            verified=found.verified,
            licence=manifest.licence,
            citation=manifest.citation,
            notes=(*found.notes, *_remarks(indexed.facts, options.as_of)),
        )

    @property
    def info(self) -> BenchmarkInfo:
        """What this is, for reports and fingerprints."""
        return self._info

    def cases(self) -> Sequence[Case]:
        """All questions, in the file's order, which is grouped by type."""
        return self._cases

    def haystack(self, haystack_id: str) -> Haystack:
        """The history of that id, read from the file when it is asked for its sessions."""
        place = self._haystacks.get(haystack_id)
        if place is None:
            raise DataError(f"{self.name} has no haystack {haystack_id!r}: with these settings it has others.")
        return Haystack(haystack_id, place.sessions, partial(_read, haystack_id, place, self.options.as_of))

    def _find(self, item: Item) -> Found:
        """What the index keeps of an item."""
        instance = _parse(item)
        where = f"item {item.number} ({instance.question_id})"
        if instance.question_id in self._seen or not re.fullmatch(r"[A-Za-z0-9._-]+", instance.question_id):
            fault = "appears twice" if instance.question_id in self._seen else "holds other than letters, digits, ._-"
            raise DataError(f"{where}: question_id {instance.question_id!r} {fault}")
        self._seen.add(instance.question_id)
        if instance.question_type not in self.types:
            known = ", ".join(self.types)
            raise DataError(f"{where}: question_type {instance.question_type!r} is none of {known}")
        asked = _parse_date(instance.question_date, where)
        every = _talks(instance, where)
        talks = [talk for talk in every if talk.date <= asked] if self.options.as_of else every
        haystack = _haystack_id(talks)
        gold = _gold(instance, talks)
        case = Case(
            id=instance.question_id,
            source_id=instance.question_id,
            benchmark=self.name,
            question=Question(id="", text=instance.question, date=asked),
            gold=gold,
            haystack=haystack,
            cluster=instance.question_id,
        )
        facts = _facts(instance, every, asked)
        if self.options.as_of:
            facts["evidence dropped"] = len(_gold(instance, every).evidence_sessions) - len(gold.evidence_sessions)
        return Found(cases=(case,), haystacks=(FoundHaystack(haystack, len(talks)),), facts=facts)

    def _named(self, case: Case) -> Case:
        question = case.question.model_copy(update={"id": opaque_id(self.name, case.id)})
        return case.model_copy(update={"benchmark": self.name, "question": question})


class LongMemEvalOracle(LongMemEval):
    """The evidence sessions alone: what a perfect retrieval of sessions would leave to be read."""

    name: ClassVar[str] = "longmemeval_oracle"
    file: ClassVar[str | None] = "longmemeval/longmemeval_oracle.json"


class LongMemEvalS(LongMemEval):
    """About 48 sessions and 120,000 tokens a question; the cleaned release."""

    name: ClassVar[str] = "longmemeval_s"
    file: ClassVar[str | None] = "longmemeval/longmemeval_s_cleaned.json"


class LongMemEvalM(LongMemEval):
    """About 500 sessions and 1.5 million tokens a question; the cleaned release."""

    name: ClassVar[str] = "longmemeval_m"
    file: ClassVar[str | None] = "longmemeval/longmemeval_m_cleaned.json"


def _parse(item: Item) -> _Instance:
    try:
        return _Instance.model_validate(item.value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the item"
        name = item.value.get("question_id") if isinstance(item.value, dict) else None
        where = f"item {item.number}" + (f" ({name})" if name else "")
        raise DataError(f"{where}: {place}: {first['msg']} (found {first['input']!r:.60})") from error


def _parse_date(text: str, where: str) -> datetime:
    """A date as the file writes it, ``2023/04/10 (Mon) 23:07``; it has no time zone."""
    if match := _DATE.fullmatch(text.strip()):
        try:
            return datetime(*(int(part) for part in match.groups()))  # type: ignore[arg-type]  # five numbers
        except ValueError:
            pass  # such as 31 June: said below, with the text as it stands
    raise DataError(f"{where}: date {text!r} is not like '2023/04/10 (Mon) 23:07'")


def _talks(instance: _Instance, where: str) -> list[_Talk]:
    """The sessions in the order of their dates, those of one moment as the file has them."""
    lengths = (len(instance.haystack_sessions), len(instance.haystack_dates), len(instance.haystack_session_ids))
    if len(set(lengths)) != 1:
        raise DataError(f"{where}: {lengths[0]} haystack_sessions, {lengths[1]} dates and {lengths[2]} session ids")
    dates = [_parse_date(text, where) for text in instance.haystack_dates]
    order = sorted(range(len(dates)), key=dates.__getitem__)
    return [
        _Talk(f"s{number:03d}", instance.haystack_session_ids[at], dates[at], instance.haystack_sessions[at])
        for number, at in enumerate(order, start=1)
    ]


def _haystack_id(talks: list[_Talk]) -> str:
    digest = sha256()
    for talk in talks:
        digest.update(f"\x1e{talk.id}\x1f{talk.date.isoformat()}".encode())
        for turn in talk.turns:
            digest.update(f"\x1d{turn.role}\x1f{clean_text(turn.content)}".encode())
    return f"lme-{digest.hexdigest()[:16]}"


def _gold(instance: _Instance, talks: list[_Talk]) -> Gold:
    wanted = set(instance.answer_session_ids)
    sessions = {talk.source: talk.id for talk in reversed(talks) if talk.source in wanted}
    return Gold(
        question_type=instance.question_type,
        ground_truth=str(instance.answer),
        answerable=not instance.question_id.endswith(ABSTENTION_SUFFIX),
        evidence_messages=tuple(
            _message_id(talk, number, turn)
            for talk in talks
            for number, turn in enumerate(talk.turns, start=1)
            if turn.has_answer
        ),
        evidence_sessions=tuple(sorted(sessions.values())),
        evidence_sources=tuple(
            EvidenceSource(source=name, ids=(sessions[name],) if name in sessions else ())
            for name in instance.answer_session_ids
        ),
        category=instance.question_type,
    )


def _facts(instance: _Instance, talks: list[_Talk], asked: datetime) -> Counter[str]:
    late = sum(talk.date > asked for talk in talks)
    known = {talk.source for talk in talks}
    return +Counter(
        {
            "late sessions": late,
            "questions with late sessions": late > 0,
            "empty turns": sum(not turn.content.strip() for talk in talks for turn in talk.turns),
            "haystacks with a repeated session": len(known) < len(talks),
            "unknown evidence": sum(name not in known for name in instance.answer_session_ids),
        }
    )


def _remarks(facts: Counter[str], as_of: bool) -> Iterator[str]:
    if late := facts["questions with late sessions"]:
        what = f"sessions dated after their question: {facts['late sessions']:,}, of {late} questions"
        lost = f"dropped by --as-of, {facts['evidence dropped']} evidence sessions among them"
        yield f"{what}; {lost if as_of else 'kept, as published (--as-of drops them)'}"
    if repeated := facts["haystacks with a repeated session"]:
        yield f"haystacks that hold a session twice, as published: {repeated}"
    if empty := facts["empty turns"]:
        yield f"turns without any text, left out: {empty}"
    if unknown := facts["unknown evidence"]:
        yield f"evidence sessions that are in no haystack, left out: {unknown}"


def _read(haystack_id: str, place: Place, as_of: bool) -> Iterator[Session]:
    """Parse at once, and make the sessions as they are asked for."""
    try:
        instance = _Instance.model_validate_json(clean_json(place.read()))
        asked = _parse_date(instance.question_date, instance.question_id)
        talks = _talks(instance, instance.question_id)
    except (ValidationError, DataError) as error:
        raise _changed(place) from error
    kept = [talk for talk in talks if talk.date <= asked] if as_of else talks
    if _haystack_id(kept) != haystack_id:
        raise _changed(place)
    return map(_session, kept)


def _changed(place: Place) -> DataError:
    return DataError(
        f"{place.file} is no longer the file that was indexed, though it has its size and time. "
        f"Delete {index_folder()}, and run again."
    )


def _session(talk: _Talk) -> Session:
    messages = tuple(
        Message(id=_message_id(talk, number, turn), speaker=_SPEAKERS[turn.role], role=turn.role, text=turn.content)
        for number, turn in enumerate(talk.turns, start=1)
        if turn.content.strip()
    )
    return Session(id=talk.id, date=talk.date, messages=messages)


def _message_id(talk: _Talk, number: int, turn: _Turn) -> str:
    return f"{talk.id}{turn.role[0]}{number:02d}"
