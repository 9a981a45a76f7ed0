"""How facts are drawn, worded and asked for: each question's plan, and talk of the same kind that answers nothing."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeVar

from bench.benchmarks.synthetic_talk import (
    DAYS_AGO,
    EVENTS,
    FIRST_NAMES,
    LEADS,
    MONTHS,
    PEOPLE,
    PLACE_HEADS,
    PLACE_KINDS,
    PLACE_NOUNS,
    PLACES,
    SURNAME_HEADS,
    SURNAME_TAILS,
    TAILS,
    TO_PEOPLE,
    TO_PLACES,
    WEEKDAYS,
    Attribute,
)

T = TypeVar("T")

PARAPHRASED: Final = 0.35
"""The share of questions that avoid the wording of their facts."""


class Draw:
    """Random choices that are the same on every machine and every version of Python.

    They stand on ``random.Random(int).random()`` alone: the only sequence that Python promises to keep.
    """

    __slots__ = ("_random",)

    def __init__(self, key: str) -> None:
        self._random = random.Random(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")).random

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1."""
        return int(self._random() * n)

    def pick(self, among: Sequence[T]) -> T:
        """One of `among`."""
        return among[int(self._random() * len(among))]

    def chance(self, share: float) -> bool:
        """True in about `share` (0 to 1) of the calls."""
        return self._random() < share


class Names:
    """All combinations of some lists of words, in an order of their own for each key, without keeping any of them.

    The first `cast` names belong to planted facts; filler gets the others.
    """

    def __init__(self, draw: Draw, lists: Sequence[Sequence[str]], pattern: str, cast: int) -> None:
        self.size = math.prod(len(words) for words in lists)
        self.cast = cast
        self._lists = lists
        self._pattern = pattern
        step = draw.below(self.size) | 1
        while math.gcd(step, self.size) != 1:
            step += 2
        self._step, self._back, self._shift = step, pow(step, -1, self.size), draw.below(self.size)

    def name(self, index: int) -> str:
        """The name at `index` (0 to size - 1); no two are the same."""
        return self._spell((index * self._step + self._shift) % self.size)

    def other(self, draw: Draw) -> str:
        """A name for filler, never one of the cast.

        Every second one shares all words but the first with one of the cast.
        """
        if draw.chance(0.5):
            code = (draw.below(self.cast) * self._step + self._shift) % self.size
            first = len(self._lists[0])
            code += draw.below(first) - code % first
            if (code - self._shift) * self._back % self.size >= self.cast:
                return self._spell(code)
        return self.name(self.cast + draw.below(self.size - self.cast))

    def _spell(self, code: int) -> str:
        words = []
        for among in self._lists:
            code, place = divmod(code, len(among))
            words.append(among[place])
        return self._pattern.format(*words)


