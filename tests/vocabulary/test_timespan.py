from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.offline import find_times
from tests.known import LETTERS
from vocabulary import TimeSpan, format_day

FRIDAY = date(2023, 6, 9)
DATES = st.dates(date(1950, 1, 1), date(2049, 12, 31))
MONTHS = ["January", "February", "March", "April", "May", "June"]
MONTHS += ["July", "August", "September", "October", "November", "December"]

ABSOLUTE = {
    "7 May 2023": ("2023-05-07", "2023-05-07"),
    "May 7, 2023": ("2023-05-07", "2023-05-07"),
    "on the 3rd of March 2021": ("2021-03-03", "2021-03-03"),
    "2023-05-07": ("2023-05-07", "2023-05-07"),
    "14September, 2022": ("2022-09-14", "2022-09-14"),
    "May, 2023": ("2023-05-01", "2023-05-31"),
    "February 2024": ("2024-02-01", "2024-02-29"),
    "2022": ("2022-01-01", "2022-12-31"),
    "Summer 2024": ("2024-06-01", "2024-08-31"),
    "winter of 2023": ("2023-12-01", "2024-02-29"),
    "the 1990s": ("1990-01-01", "1999-12-31"),
    "the week of 9 June 2023": ("2023-06-05", "2023-06-11"),
    "The week before 9 June 2023": ("2023-06-02", "2023-06-08"),
    "the week after June 9, 2023": ("2023-06-10", "2023-06-16"),
    "the friday before 20 May 2023": ("2023-05-19", "2023-05-19"),
    "the Friday before 19 May 2023": ("2023-05-12", "2023-05-12"),
    "the Monday after 20 May 2023": ("2023-05-22", "2023-05-22"),
    "two days before 1 March 2024": ("2024-02-28", "2024-02-28"),
    "a few days before November 22, 2023": ("2023-11-16", "2023-11-20"),
    "the weekend before 17 July 2023": ("2023-07-15", "2023-07-16"),
    "two weekends before 17 July 2023": ("2023-07-08", "2023-07-09"),
    "the weekend before 16 July 2023": ("2023-07-08", "2023-07-09"),
    "first weekend of August 2023": ("2023-08-05", "2023-08-06"),
    "first week of April, 2023": ("2023-04-01", "2023-04-07"),
    "the last two weeks of August 2023": ("2023-08-18", "2023-08-31"),
    "the last Sunday of May 2023": ("2023-05-28", "2023-05-28"),
    "November 5-6, 2022": ("2022-11-05", "2022-11-06"),
    "late February 2023": ("2023-02-19", "2023-02-28"),
}

RELATIVE = {
    "yesterday": ("2023-06-08", "2023-06-08"),
    "the day before yesterday": ("2023-06-07", "2023-06-07"),
    "tomorrow": ("2023-06-10", "2023-06-10"),
    "this morning": ("2023-06-09", "2023-06-09"),
    "last Friday": ("2023-06-02", "2023-06-02"),
    "last Tues": ("2023-06-06", "2023-06-06"),
    "next Friday": ("2023-06-16", "2023-06-16"),
    "this Friday": ("2023-06-09", "2023-06-09"),
    "last week": ("2023-06-02", "2023-06-08"),
    "next week": ("2023-06-10", "2023-06-16"),
    "this week": ("2023-06-05", "2023-06-11"),
    "this past weekend": ("2023-06-03", "2023-06-04"),
    "this weekend": ("2023-06-10", "2023-06-11"),
    "two weeks ago": ("2023-05-23", "2023-05-29"),
    "3 days ago": ("2023-06-06", "2023-06-06"),
    "in two months": ("2023-08-01", "2023-08-31"),
    "next month": ("2023-07-01", "2023-07-31"),
    "a year ago": ("2022-01-01", "2022-12-31"),
    "last year": ("2022-01-01", "2022-12-31"),
    "last summer": ("2022-06-01", "2022-08-31"),
    "last June": ("2022-06-01", "2022-06-30"),
    "in March": ("2023-03-01", "2023-03-31"),
    "May 30": ("2023-05-30", "2023-05-30"),
}


