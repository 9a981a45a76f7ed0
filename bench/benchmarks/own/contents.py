"""What a user's data set holds: its cases, where each haystack lies, and all that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from bench.base import opaque_id
from bench.benchmarks.own.faults import Fault, faults_of
from bench.benchmarks.own.format import Entry, OwnHaystack, OwnQuestion, OwnSession
from bench.benchmarks.own.records import Record, Spot, read_records
from bench.benchmarks.own.sessions import Ids, Talk
from vocabulary import Case, EvidenceSource, Gold, Question, Word, did_you_mean

UNKNOWN = "The conversation does not say."
"""The ground truth of a question that cannot be answered, where none is written."""

E = TypeVar("E", bound=Entry)


class Place(NamedTuple):
    """Where sessions of a haystack lie: a record of file `file` of the data set."""

    file: int
    spot: Spot


class OwnPlace(Word):
    """A haystack: its hash, the user's name for it, where its sessions lie and when each began."""

    id: str
    name: str
    places: tuple[Place, ...]
    dates: tuple[datetime | None, ...]


class Contents(Word):
    """A data set without faults; `facts` are counts over all of it."""

    cases: tuple[Case, ...]
    haystacks: tuple[OwnPlace, ...]
    facts: dict[str, int]


class _Haystack:
    """A haystack while the files are read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.talk = Talk()
        self.ids = Ids()
        self.places: list[Place] = []
        self.dates: list[datetime | None] = []


class _Asked(NamedTuple):
    """A question, where it stands, and the haystack it stands in."""

    file: Path
    line: int
    field: str
    question: OwnQuestion
    haystack: str | None


class Gathering:
    """Reads the files of a data set called `name`, and keeps what it finds; `faults` has all that is wrong."""

    def __init__(self, name: str, files: Sequence[Path], *, needs_questions: bool = True) -> None:
        self.faults: list[Fault] = []
        self.facts = Counter[str]()
        self._name = name
        self._files = files
        self._haystacks: dict[str, _Haystack] = {}
        self._asked: list[_Asked] = []
        self._names: set[str] = set()
        self._incomplete: set[str] = set()  # haystacks with a fault: what refers to their sessions cannot be checked
        for number, file in enumerate(files):
            self._read(number, file)
        self.cases = tuple(self._cases())
        if not (self.faults or self.cases) and (needs_questions or not self._haystacks):
            lacks = "there is no question in it" if self._haystacks else "there is nothing in it"
            self.faults.append(Fault(files[0], 1, "question", f"{lacks}. A CSV of questions is named by its own path."))

    @property
    def contents(self) -> Contents:
        """What was found."""
        haystacks = [
            OwnPlace(id=one.talk.id, name=one.name, places=tuple(one.places), dates=tuple(one.dates))
            for one in self._haystacks.values()
        ]
        return Contents(cases=self.cases, haystacks=tuple(haystacks), facts=dict(+self.facts))

    def _read(self, number: int, file: Path) -> None:
        for record in read_records(file):
            if isinstance(record, Fault):
                self.faults.append(record)
            elif "sessions" in record.value:
                self._add_haystack(number, file, record)
            elif "messages" in record.value:
                self._add_session(number, file, record)
            elif {"question", "ground_truth", "answerable", "evidence"} & {*record.value}:
                if question := self._parse(OwnQuestion, file, record):
                    self._asked.append(_Asked(file, record.line, "", question, None))
            else:
                fields = ", ".join(record.value) or "nothing"
                message = f"has neither sessions nor messages nor a question, but {fields:.80}"
                self.faults.append(Fault(file, record.line, "line", message))

    def _parse(self, kind: type[E], file: Path, record: Record) -> E | None:
        try:
            return kind.model_validate(record.value)
        except ValidationError as error:
            self.faults += faults_of(error, file, record.line)
            return None

    def _add_haystack(self, number: int, file: Path, record: Record) -> None:
        written = self._parse(OwnHaystack, file, record)
        if written is None:
            self._incomplete.add(str(record.value.get("id", file.stem)))
            return
        by_file = file.suffix.lower() == ".json" and file.stem not in self._haystacks
        name = written.id or (file.stem if by_file else f"h{len(self._haystacks) + 1:03d}")
        if name in self._haystacks:
            self.faults.append(Fault(file, record.line, "id", f"haystack {name!r} is there already"))
            return
        haystack = self._haystacks[name] = _Haystack(name)
        haystack.places.append(Place(number, record.spot))
        for index, session in enumerate(written.sessions):
            if session.haystack is not None:
                field = f"sessions[{index}].haystack"
                self.faults.append(Fault(file, record.line, field, "is for sessions that have a line of their own"))
            self._learn(haystack, session, file, record.line, f"sessions[{index}].")
        for index, question in enumerate(written.questions):
            self._asked.append(_Asked(file, record.line, f"questions[{index}].", question, name))

    def _add_session(self, number: int, file: Path, record: Record) -> None:
        session = self._parse(OwnSession, file, record)
        if session is None:
            self._incomplete.add(str(record.value.get("haystack", file.stem)))
        else:
            name = session.haystack or file.stem
            haystack = self._haystacks.setdefault(name, _Haystack(name))
            haystack.places.append(Place(number, record.spot))
            self._learn(haystack, session, file, record.line, "")

    def _learn(self, haystack: _Haystack, session: OwnSession, file: Path, line: int, field: str) -> None:
        for name, written in haystack.ids.add(session):
            message = f"{written!r} is the id of another message or session of {haystack.name}"
            self.faults.append(Fault(file, line, field + name, message))
        haystack.dates.append(haystack.talk.next(session).date)
        began = haystack.dates
        late = len(began) > 1 and began[-1] is not None and began[-2] is not None and began[-1] < began[-2]
        self.facts.update(
            {
                "sessions": 1,
                "dated sessions": session.began is not None,
                "sessions before their predecessor": late,
                "messages": len(session.messages),
            }
        )

    def _cases(self) -> Iterator[Case]:
        for number, asked in enumerate(self._asked, start=1):
            name = asked.question.id or f"q{number:04d}"
            haystack = self._haystack_of(asked)
            if name in self._names:
                self._fault(asked, "id", f"{name!r} is the id of another question")
            self._names.add(name)
            if haystack:
                yield self._case(asked, name, haystack)

    def _haystack_of(self, asked: _Asked) -> _Haystack | None:
        named = asked.question.haystack
        if asked.haystack is not None and named not in (None, asked.haystack):
            self._fault(asked, "haystack", f"{named!r} is not the haystack {asked.haystack!r} that it stands in")
        name = asked.haystack or named
        if name is None and len(self._haystacks) == 1:
            return next(iter(self._haystacks.values()))
        if name in self._haystacks:
            return self._haystacks[name]
        if name in self._incomplete:
            return None
        known = ", ".join(list(self._haystacks)[:8]) + (", …" if len(self._haystacks) > 8 else "")
        if name is None:
            self._fault(asked, "haystack", f"is missing; the data set has {known or 'no sessions'}")
        else:
            guess = did_you_mean(name, self._haystacks)
            self._fault(asked, "haystack", f"{name!r} is none.{guess} The data set has {known or 'no sessions'}")
        return None

    def _case(self, asked: _Asked, name: str, haystack: _Haystack) -> Case:
        written = asked.question
        sources = tuple(self._source(asked, index, haystack) for index in range(len(written.evidence)))
        ids = dict.fromkeys(id_ for source in sources for id_ in source.ids)
        sessions = dict.fromkeys(id_.partition("m")[0] for id_ in ids)
        # a whole session among them leaves open which of its messages are needed
        messages = tuple(ids) if all("m" in id_ for id_ in ids) else ()
        self.facts.update(
            {
                "questions with evidence": bool(ids) and written.answerable,
                "questions with message evidence": bool(messages) and written.answerable,
                "questions with a type": "type" in written.model_fields_set,
                "questions with a date": written.date is not None,
                "questions with an id": written.id is not None,
                "unanswerable questions": not written.answerable,
                "questions": 1,
                f"drafted by {written.drafted_by}": written.drafted_by is not None,
            }
        )
        case_id = f"{self._name}-{name}"
        gold = Gold(
            question_type=written.type,
            ground_truth=written.ground_truth if written.ground_truth.strip() else UNKNOWN,
            answerable=written.answerable,
            evidence_messages=messages,
            evidence_sessions=tuple(sessions),
            evidence_sources=sources,
            category=written.type,
        )
        return Case(
            id=case_id,
            source_id=name,
            benchmark=self._name,
            question=Question(id=opaque_id(self._name, case_id), text=written.question, date=written.date),
            gold=gold,
            haystack=haystack.talk.id,
            cluster=haystack.name,
        )

    def _source(self, asked: _Asked, index: int, haystack: _Haystack) -> EvidenceSource:
        written = asked.question.evidence[index]
        found = haystack.ids.find(written)
        if found is None and haystack.name not in self._incomplete:
            message = f"{written!r} is no message or session of {haystack.name}"
            self._fault(asked, f"evidence[{index}]", message)
        return EvidenceSource(source=written, ids=(found,) if found else ())

    def _fault(self, asked: _Asked, field: str, message: str) -> None:
        self.faults.append(Fault(asked.file, asked.line, asked.field + field, message))
