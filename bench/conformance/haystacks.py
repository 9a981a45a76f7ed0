"""What the conformance kit tells a memory system, and what it then asks: small haystacks with facts that stand out.

A fact is known again by a word or two that no other sentence here has (a name, a place, a thing), so that it is found
in what a system has understood of it as well as in what was said. Unless a check is about speakers, Marta says it, in
the midst of a session.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle, islice

from vocabulary import Gold, Message, Question, SearchResult, Session

MARTA, TEODOR = "Marta", "Teodor"
LONG_CHARACTERS = 80_000
NOON = datetime(2021, 5, 3, 12, 0)
"""When the first session of most haystacks is: at noon, so that no time zone moves it to another day."""


@dataclass(frozen=True)
class Fact:
    """Something that was said once: how to ask for it, the `words` that a result must hold, and where it was said."""

    question: str
    words: tuple[str, ...]
    session: str = "s1"
    message: str = "s1:3"

    def asked(self, date: datetime | None = None) -> Question:
        """The question, as a provider may see it."""
        return Question(id=f"{self.message}-asked", text=self.question, date=date)

    @property
    def gold(self) -> Gold:
        """The truth, for a ceiling."""
        return Gold(
            question_type="conformance",
            ground_truth=" ".join(self.words),
            evidence_messages=(self.message,),
            evidence_sessions=(self.session,),
        )

    def held_by(self, results: Sequence[SearchResult]) -> list[SearchResult]:
        """The results that hold the fact."""
        return [result for result in results if not missing(self.words, result.text)]

    @property
    def statement(self) -> str:
        """The words, for a verdict."""
        return " and ".join(f'"{word}"' for word in self.words)


def missing(words: Sequence[str], text: str) -> list[str]:
    """Those of `words` that are not in `text`; capital letters and how an accent is composed do not matter."""
    plain = _plain(text)
    return [word for word in words if _plain(word) not in plain]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def spoken(session_id: str, date: datetime | None, *lines: tuple[str, str]) -> Session:
    """A session of (speaker, text) lines; its messages are ``s1:1``, ``s1:2`` and so on."""
    messages = (
        Message(
            id=f"{session_id}:{number}", speaker=speaker, role="user" if speaker == MARTA else "assistant", text=text
        )
        for number, (speaker, text) in enumerate(lines, start=1)
    )
    return Session(id=session_id, date=date, messages=tuple(messages))


def chat(session_id: str, date: datetime | None, text: str) -> Session:
    """A short session in whose third message Marta says `text`."""
    return spoken(
        session_id,
        date,
        (MARTA, "Good to hear from you again."),
        (TEODOR, "Likewise, what is new with you?"),
        (MARTA, text),
        (TEODOR, "How nice, do tell me more some other time."),
        (MARTA, "I will, take care."),
    )


TELESCOPE = (
    "I keep the telescope of my grandmother in a cellar in Lisbon.",
    "Where is the telescope of the grandmother?",
)
BAKERY = ("My sister Odalys has opened a bakery in Tartu.", "In which town did Odalys open a bakery?")
ALPACAS = ("Our neighbour Casimir breeds alpacas.", "Which animals does the neighbour Casimir breed?")


def anywhere() -> tuple[list[Session], list[Fact]]:
    """Three sessions with a fact in the first message of one, amidst another, in the last message of the third."""
    between = ((TEODOR, "I see."), (MARTA, "Anyway, it is getting late."), (TEODOR, "Then let us stop here."))
    first = spoken("s1", NOON, (MARTA, TELESCOPE[0]), *between)
    middle = spoken("s2", _day(1), *reversed(between), (MARTA, BAKERY[0]), *between)
    last = spoken("s3", _day(2), *reversed(between), (MARTA, ALPACAS[0]))
    facts = [
        Fact(TELESCOPE[1], ("Lisbon",), "s1", "s1:1"),
        Fact(BAKERY[1], ("Tartu",), "s2", "s2:4"),
        Fact(ALPACAS[1], ("alpaca",), "s3", "s3:4"),
    ]
    return [first, middle, last], facts


def three() -> tuple[list[Session], list[Fact]]:
    """The same facts, each amidst a session of its own."""
    stories = ((TELESCOPE, "Lisbon"), (BAKERY, "Tartu"), (ALPACAS, "alpaca"))
    sessions = [
        chat(f"s{number}", _day(number), said) for number, ((said, _asked), _word) in enumerate(stories, start=1)
    ]
    facts = [
        Fact(asked, (word,), f"s{number}", f"s{number}:3")
        for number, ((_said, asked), word) in enumerate(stories, start=1)
    ]
    return sessions, facts


def one(place: int = 0) -> tuple[Session, Fact]:
    """One session with one of three facts."""
    sessions, facts = three()
    fact = facts[place % 3]
    text = sessions[place % 3].messages[2].text
    return chat("s1", NOON, text), Fact(fact.question, fact.words)


HIDING_PLACES = ("doormat", "woodpile", "beehive", "flowerpot", "lantern")


def hiding_place(word: str) -> tuple[Session, Fact]:
    """A session that differs from its like in one word alone: ids, dates and question are the same."""
    said = chat("s1", NOON, f"The spare key to the cabin is under the {word}.")
    return said, Fact("Where is the spare key to the cabin?", (word,))


def dated() -> tuple[list[Session], list[Fact]]:
    """Two sessions of days that are far from today and from each other, one without a date."""
    sessions = [
        chat("s1", datetime(2017, 3, 14, 12, 0), "Today I planted a quince tree behind the house."),
        chat("s2", datetime(2020, 10, 29, 12, 0), "Today I bought a used kayak from a colleague."),
        chat("s3", None, "I collect old umbrellas from flea markets."),
    ]
    facts = [
        Fact("When did Marta plant the quince tree?", ("quince",), "s1", "s1:3"),
        Fact("When was the kayak bought by Marta?", ("kayak",), "s2", "s2:3"),
        Fact("Which old umbrellas does Marta collect now?", ("umbrella",), "s3", "s3:3"),
    ]
    return sessions, facts


def both_speakers() -> tuple[list[Session], list[Fact]]:
    """A session in which each of two says something about themselves."""
    said = spoken(
        "s1",
        NOON,
        (MARTA, "Good to hear from you again."),
        (TEODOR, "Likewise, what is new with you?"),
        (MARTA, "I have learned to play the oboe."),
        (TEODOR, "And I have moved to a lighthouse in Bergen."),
        (MARTA, "I will come and see it."),
    )
    facts = [
        Fact("Which instrument has Marta learned to play?", ("oboe",), "s1", "s1:3"),
        Fact("Where has Teodor moved to?", ("Bergen",), "s1", "s1:4"),
    ]
    return [said], facts


UNUSUAL = ("Çiğdem", "🦔", "刺猬", "Σκαντζόχοιρος", "👩🏽‍🚀")


def unusual() -> tuple[list[Session], Fact]:
    """A session with letters of several scripts and with emoji, single and composed."""
    name, animal, chinese, greek, person = UNUSUAL
    said = f"My pet is called {name} {animal}: in Shanghai they say {chinese}, in Athens {greek} {person}."
    return [chat("s1", NOON, said)], Fact("What is the pet of Marta called?", UNUSUAL)


def long_message() -> tuple[list[Session], list[Fact]]:
    """A message of 80,000 characters with a fact at its beginning, in its middle and at its end."""
    filler = " ".join(f"Line {number}: {text}" for number, text in enumerate(islice(cycle(_FILLER), 2000)))
    half = (LONG_CHARACTERS - len(TELESCOPE[0]) - len(BAKERY[0]) - len(ALPACAS[0]) - 4) // 2
    text = " ".join((TELESCOPE[0], filler[:half], BAKERY[0], filler[half : 2 * half], ALPACAS[0]))
    _sessions, facts = three()
    return [chat("s1", NOON, text.ljust(LONG_CHARACTERS, "."))], [Fact(fact.question, fact.words) for fact in facts]


def with_nothing_said() -> tuple[list[Session], Fact]:
    """Empty messages around a fact, a session of nothing but empty messages, and one without any."""
    sessions = [
        spoken("s1", NOON, (MARTA, ""), (TEODOR, "   "), (MARTA, TELESCOPE[0]), (TEODOR, ""), (MARTA, "\n")),
        spoken("s2", _day(1), (MARTA, ""), (TEODOR, "")),
        spoken("s3", _day(2)),
    ]
    return sessions, Fact(TELESCOPE[1], ("Lisbon",))


def many(count: int) -> tuple[Iterator[Session], list[Fact]]:
    """`count` sessions of two messages, with facts in the first, in the middle and in the last."""
    places = dict(zip((1, count // 2 + 1, count), (TELESCOPE, BAKERY, ALPACAS), strict=True))
    words = {TELESCOPE: "Lisbon", BAKERY: "Tartu", ALPACAS: "alpaca"}

    def sessions() -> Iterator[Session]:
        for number, filler in enumerate(islice(cycle(_FILLER), count), start=1):
            said = places[number][0] if number in places else filler
            yield spoken(f"s{number}", NOON + timedelta(hours=number), (MARTA, said), (TEODOR, "I see."))

    facts = [Fact(asked[1], (words[asked],), f"s{at}", f"s{at}:1") for at, asked in places.items()]
    return sessions(), facts


def about_one_thing(count: int = 12) -> tuple[list[Session], Fact]:
    """`count` sessions, each with something of its own about the same thing."""
    rooms = ("kitchen", "attic", "garage", "hallway", "pantry", "veranda", "stable", "workshop", "nursery", "library")
    sessions = [
        chat(f"s{number}", _day(number), f"The painter Leopold has painted the {room} {colour}.")
        for number, (room, colour) in enumerate(
            islice(zip(cycle(rooms), cycle(("ochre", "teal", "crimson")), strict=False), count), start=1
        )
    ]
    return sessions, Fact("What has the painter Leopold painted?", ("Leopold",))


def _day(number: int) -> datetime:
    return NOON + timedelta(days=7 * number)


_FILLER = (
    "The weather has been mild all week.",
    "I tidied up my desk and found some pens.",
    "We had soup for lunch and it was good.",
    "The bus was late again this morning.",
    "I watched a film about mountains.",
    "The lamp in the corridor flickers sometimes.",
    "I went for a walk along the canal.",
    "The shop around the corner has longer hours now.",
    "I slept well and woke up early.",
    "Someone left a bicycle in the yard.",
    "The coffee machine needed cleaning.",
)
