"""Shards: parts of a selection in its order, whole haystacks, about equal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.pipeline.selection import divide, own_first, shard_of
from reports.store import SelectedQuestion
from tests.reports.made_records import case
from vocabulary import ConfigurationError


def selection(*haystacks: str, provider: str = "bm25") -> list[SelectedQuestion]:
    """A question for each name of a haystack."""
    return [
        SelectedQuestion(provider, case(number).model_copy(update={"haystack": name}))
        for number, name in enumerate(haystacks)
    ]


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=30),
    count=st.integers(1, 12),
    scattered=st.booleans(),
)
def test_each_question_is_in_one_part_and_no_part_is_empty(sizes: list[int], count: int, scattered: bool) -> None:
    names = [f"h{number}" for number, size in enumerate(sizes) for _question in range(size)]
    if scattered:  # a benchmark may list its questions in any order
        names = names[::2] + names[1::2]
    selected = selection(*names)
    parts = divide(selected, count)
    assert len(parts) == min(count, len(sizes))
    assert all(parts)
    assert sorted(position for part in parts for position in part) == list(range(len(selected)))
    haystacks = [{selected[position].case.haystack for position in part} for part in parts]
    assert sum(map(len, haystacks)) == len(set().union(*haystacks))
    # no part is larger than its share by more than the largest haystack
    assert max(map(len, parts)) <= len(selected) / len(parts) + max(sizes)


def test_parts_are_contiguous_where_haystacks_are() -> None:
    selected = selection(*"aaabbbbccd")
    assert divide(selected, 3) == [[0, 1, 2], [3, 4, 5, 6], [7, 8, 9]]
    assert divide(selected, 4) == [[0, 1, 2], [3, 4, 5, 6], [7, 8], [9]]


def test_each_provider_has_its_own_haystacks() -> None:
    selected = [*selection(*"aabb"), *selection(*"aabb", provider="none")]
    assert divide(selected, 4) == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_all_shards_know_the_same_selection() -> None:
    selected = selection(*"aaabbbbccd")
    shards = [shard_of(selected, f"{index}/3") for index in (1, 2, 3)]
    records = [one.record for one in shards if one.record]
    assert {(one.selected, one.selection) for one in records} == {(10, records[0].selection)}
    assert [sorted(one.ordinals.values()) for one in shards] == divide(selected, 3)
    other = shard_of(selected[1:], "1/3").record
    assert other
    assert other.selection != records[0].selection


def test_fewer_haystacks_than_shards_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^--shard 2/8: 10 questions over 4 haystacks.*Use 4 shards or fewer"):
        shard_of(selection(*"aaabbbbccd"), "2/8")


def test_where_places_share_a_run_each_begins_with_its_part() -> None:
    selected = selection(*"aaabbbbccd")
    parts = [shard_of(selected, f"{index}/6", shared=True) for index in range(1, 7)]
    assert [sorted(one.ordinals.values()) for one in parts[:4]] == divide(selected, 6)
    assert [one.ordinals for one in parts[4:]] == [one.ordinals for one in parts[:2]], "there are only four haystacks"
    assert all(one.record is None for one in parts)


def test_what_follows_a_part_comes_before_what_precedes_it() -> None:
    assert own_first("abcdefg", "ce".__contains__) == [*"cedfgab"]
    assert own_first("abc", "abc".__contains__) == own_first("abc", "".__contains__) == [*"abc"]
