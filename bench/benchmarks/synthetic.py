"""The synthetic benchmark: facts planted in filler talk, at any size, made while it is read (`docs/synthetic.md`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Final

from bench.base import Benchmark, BenchmarkInfo, BenchmarkOptions
from bench.benchmarks.synthetic_facts import PLANNERS, Draw, Plan, Setting, hearsay
from bench.benchmarks.synthetic_talk import (
    CLOSINGS,
    MENTIONS,
    OPENINGS,
    PLACE_MENTIONS,
    REACTIONS,
    SLOTS,
    SMALL_TALK,
    SPEAKERS,
    TOPIC_MENTIONS,
    TOPICS,
)
from vocabulary import Case, ConfigurationError, DataError, Gold, Haystack, Message, Question, Session

GENERATOR_VERSION: Final = 1
"""To be raised whenever any text, date or id that the generator makes changes."""

MAX_QUESTIONS: Final = 100_000
"""So many have names of their own, with enough left for the talk about others."""

LAST_DAY: Final = date(2025, 12, 31)
DAYS_A_SESSION: Final = 3
MAX_DAYS: Final = 12 * 365
WAKING_MINUTES: Final = 14 * 60
"""Sessions begin between 8 and 22 o'clock."""

REACTION, SMALL_TALK_LINE, HEARSAY = 15, 70, 85
"""Of a hundred filler messages, those before the first are reactions, before the second small talk, before the third
facts about others; the rest mention somebody whom a question asks about, and say nothing of it."""


class Calendar:
    """When each of `sessions` sessions begins: in order, about three days apart, closer if there are very many."""

    def __init__(self, key: str, sessions: int) -> None:
        self._key = key
        self._sessions = sessions
        days = min(sessions * DAYS_A_SESSION, MAX_DAYS)
        self._minutes = days * WAKING_MINUTES
        self._first = datetime.combine(LAST_DAY - timedelta(days=days), time(8))

    def began(self, session: int) -> datetime:
        """When session `session` (from 0) begins, to the minute; never before the one that precedes it."""
        start = session * self._minutes // self._sessions
        end = (session + 1) * self._minutes // self._sessions
        digest = hashlib.sha256(f"{self._key}/date/{session}".encode()).digest()
        day, minute = divmod(start + int.from_bytes(digest[:8], "big") % max(1, end - start), WAKING_MINUTES)
        return self._first + timedelta(days=day, minutes=minute)

    def day(self, session: int) -> date:
        """The day of `began`."""
        return self.began(session).date()