@dataclass(frozen=True, slots=True)
class Setting:
    """What all plans of a haystack share: its number of sessions, the day of each (from 0), and the names in it."""

    sessions: int
    day: Callable[[int], date]
    people: Names
    places: Names

    @classmethod
    def of(cls, key: str, questions: int, sessions: int, day: Callable[[int], date]) -> Setting:
        """Names enough for `questions` questions: a person for each, and a link for each that needs one."""
        links = -(-questions // len(PLANNERS))
        people = Names(Draw(f"{key}/people"), (FIRST_NAMES, SURNAME_HEADS, SURNAME_TAILS), "{} {}{}", questions + links)
        places = Names(Draw(f"{key}/places"), (PLACE_HEADS, PLACE_NOUNS, PLACE_KINDS), "the {} {} {}", links)
        return cls(sessions, day, people, places)

    def link(self, index: int) -> int:
        """The number, among the people, of the link that question `index` may use."""
        return self.people.cast - 1 - index // len(PLANNERS)


@dataclass(frozen=True, slots=True)
class Plan:
    """A question and the facts that it needs.

    `facts` are messages to plant, each with its session (from 0); the last `evidence` of them answer the question, in
    the order in which they are needed. Filler may mention `people` and `place`, but never speaks of them and the topic
    `avoid` together.
    """

    question: str
    truth: str
    facts: tuple[tuple[int, str], ...]
    evidence: int
    people: tuple[str, ...]
    place: str | None = None
    trap: str | None = None
    avoid: str | None = None


def single_hop(setting: Setting, draw: Draw, index: int) -> Plan:
    """One message says it."""
    who = setting.people.name(index)
    attribute = PEOPLE[index // len(PLANNERS) % len(PEOPLE)]
    value = draw.pick(attribute.values)
    fact = stated(draw, draw.pick(attribute.statements).format(x=who, v=value))
    return Plan(_asked(draw, attribute, who), value, ((draw.below(setting.sessions), fact),), 1, (who,))


def multi_hop(setting: Setting, draw: Draw, index: int) -> Plan:
    """One message names a person (or, every third time, a place); one of another session says something of that."""
    who = setting.people.name(index)
    turn = index // len(PLANNERS)
    is_place = turn % 3 == 2
    link = setting.places.name(turn) if is_place else setting.people.name(setting.link(index))
    relation = draw.pick(TO_PLACES if is_place else TO_PEOPLE)
    attribute = draw.pick(PLACES if is_place else PEOPLE)
    value = draw.pick(attribute.values)
    first = draw.below(setting.sessions)
    second = (first + 1 + draw.below(setting.sessions - 1)) % setting.sessions
    paraphrased = draw.chance(PARAPHRASED)
    described = (relation.paraphrase if paraphrased else relation.description).format(x=who)
    question = (attribute.paraphrase if paraphrased else attribute.question).format(x=described)
    facts = (
        (first, stated(draw, relation.statement.format(x=who, link=link))),
        (second, stated(draw, draw.pick(attribute.statements).format(x=link, v=value))),
    )
    return Plan(question, value, facts, 2, (who,) if is_place else (who, link), link if is_place else None)


def temporal(setting: Setting, draw: Draw, index: int) -> Plan:
    """One message says it of a day that is named from the session's day."""
    who = setting.people.name(index)
    event = EVENTS[index // len(PLANNERS) % len(EVENTS)]
    question = (event.paraphrase if draw.chance(PARAPHRASED) else event.question).format(x=who)
    session = draw.below(setting.sessions)
    phrase, day = when(draw, setting.day(session))  # the last draws: how many they are hangs on the day
    fact = stated(draw, f"{who} {event.past} {phrase}")
    return Plan(question, long_date(day), ((session, fact),), 1, (who,))


def knowledge_update(setting: Setting, draw: Draw, index: int) -> Plan:
    """A message of the first two fifths says it, one of the last two fifths says something newer; that counts."""
    who = setting.people.name(index)
    changing = [attribute for attribute in PEOPLE if attribute.changes]
    attribute = changing[index // len(PLANNERS) % len(changing)]
    old = draw.below(len(attribute.values))
    new = (old + 1 + draw.below(len(attribute.values) - 1)) % len(attribute.values)
    before, after = attribute.values[old], attribute.values[new]
    part = setting.sessions * 2 // 5
    facts = (
        (draw.below(part), stated(draw, draw.pick(attribute.statements).format(x=who, v=before))),
        (setting.sessions - 1 - draw.below(part), stated(draw, draw.pick(attribute.changes).format(x=who, v=after))),
    )
    return Plan(_asked(draw, attribute, who), after, facts, 1, (who,), trap=before)


def abstention(setting: Setting, draw: Draw, index: int) -> Plan:
    """A message says something of somebody; the question is about something else."""
    who = setting.people.name(index)
    said = index // len(PLANNERS) % len(PEOPLE)
    asked = PEOPLE[(said + 1 + draw.below(len(PEOPLE) - 1)) % len(PEOPLE)]
    attribute = PEOPLE[said]
    fact = stated(draw, draw.pick(attribute.statements).format(x=who, v=draw.pick(attribute.values)))
    facts = ((draw.below(setting.sessions), fact),)
    return Plan(_asked(draw, asked, who), "not answerable", facts, 0, (who,), avoid=asked.topic)


PLANNERS: Final[dict[str, Callable[[Setting, Draw, int], Plan]]] = {
    "single-hop": single_hop,
    "multi-hop": multi_hop,
    "temporal": temporal,
    "knowledge-update": knowledge_update,
    "abstention": abstention,
}
"""How a question of each type is planned, by its number (from 0)."""


def hearsay(draw: Draw, people: Names, places: Names, today: date) -> str:
    """A message like those that hold facts, about somebody or some place that no question asks for."""
    kind = draw.below(8)
    if kind < 4:
        attribute = draw.pick(PEOPLE)
        form = draw.pick(attribute.changes if attribute.changes and kind == 0 else attribute.statements)
        return stated(draw, form.format(x=people.other(draw), v=draw.pick(attribute.values)))
    if kind < 6:
        return stated(draw, f"{people.other(draw)} {draw.pick(EVENTS).past} {when(draw, today)[0]}")
    if kind == 6:
        relation = draw.pick((*TO_PEOPLE, *TO_PLACES))
        link = (places if relation in TO_PLACES else people).other(draw)
        return stated(draw, relation.statement.format(x=people.other(draw), link=link))
    attribute = draw.pick(PLACES)
    return stated(draw, draw.pick(attribute.statements).format(x=places.other(draw), v=draw.pick(attribute.values)))


def stated(draw: Draw, statement: str) -> str:
    """`statement` as somebody would write it in a chat."""
    text = f"{draw.pick(LEADS)}{statement}.{draw.pick(TAILS)}"
    return text[0].upper() + text[1:]


def when(draw: Draw, today: date) -> tuple[str, date]:
    """A phrase such as "last Friday", and the day that it means if it is said on `today`.

    "last Friday" is drawn only where it is both the most recent Friday and the one of last week: no two readings. "last
    Sunday" is never drawn, as people differ on which week a Sunday belongs to.
    """
    weekday = today.weekday()
    later = range(weekday + 1, WEEKDAYS.index("Sunday"))
    if later and draw.chance(0.5):
        meant = draw.pick(later)
        return f"last {WEEKDAYS[meant]}", today - timedelta(days=7 - meant + weekday)
    phrase = draw.pick(tuple(DAYS_AGO))
    return phrase, today - timedelta(days=DAYS_AGO[phrase])


def long_date(day: date) -> str:
    """`day` as in "7 May 2023", whatever the locale."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _asked(draw: Draw, attribute: Attribute, who: str) -> str:
    return (attribute.paraphrase if draw.chance(PARAPHRASED) else attribute.question).format(x=who)
