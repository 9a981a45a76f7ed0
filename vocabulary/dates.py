"""Times as intervals of days, and how a day is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

Precision = Literal["day", "week", "weekend", "month", "season", "year", "range"]
"""What a span is known to; "range" where it is none of the others ("a few days ago", "early May")."""

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SEASONS = ("spring", "summer", "autumn", "winter")


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """The days from `start` to `end`, both of them counted."""

    start: date
    end: date
    precision: Precision

    @property
    def days(self) -> int:
        """How many days it is long; at least 1."""
        return (self.end - self.start).days + 1

    def covers(self, other: TimeSpan) -> bool:
        """Whether all days of `other` are days of this span."""
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: TimeSpan) -> bool:
        """Whether the two have a day in common."""
        return self.start <= other.end and other.start <= self.end

    def __str__(self) -> str:
        first, last = format_day(self.start), format_day(self.end)
        if self.precision == "month":
            return f"{MONTHS[self.start.month - 1]} {self.start.year}"
        if self.precision == "year":
            return str(self.start.year)
        if self.precision == "season":
            return f"{SEASONS[self.start.month // 3 - 1]} {self.start.year}"
        if self.precision == "weekend":
            return f"the weekend of {first}"
        return first if self.start == self.end else f"{first} to {last}"


def format_day(day: date) -> str:
    """A day as in ``7 May 2023``."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"