@pytest.mark.parametrize(("text", "days"), ABSOLUTE.items())
def test_an_absolute_time_needs_no_anchor(text: str, days: tuple[str, str]) -> None:
    (found,) = find_times(f"That was {text}.")
    assert (found.span.start.isoformat(), found.span.end.isoformat(), found.relative) == (*days, False)


@pytest.mark.parametrize(("text", "days"), RELATIVE.items())
def test_a_relative_time_is_counted_from_its_anchor(text: str, days: tuple[str, str]) -> None:
    sentence = f"We met {text}, as you know"
    (found,) = find_times(sentence, datetime(2023, 6, 9, 13, 56))
    assert (found.span.start.isoformat(), found.span.end.isoformat()) == days
    assert text.removeprefix("the ") in sentence[found.start : found.end]


@pytest.mark.parametrize("text", RELATIVE)
def test_a_relative_time_without_an_anchor_is_not_found(text: str) -> None:
    assert find_times(text) == ()


def test_an_anchor_can_serve_for_missing_years_alone() -> None:
    (found,) = find_times("not yesterday but on May 30", FRIDAY, relative=False)
    assert found.span == TimeSpan(date(2023, 5, 30), date(2023, 5, 30), "day")


@pytest.mark.parametrize(
    "text", ["31 June 2023", "29 February 2023", "2023-13-01", "Cyberpunk 2077", "he may go", "room 1204", "a second"]
)
def test_what_is_no_time_is_not_found(text: str) -> None:
    assert find_times(text, FRIDAY) == ()


@given(
    DATES,
    st.sampled_from(["{d} {m} {y}", "{m} {d}, {y}", "{d} {m}, {y}", "{m} {d} {y}", "{iso}", "the {d} of {s} {y}"]),
)
def test_a_day_is_found_back_in_any_format(day: date, form: str) -> None:
    month = MONTHS[day.month - 1]
    written = form.format(d=day.day, m=month, s=month[:3], y=day.year, iso=day.isoformat())
    (found,) = find_times(f"It happened {written}; nobody knew.")
    assert found.span == TimeSpan(day, day, "day")


@given(DATES)
def test_a_day_and_its_month_are_found_back_as_they_are_printed(day: date) -> None:
    assert find_times(format_day(day))[0].span == TimeSpan(day, day, "day")
    (month,) = find_times(f"{MONTHS[day.month - 1]} {day.year}")
    assert month.span.start.day == 1
    assert (month.span.end + timedelta(days=1)).day == 1
    assert month.span.covers(TimeSpan(day, day, "day"))
    assert find_times(str(month.span))[0].span == month.span


@given(DATES, st.integers(1, 99))
def test_counted_days_lead_there_and_back(day: date, count: int) -> None:
    (ago,) = find_times(f"{count} days ago", day)
    assert ago.span.start + timedelta(days=count) == day
    (ahead,) = find_times(f"{count} days after {format_day(day)}")
    assert ahead.span.start - timedelta(days=count) == day


@given(DATES)
def test_last_and_next_weekdays_lie_within_a_week_around_the_day(day: date) -> None:
    for number, name in enumerate(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]):
        last, after = (find_times(f"{which} {name}", day)[0].span.start for which in ("last", "next"))
        assert last.weekday() == after.weekday() == number
        assert timedelta(0) < day - last <= timedelta(7)
        assert timedelta(0) < after - day <= timedelta(7)
        assert find_times(f"the {name} before {format_day(day)}")[0].span.start == last


@given(DATES)
def test_last_week_is_the_week_before_the_day(day: date) -> None:
    (relative,) = find_times("last week", day)
    (absolute,) = find_times(f"the week before {format_day(day)}")
    assert relative.span == absolute.span
    assert relative.span.days == 7


@given(st.text(LETTERS, max_size=200), st.none() | DATES)
def test_any_text_can_be_read(text: str, anchor: date | None) -> None:
    found = find_times(text, anchor)
    assert all(one.start < one.end <= len(text) and one.span.days >= 1 for one in found)
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_times_come_in_their_order_and_spans_compare() -> None:
    first, second = (one.span for one in find_times("from May 2023 to 7 May 2023"))
    assert first.covers(second)
    assert not second.covers(first)
    assert second.overlaps(first)
    assert str(first) == "May 2023"
    assert not second.overlaps(TimeSpan(date(2023, 5, 8), date(2023, 5, 9), "range"))