class Talk:
    """The haystack as text: any session, at any time, from its number alone."""

    def __init__(self, options: BenchmarkOptions) -> None:
        self.sessions = options.synthetic_sessions
        self._seed = f"synthetic/{GENERATOR_VERSION}/{options.synthetic_seed}"
        self.key = f"{self._seed}/{self.sessions}/{options.synthetic_questions}"
        self.calendar = Calendar(self.key, self.sessions)
        self._setting = Setting.of(self._seed, options.synthetic_questions, self.sessions, self.calendar.day)
        self.plans = [self._plan(index) for index in range(options.synthetic_questions)]
        self._planted: dict[int, list[tuple[int, int]]] = {}
        for number, plan in enumerate(self.plans):
            for place, (session, _) in enumerate(plan.facts):
                self._planted.setdefault(session, []).append((number, place))
        self._message_ids = {
            what: self._message_id(session, place)
            for session in self._planted
            for place, what in self._layout(session)[2].items()
        }
        draw = Draw(f"{self._seed}/speakers")
        first = draw.below(len(SPEAKERS))
        second = (first + 1 + draw.below(len(SPEAKERS) - 1)) % len(SPEAKERS)
        self._speakers = (SPEAKERS[first], SPEAKERS[second])

    def session(self, number: int) -> Session:
        """Session `number` (from 0)."""
        draw, length, planted = self._layout(number)
        day = self.calendar.began(number)
        turn = draw.below(2)
        messages = []
        for place in range(length):
            turn = 1 - turn
            if place in planted:
                question, fact = planted[place]
                text = self.plans[question].facts[fact][1]
            elif place == 0:
                text = draw.pick(OPENINGS).format(name=self._speakers[1 - turn])
            elif place == length - 1:
                text = draw.pick(CLOSINGS)
            else:
                text = self._filler(draw, day.date())
            messages.append(
                Message(
                    id=self._message_id(number, place),
                    speaker=self._speakers[turn],
                    role="assistant" if turn else "user",
                    text=text,
                )
            )
        return Session(id=self.session_id(number), date=day, messages=tuple(messages))

    def session_id(self, number: int) -> str:
        """The id of session `number` (from 0): its place in the haystack, from 1."""
        return f"s{number + 1:0{max(6, len(str(self.sessions)))}d}"

    def evidence(self, question: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ids of the messages that answer question `question` (from 0), and of their sessions."""
        plan = self.plans[question]
        needed = range(len(plan.facts) - plan.evidence, len(plan.facts))
        messages = [self._message_ids[question, fact] for fact in needed]
        return tuple(messages), tuple(dict.fromkeys(message.partition("m")[0] for message in messages))

    def _message_id(self, session: int, place: int) -> str:
        return f"{self.session_id(session)}m{place + 1:02d}"

    def _plan(self, index: int) -> Plan:
        # Not keyed by the number of sessions: haystacks of all sizes are asked the same questions.
        planners = tuple(PLANNERS.values())
        return planners[index % len(planners)](self._setting, Draw(f"{self._seed}/question/{index}"), index)

    def _layout(self, number: int) -> tuple[Draw, int, dict[int, tuple[int, int]]]:
        """A session's draw after its first steps, its length, and what is planted at which place."""
        draw = Draw(f"{self.key}/session/{number}")
        facts = self._planted.get(number, ())
        length = max(8 + draw.below(5), len(facts) * 3 // 2 + 3)
        free = list(range(1, length - 1)) if facts else []
        planted = {}
        for fact in facts:
            planted[free.pop(draw.below(len(free)))] = fact
        return draw, length, planted

    def _filler(self, draw: Draw, today: date) -> str:
        kind = draw.below(100)
        if kind < REACTION:
            return draw.pick(REACTIONS)
        if kind < SMALL_TALK_LINE:
            return _small_talk(draw)
        if kind < HEARSAY:
            return hearsay(draw, self._setting.people, self._setting.places, today)
        return _mention(draw, draw.pick(self.plans))


def _small_talk(draw: Draw) -> str:
    template = draw.pick(SMALL_TALK)
    if "{" not in template:
        return template
    words = {slot: draw.pick(among) for slot, among in SLOTS.items() if f"{{{slot}}}" in template}
    return template.format(topic=draw.pick(TOPICS), **words)


def _mention(draw: Draw, plan: Plan) -> str:
    if plan.place and draw.chance(0.5):
        return draw.pick(PLACE_MENTIONS).format(x=plan.place)
    who = draw.pick(plan.people)
    if draw.chance(0.5):
        return draw.pick(MENTIONS).format(x=who)
    topic = draw.pick(TOPICS)
    if topic == plan.avoid:
        topic = TOPICS[TOPICS.index(topic) - 1]
    return draw.pick(TOPIC_MENTIONS).format(x=who, topic=topic)


class Synthetic(Benchmark):
    """Questions on facts that were planted in invented talk; no data file, no licence, any size.

    Easy on purpose: it shows how a memory system holds up against scale, not how it does on real conversations.
    """

    name = "synthetic"
    types = tuple(PLANNERS)

    def __init__(self, options: BenchmarkOptions) -> None:
        super().__init__(options)
        if options.synthetic_questions > MAX_QUESTIONS:
            raise ConfigurationError(
                f"synthetic_questions is {options.synthetic_questions}, and there are invented names for at most "
                f"{MAX_QUESTIONS}. Ask for fewer, or run several seeds."
            )
        self._talk = Talk(options)
        self._sha256 = hashlib.sha256(self._talk.key.encode()).hexdigest()

    @property
    def info(self) -> BenchmarkInfo:
        """The generator's settings; `sha256` is of them, which is of the content: the one determines the other."""
        return BenchmarkInfo(
            name=self.name,
            variant=f"{self.options.synthetic_sessions} sessions, seed {self.options.synthetic_seed}",
            sha256=self._sha256,
            verified=True,
            licence="MIT",
            citation="",
            notes=(
                f"version {GENERATOR_VERSION} of the generator, {len(self._talk.plans)} questions",
                "easy on purpose, and no stand-in for real conversations",
            ),
        )

    def cases(self) -> Sequence[Case]:
        """All cases, the five types in turn."""
        return self._cases

    def haystack(self, haystack_id: str) -> Haystack:
        """The only haystack; each session is made when it is read."""
        if haystack_id != self._haystack_id:
            raise DataError(
                f"synthetic has no haystack {haystack_id!r}: with these settings it is {self._haystack_id!r}."
            )
        return Haystack(haystack_id, self.options.synthetic_sessions, self._read)

    def _read(self) -> Iterator[Session]:
        return (self._talk.session(number) for number in range(self.options.synthetic_sessions))

    @property
    def _haystack_id(self) -> str:
        return f"syn-{self._sha256[:12]}"

    @cached_property
    def _cases(self) -> tuple[Case, ...]:
        return tuple(self._case(index) for index in range(len(self._talk.plans)))

    def _case(self, index: int) -> Case:
        plan = self._talk.plans[index]
        case_id = f"syn-q{index:04d}"
        opaque = hashlib.sha256(f"{self._talk.key}/id/{index}".encode()).hexdigest()[:16]
        messages, sessions = self._talk.evidence(index)
        return Case(
            id=case_id,
            source_id=case_id,
            benchmark=self.name,
            question=Question(
                id=f"q{opaque}",
                text=plan.question,
                date=datetime.combine(LAST_DAY + timedelta(days=1), time(12)),
            ),
            gold=Gold(
                question_type=self.types[index % len(self.types)],
                ground_truth=plan.truth,
                answerable=plan.evidence > 0,
                evidence_messages=messages,
                evidence_sessions=sessions,
                trap=plan.trap,
            ),
            haystack=self._haystack_id,
            cluster=case_id,
        )
