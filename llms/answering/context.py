"""What a model is given to read: the results of a search as text, within a budget of tokens.

Which results are shown goes by the provider's ranking, in which order goes by time (``docs/answering.md`` says why). It
is the same for every provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from vocabulary import SearchResult, estimate_tokens, format_day

CHARACTERS_A_TOKEN = 4  # the rule of `estimate_tokens`: a budget of N tokens is 4 N characters
SEPARATOR = "\n\n"
CUT_OFF = " …"
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Context:
    """Results as a model reads them.

    `tokens` is the size of `text` by `estimate_tokens`, never more than the budget. `used` are the results in
    it, best first, the first one cut if it alone was too long. `left_out` counts those for which there was no room.
    """

    text: str
    tokens: int
    used: tuple[SearchResult, ...]
    left_out: int


def render(results: Sequence[SearchResult], budget: int | None = None) -> Context:
    """`results` (best first) as text of at most `budget` tokens, all of them without one; earliest first.

    From the best one down each result is taken that still fits, whole. Only if the best does not fit it is cut, so that
    something is there to read. Those without a time stand last, in the order of the ranking, as do those of one moment.
    """
    used = _fitting(results, budget)
    shown = sorted(used, key=_moment)  # stable: equal moments keep their ranks
    text = SEPARATOR.join(map(_entry, shown))
    if budget is not None:
        text = text[: budget * CHARACTERS_A_TOKEN]  # a budget so small that not even the best one's date fits
    return Context(text, estimate_tokens(text), used, len(results) - len(used))


def format_moment(moment: datetime) -> str:
    """A moment as in ``Monday, 8 May 2023, 13:56``; in UTC if it has a time zone, without a clock at midnight sharp."""
    moment = _naive(moment)
    clock = f", {moment:%H:%M}" if (moment.hour, moment.minute) != (0, 0) else ""
    return f"{_WEEKDAYS[moment.weekday()]}, {format_day(moment)}{clock}"


def _fitting(results: Sequence[SearchResult], budget: int | None) -> tuple[SearchResult, ...]:
    if budget is None or not results:
        return tuple(results)
    room = budget * CHARACTERS_A_TOKEN
    best = results[0]
    if (excess := len(_entry(best)) - room) > 0:
        kept = best.text[: max(0, len(best.text) - excess - len(CUT_OFF))]
        return (best.model_copy(update={"text": kept + CUT_OFF}),)
    used: list[SearchResult] = []
    for result in results:
        size = len(_entry(result)) + (len(SEPARATOR) if used else 0)
        if size <= room:
            used.append(result)
            room -= size
    return tuple(used)


def _entry(result: SearchResult) -> str:
    return f"{_heading(result)} {result.text}"


def _heading(result: SearchResult) -> str:
    return f"[{format_moment(result.timestamp)}]" if result.timestamp else "[date unknown]"


def _moment(result: SearchResult) -> datetime:
    """Services give times back with a zone or without one, even mixed: those with one are taken at UTC."""
    return _naive(result.timestamp) if result.timestamp else datetime.max


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
