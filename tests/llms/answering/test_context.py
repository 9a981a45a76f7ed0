"""What a model is given to read: chosen by rank, shown by time, within its budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from llms.answering.context import format_moment, render
from tests.known import LETTERS
from vocabulary import SearchResult, estimate_tokens

MAY, JUNE, JULY = datetime(2023, 5, 8, 13, 56), datetime(2023, 6, 9, 20, 1), datetime(2023, 7, 15)


def found(text: str, timestamp: datetime | None = None) -> SearchResult:
    return SearchResult(text=text, timestamp=timestamp)


def test_results_stand_in_the_order_of_time_and_those_without_one_last() -> None:
    context = render([found("third", JULY), found("no time"), found("first", MAY), found("second", JUNE)])
    assert context.text == (
        "[Monday, 8 May 2023, 13:56] first\n\n"
        "[Friday, 9 June 2023, 20:01] second\n\n"
        "[Saturday, 15 July 2023] third\n\n"
        "[date unknown] no time"
    )
    assert context.tokens == estimate_tokens(context.text)
    assert [result.text for result in context.used] == ["third", "no time", "first", "second"], "best first"
    assert context.left_out == 0


def test_results_of_one_moment_and_of_none_keep_their_ranks() -> None:
    context = render([found("b", MAY), found("d"), found("a", MAY), found("c")])
    assert [entry.split("] ")[1] for entry in context.text.split("\n\n")] == ["b", "a", "d", "c"]


def test_times_with_and_without_a_zone_go_together() -> None:
    east = timezone(timedelta(hours=9))
    context = render([found("later", MAY), found("earlier", datetime(2023, 5, 8, 22, 0, tzinfo=east))])
    assert context.text.index("earlier") < context.text.index("later")
    assert "[Monday, 8 May 2023, 13:00] earlier" in context.text
    assert format_moment(datetime(2024, 2, 29, 23, 5, tzinfo=UTC)) == "Thursday, 29 February 2024, 23:05"


def test_without_a_budget_all_is_shown() -> None:
    results = [found("x" * 4000, MAY)] * 100
    assert render(results).used == tuple(results)
    assert render([]).text == ""
    assert render([], 10).tokens == 0


def test_what_does_not_fit_is_left_out_whole_and_what_comes_after_it_may_still_fit() -> None:
    best, long, short = found("the best", MAY), found("long " * 100, JUNE), found("short", JULY)
    context = render([best, long, short], 20)
    assert context.used == (best, short)
    assert context.left_out == 1
    assert "long" not in context.text
    assert context.tokens <= 20


def test_the_ranking_decides_what_is_shown_not_the_time() -> None:
    late, early = found("said last", JULY), found("said first", MAY)
    assert "said last" in render([late, early], 10).text
    assert "said first" not in render([late, early], 10).text


def test_the_best_one_is_cut_if_it_alone_is_too_long() -> None:
    context = render([found("word " * 100, MAY), found("short", JUNE)], 25)
    assert context.text.startswith("[Monday, 8 May 2023, 13:56] word word")
    assert context.text.endswith(" …")
    assert len(context.text) == 100, "the budget is used"
    assert context.left_out == 1
    assert context.used[0].text in context.text, "what counts as used is what was shown"


def test_the_budget_counts_dates_and_what_parts_the_results() -> None:
    one = found("a" * 12, MAY)  # with its date 40 characters; two of them and the blank line 82
    assert [len(render([one, one], budget).used) for budget in (10, 20, 21)] == [1, 1, 2]


@given(
    st.lists(st.tuples(st.text(LETTERS, max_size=60), st.none() | st.datetimes()), max_size=12),
    st.integers(1, 100),
)
def test_no_budget_is_ever_exceeded(parts: list[tuple[str, datetime | None]], budget: int) -> None:
    context = render([found(text, moment) for text, moment in parts], budget)
    assert context.tokens == estimate_tokens(context.text) <= budget
    assert len(context.used) + context.left_out == len(parts)
    assert bool(context.used) == bool(parts)
