"""Where in a haystack a quoted sentence was said, for data sets that quote their evidence instead of naming it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

How = Literal["equal", "part", "normalised"]

LONG_ENOUGH = 20
"""A shorter part of a message says too little to be looked for in conversations that it need not be from."""

_LEAST_SHARE = 2
"""A message inside a quote is what was quoted if it is at least one half of it."""

_NO_WORD = re.compile(r"[\W_]+")


class Line(NamedTuple):
    """What somebody said."""

    speaker: str
    text: str


class Spot(NamedTuple):
    """The place of a message: its session in the haystack and its number in the session, both from 0."""

    session: int
    message: int


class Quotes:
    """The messages of a haystack, to find quotes in."""

    def __init__(self, sessions: Sequence[Sequence[Line]]) -> None:
        self._sessions = sessions
        self._texts = [[line.text for line in session] for session in sessions]
        self._spots = _spots_by_text(self._texts)

    def find(self, quote: Line, own: Sequence[int] = ()) -> tuple[How, Spot] | None:
        """Where `quote` was said, and how alike quote and message are; None if it was said nowhere.

        Sessions `own` come first, in that order, then all others. In each of the two: the same text, then one text in
        the other, then the same after normalisation. Of several messages that fit, one of the same speaker is taken,
        then the one whose length is nearest, then the first.
        """
        if not normalised(quote.text).strip():
            return None
        ranks = {session: rank for rank, session in reversed(list(enumerate(own)))}
        return self._among(quote, ranks, 1) or self._among(quote, self._anywhere, LONG_ENOUGH)

    def _among(self, quote: Line, ranks: dict[int, int], shortest_part: int) -> tuple[How, Spot] | None:
        if not ranks:
            return None
        if spot := self._best(quote, ranks, self._spots.get(quote.text, ())):
            return "equal", spot
        if spot := self._best(quote, ranks, _parts(quote.text, self._texts, ranks, shortest_part)):
            return "part", spot
        plain = normalised(quote.text)
        same = self._best(quote, ranks, self._plain_spots.get(plain, ()))
        spot = same or self._best(quote, ranks, _parts(plain, self._plain_texts, ranks, shortest_part))
        return ("normalised", spot) if spot else None

    def _best(self, quote: Line, ranks: dict[int, int], spots: Iterable[Spot]) -> Spot | None:
        def order(spot: Spot) -> tuple[int, bool, int, Spot]:
            line = self._sessions[spot.session][spot.message]
            return ranks[spot.session], line.speaker != quote.speaker, abs(len(line.text) - len(quote.text)), spot

        return min((spot for spot in spots if spot.session in ranks), key=order, default=None)

    @cached_property
    def _anywhere(self) -> dict[int, int]:
        return dict.fromkeys(range(len(self._sessions)), 0)

    @cached_property
    def _plain_texts(self) -> list[list[str]]:
        return [[normalised(text) for text in texts] for texts in self._texts]

    @cached_property
    def _plain_spots(self) -> dict[str, list[Spot]]:
        return _spots_by_text(self._plain_texts)


def normalised(text: str) -> str:
    """`text` without case, punctuation and variants of characters: its words, with a blank before and after each."""
    return f" {_NO_WORD.sub(' ', unicodedata.normalize('NFKC', text).casefold()).strip()} "


def _spots_by_text(texts: Sequence[Sequence[str]]) -> dict[str, list[Spot]]:
    spots: dict[str, list[Spot]] = {}
    for session, said in enumerate(texts):
        for message, text in enumerate(said):
            spots.setdefault(text, []).append(Spot(session, message))
    return spots


def _parts(quote: str, texts: Sequence[Sequence[str]], sessions: Iterable[int], shortest: int) -> list[Spot]:
    """Messages that the quote is in, or that are most of the quote."""
    return [
        Spot(session, message)
        for session in sessions
        for message, text in enumerate(texts[session])
        if (len(quote) >= shortest and quote in text)
        or (len(text) >= shortest and len(text) * _LEAST_SHARE >= len(quote) and text in quote)
    ]
