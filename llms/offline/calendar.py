"""Calendar arithmetic: from "two weeks ago" and its like to intervals of days.

Where English leaves room, one reading is fixed, so that the same words are the same days everywhere:

- "the week before 9 June" (and "last week", said on 9 June) is the seven days that end on the day before; "the week of
  9 June" is Monday to Sunday around it.
- "last Friday" is the latest Friday before the day, "next Friday" the first after it, whatever week they fall in.
- "two weeks ago" is known to a week, "two months ago" to a month, "two years ago" to a year; "a few" are two to six.
- A season is of the northern hemisphere; winter bears the year of its December.
- A date without a year lies in the year that brings it nearest to the day it was said on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

from vocabulary import Precision, TimeSpan


def one_day(day: date) -> TimeSpan:
    """The day alone."""
    return TimeSpan(day, day, "day")


def days_from(start: date, count: int, precision: Precision) -> TimeSpan:
    """`count` days from `start` on."""
    return TimeSpan(start, start + timedelta(days=count - 1), precision)


def month_of(year: int, month: int) -> TimeSpan:
    """A calendar month; `month` is 1 to 12."""
    first = date(year, month, 1)
    return TimeSpan(first, first + relativedelta(months=1, days=-1), "month")


def season_of(year: int, season: int) -> TimeSpan:
    """A season by its place in `SEASONS`; winter 2023 ends in February 2024."""
    first = date(year, 3 * season + 3, 1)
    return TimeSpan(first, first + relativedelta(months=3, days=-1), "season")


def year_of(year: int) -> TimeSpan:
    """A calendar year."""
    return TimeSpan(date(year, 1, 1), date(year, 12, 31), "year")


def weekend(saturday: date) -> TimeSpan:
    """A Saturday and its Sunday."""
    return days_from(saturday, 2, "weekend")


def weekday_before(day: date, weekday: int) -> date:
    """The latest such weekday (Monday is 0) before `day`, never `day` itself."""
    return day - timedelta(days=(day.weekday() - weekday - 1) % 7 + 1)


def weekday_after(day: date, weekday: int) -> date:
    """The first such weekday (Monday is 0) after `day`, never `day` itself."""
    return day + timedelta(days=(weekday - day.weekday() - 1) % 7 + 1)


def nearest(anchor: date | None, make: Callable[[int], TimeSpan]) -> TimeSpan | None:
    """The span that `make` gives for the year that brings it nearest to `anchor`; None without an anchor."""
    if anchor is None:
        return None
    spans = [make(anchor.year + years) for years in (-1, 0, 1)]
    return min(spans, key=lambda span: max((span.start - anchor).days, (anchor - span.end).days, 0))


def in_year(year: str | None, anchor: date | None, make: Callable[[int], TimeSpan]) -> TimeSpan | None:
    """The span that `make` gives for `year`, or for the year `nearest` to `anchor` where none is named."""
    return make(int(year)) if year else nearest(anchor, make)


def shift(day: date, count: int | None, unit: str, sign: int) -> TimeSpan:
    """The span that lies `count` units before (`sign` -1) or after (`sign` 1) `day`; a `count` of None is "a few".

    A unit is "day", "week", "weekend", "month" or "year". "The week before" is not a week ago: see `next_to`.
    """
    if count is None:
        near, far = (_moved(day, sign * few, unit) for few in (2, 6))
        return TimeSpan(min(near, far), max(near, far), "range")
    there = _moved(day, sign * count, unit)
    if unit == "week":
        return days_from(there - timedelta(days=3), 7, "week")
    if unit == "weekend":
        return weekend(next_to(day, unit, sign).start + timedelta(days=7 * sign * (count - 1)))
    if unit == "month":
        return month_of(there.year, there.month)
    return one_day(there) if unit == "day" else year_of(there.year)


def next_to(day: date, unit: str, sign: int) -> TimeSpan:
    """The day, week, weekend, month or year just before (`sign` -1) or after (1) `day`."""
    if unit == "week":
        return days_from(day - timedelta(days=7) if sign < 0 else day + timedelta(days=1), 7, "week")
    if unit == "weekend":
        return weekend(weekday_before(day - timedelta(days=1), 5) if sign < 0 else weekday_after(day, 5))
    return shift(day, 1, unit, sign)


def _moved(day: date, count: int, unit: str) -> date:
    if unit == "month":
        return day + relativedelta(months=count)
    if unit == "year":
        return day + relativedelta(years=count)
    return day + timedelta(days=count * (1 if unit == "day" else 7))
