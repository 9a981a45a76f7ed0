"""Time expressions in English text: absolute ones, and relative ones against the day they were said on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from llms.offline.calendar import (
    days_from,
    in_year,
    month_of,
    nearest,
    next_to,
    one_day,
    season_of,
    shift,
    weekday_after,
    weekday_before,
    weekend,
    year_of,
)
from vocabulary import SEASONS, TimeSpan


@dataclass(frozen=True, slots=True)
class TimeExpression:
    """Words in a text that mean a time: ``text[start:end]``.

    `relative` says that they mean nothing without the day they were said on.
    """

    start: int
    end: int
    span: TimeSpan
    relative: bool


def find_times(text: str, anchor: date | None = None, *, relative: bool = True) -> tuple[TimeExpression, ...]:
    """The time expressions of `text`, in their order, none overlapping another.

    `anchor` is the day (or the datetime) on which the text was said; without it only what is complete in itself is
    found. With `relative` false it serves for years that are left out and nothing else: "yesterday" is then not a
    time. Dates that do not exist (31 June) are not found.
    """
    day = anchor.date() if isinstance(anchor, datetime) else anchor
    found: list[TimeExpression] = []
    claimed: list[tuple[int, int]] = []
    for rule in _RULES:
        if rule.relative and not (relative and day):
            continue
        for match in rule.pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in claimed):
                continue
            try:
                span = rule.resolve(match, day)
            except (ValueError, OverflowError):  # no such day in the calendar: not a date, and nor is a part of it
                claimed.append(match.span())
                continue
            if span:
                claimed.append(match.span())
                found.append(TimeExpression(match.start(), match.end(), span, rule.relative))
    return tuple(sorted(found, key=lambda expression: expression.start))


_Resolver = Callable[[re.Match[str], date | None], TimeSpan | None]


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    resolve: _Resolver
    relative: bool


_RULES: list[_Rule] = []  # in the order in which they claim words: the longer reading first

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = ("first", "second", "third", "fourth", "fifth")

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_WEEKDAY = (
    r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:rs?(?:day)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)\b"
)
_SEASON = r"(?:spring|summer|autumn|fall|winter)\b"
_DAY = r"(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
_YEAR = r"(?:19[5-9]\d|20[0-4]\d)\b"
_COUNT = rf"(?:\d{{1,3}}|{'|'.join(_NUMBERS)}|an?\s+few|few|several|an?\s+couple(?:\s+of)?|couple(?:\s+of)?|an?|the)\b"
_UNIT = r"(?:days?|weeks?|weekends?|months?|years?)\b"
_DATE = (
    rf"(?:\d{{4}}[-/]\d{{1,2}}[-/]\d{{1,2}}|{_DAY}\s*(?:of\s+)?{_MONTH}(?:,?\s*{_YEAR})?"
    rf"|{_MONTH}\s*{_DAY}(?:,?\s*{_YEAR}|\b))"
)
_OF_YEAR = rf"(?:(?:,|\s+of|\s+in)?\s*(?P<year>{_YEAR}))?"


def _rule(pattern: str, *, relative: bool = False) -> Callable[[_Resolver], _Resolver]:
    def register(resolve: _Resolver) -> _Resolver:
        _RULES.append(_Rule(re.compile(rf"\b(?:{pattern})(?!\w)", re.IGNORECASE), resolve, relative))
        return resolve

    return register


def _index(word: str, names: tuple[str, ...]) -> int:
    return names.index(word.strip(". ").lower()[:3])


def _season_or_month(match: re.Match[str]) -> Callable[[int], TimeSpan]:
    """What the season or the month in `match` is in a year."""
    if match["month"]:
        return partial(month_of, month=_index(match["month"], _MONTHS) + 1)
    season = "autumn" if match["season"].lower() == "fall" else match["season"].lower()
    return partial(season_of, season=SEASONS.index(season))


def _count(word: str) -> int | None:
    """The number that a count means, None for "a few"."""
    word = " ".join(word.lower().split())
    if word.isdigit():
        return int(word)
    if "couple" in word:
        return 2
    if word in ("a", "an", "the"):
        return 1
    return _NUMBERS.index(word) + 1 if word in _NUMBERS else None


def _counted_from(day: date, count: str, unit: str, sign: int) -> TimeSpan:
    unit = unit.lower().rstrip("s")
    return next_to(day, unit, sign) if count.lower() == "the" else shift(day, _count(count), unit, sign)


_DATE_PARTS = re.compile(
    rf"(?P<iso>\d{{4}})[-/](?P<m>\d{{1,2}})[-/](?P<d>\d{{1,2}})"
    rf"|(?P<day>\d{{1,2}})\D{{0,2}}\s*(?:of\s+)?(?P<month>{_MONTH})(?:,?\s*(?P<year>{_YEAR}))?"
    rf"|(?P<month2>{_MONTH})\s*(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s*(?P<year2>{_YEAR}))?",
    re.IGNORECASE,
)


def _date(text: str, anchor: date | None) -> TimeSpan | None:
    parts = _DATE_PARTS.match(text)
    if not parts:
        return None
    if parts["iso"]:
        return one_day(date(int(parts["iso"]), int(parts["m"]), int(parts["d"])))
    month = _index(parts["month"] or parts["month2"], _MONTHS) + 1
    day = int(parts["day"] or parts["day2"])
    return in_year(parts["year"] or parts["year2"], anchor, lambda year: one_day(date(year, month, day)))


@_rule(
    rf"(?:(?P<count>{_COUNT})\s+)?(?:(?P<unit>{_UNIT})|(?P<weekday>{_WEEKDAY}))\s+"
    rf"(?P<side>before|prior\s+to|preceding|after|following|of)\s+(?:the\s+)?(?P<date>{_DATE})(?!\s*[-–]\s*\d)"  # noqa: RUF001  people write ranges with an en dash
)
def _around_date(match: re.Match[str], anchor: date | None) -> TimeSpan | None:
    base = _date(match["date"], anchor)
    if base is None:
        return None
    day, side = base.start, match["side"].lower()
    if side == "of":
        unit = (match["unit"] or "").lower()
        if unit.startswith("weekend"):
            return weekend(weekday_after(day - timedelta(days=4), 5))
        return days_from(day - timedelta(days=day.weekday()), 7, "week") if unit.startswith("week") else base
    sign = 1 if side in ("after", "following") else -1
    if match["weekday"]:
        weekday = _index(match["weekday"], _WEEKDAYS)
        return one_day(weekday_after(day, weekday) if sign > 0 else weekday_before(day, weekday))
    return _counted_from(day, match["count"] or "the", match["unit"], sign)


@_rule(
    rf"(?P<which>{'|'.join(_ORDINALS)}|last)\s+(?:(?P<count>{_COUNT})\s+)?(?P<unit>weekends?|weeks?|days?|half|{_WEEKDAY})"
    rf"\s+(?:of|in)\s+(?P<month>{_MONTH}){_OF_YEAR}"
)
def _part_of_month(match: re.Match[str], anchor: date | None) -> TimeSpan | None:
    month = in_year(match["year"], anchor, _season_or_month(match))
    if month is None:
        return None
    which = -1 if match["which"].lower() == "last" else _ORDINALS.index(match["which"].lower())
    unit, count = match["unit"].lower(), _count(match["count"] or "a") or 1
    if unit == "half":
        middle = month.start + timedelta(days=14)
        return TimeSpan(month.start, middle, "range") if which == 0 else TimeSpan(middle, month.end, "range")
    if unit.startswith(("day", "week")) and not unit.startswith("weekend"):
        length = count * (7 if unit.startswith("week") else 1)
        start = month.end - timedelta(days=length - 1) if which < 0 else month.start + timedelta(days=length * which)
        return days_from(start, length, "day" if length == 1 else "week" if length == 7 else "range")
    weekday = 5 if unit.startswith("weekend") else _index(unit, _WEEKDAYS)
    first = weekday_after(month.start - timedelta(days=1), weekday) + timedelta(days=7 * which)
    start = weekday_before(month.end + timedelta(days=1), weekday) if which < 0 else first
    return weekend(start) if unit.startswith("weekend") else one_day(start)


@_rule(
    rf"(?P<part>early|mid|late|(?:the\s+)?(?:beginning|start|middle|end)\s+of)[-\s]+"
    rf"(?:(?P<month>{_MONTH}){_OF_YEAR}|(?P<whole>{_YEAR}))"
)
def _part(match: re.Match[str], anchor: date | None) -> TimeSpan | None:
    year = match["whole"]
    whole = year_of(int(year)) if year else in_year(match["year"], anchor, _season_or_month(match))
    if whole is None:
        return None
    third = timedelta(days=whole.days // 3)
    if re.search("early|beginning|start", match["part"], re.IGNORECASE):
        return TimeSpan(whole.start, whole.start + third, "range")
    if re.search("late|end", match["part"], re.IGNORECASE):
        return TimeSpan(whole.end - third, whole.end, "range")
    return TimeSpan(whole.start + third, whole.end - third, "range")


@_rule(
    rf"(?P<a>{_DAY})\s*(?:-|–|to|and)\s*(?P<b>{_DAY})\s+(?:of\s+)?(?P<m>{_MONTH})(?:,?\s*(?P<y>{_YEAR}))?"  # noqa: RUF001  people write ranges with an en dash
    rf"|(?P<m2>{_MONTH})\s+(?P<a2>{_DAY})\s*(?:-|–|to|and)\s*(?P<b2>{_DAY})\b(?:,?\s*(?P<y2>{_YEAR}))?"  # noqa: RUF001  the same
)
def _day_range(match: re.Match[str], anchor: date | None) -> TimeSpan | None:
    month = _index(match["m"] or match["m2"], _MONTHS) + 1
    first, last = (int(re.sub(r"\D", "", match[name] or match[f"{name}2"])) for name in ("a", "b"))
    if first >= last:
        return None
    return in_year(
        match["y"] or match["y2"],
        anchor,
        lambda year: TimeSpan(date(year, month, first), date(year, month, last), "range"),
    )


_rule(_DATE)(lambda match, anchor: _date(match[0], anchor))


@_rule(rf"(?:(?P<season>{_SEASON})|(?P<month>{_MONTH}))(?:,|\s+of|\s+in)?\s*\(?(?P<year>{_YEAR})")
def _part_of_year(match: re.Match[str], _anchor: date | None) -> TimeSpan:
    return _season_or_month(match)(int(match["year"]))


@_rule(
    r"day\s+before\s+yesterday|day\s+after\s+tomorrow|yesterday|last\s+night|tomorrow"
    r"|today|tonight|this\s+(?:morning|afternoon|evening)",
    relative=True,
)
def _near_day(match: re.Match[str], anchor: date | None) -> TimeSpan | None:
    steps = {"day before yesterday": -2, "day after tomorrow": 2, "yesterday": -1, "last night": -1, "tomorrow": 1}
    return one_day(anchor + timedelta(days=steps.get(" ".join(match[0].lower().split()), 0))) if anchor else None


@_rule(r"the\s+other\s+(?:day|night)", relative=True)
def _other_day(_match: re.Match[str], anchor: date | None) -> TimeSpan | None:
    return TimeSpan(anchor - timedelta(days=6), anchor - timedelta(days=2), "range") if anchor else None


@_rule(rf"(?P<count>{_COUNT})\s+(?P<unit>{_UNIT})\s+(?P<side>ago|back|from\s+(?:now|today))", relative=True)
@_rule(rf"(?P<side>in)\s+(?P<count>{_COUNT})\s+(?P<unit>{_UNIT})(?!\s+(?:ago|back))", relative=True)
def _counted(match: re.Match[str], anchor: date | None) -> TimeSpan | None:
    if anchor is None or match["count"].lower() == "the":
        return None
    return _counted_from(anchor, match["count"], match["unit"], -1 if match["side"].lower() in ("ago", "back") else 1)


@_rule(
    r"(?P<which>this\s+past|this\s+coming|last|past|previous|this|next|coming|upcoming)\s+"
    rf"(?:(?P<unit>week|weekend|month|year)|(?P<weekday>{_WEEKDAY})|(?P<season>{_SEASON})|(?P<month>{_MONTH}))",
    relative=True,
)
def _deictic(match: re.Match[str], anchor: date | None) -> TimeSpan | None:
    if anchor is None:
        return None
    which = match["which"].lower()
    sign = -1 if re.search("last|past|previous", which) else 0 if which == "this" else 1
    if match["unit"]:
        return _deictic_unit(anchor, match["unit"].lower(), sign)
    if match["weekday"]:
        weekday = _index(match["weekday"], _WEEKDAYS)
        return one_day(
            weekday_before(anchor, weekday) if sign < 0 else weekday_after(anchor - timedelta(days=1 - sign), weekday)
        )
    spans = [_season_or_month(match)(anchor.year + years) for years in range(-2, 3)]
    if sign < 0:
        return [span for span in spans if span.end < anchor][-1]
    return next(span for span in spans if (span.start > anchor if sign else span.end >= anchor))


def _deictic_unit(anchor: date, unit: str, sign: int) -> TimeSpan | None:
    if sign:
        return next_to(anchor, unit, sign)
    if unit == "week":
        return days_from(anchor - timedelta(days=anchor.weekday()), 7, "week")
    if unit == "weekend":
        return weekend(anchor + timedelta(days=5 - anchor.weekday()))
    return month_of(anchor.year, anchor.month) if unit == "month" else year_of(anchor.year)


@_rule(rf"(?:in|since|during|by|until|till|around|back\s+in)\s+(?P<month>{_MONTH})")
def _bare_month(match: re.Match[str], anchor: date | None) -> TimeSpan | None:
    return nearest(anchor, _season_or_month(match))


@_rule(rf"on\s+(?P<weekday>{_WEEKDAY})", relative=True)
def _bare_weekday(match: re.Match[str], anchor: date | None) -> TimeSpan | None:
    return one_day(weekday_before(anchor, _index(match["weekday"], _WEEKDAYS))) if anchor else None


@_rule(r"(?:the\s+)?(?P<decade>(?:19[5-9]|20[0-4])0)['’]?s")  # noqa: RUF001  people write it with a curly apostrophe
def _decade(match: re.Match[str], _anchor: date | None) -> TimeSpan:
    return TimeSpan(date(int(match["decade"]), 1, 1), date(int(match["decade"]) + 9, 12, 31), "range")


@_rule(_YEAR)
def _bare_year(match: re.Match[str], _anchor: date | None) -> TimeSpan:
    return year_of(int(match[0]))
