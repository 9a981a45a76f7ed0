"""When a server's count of tokens says that it has not read what it was sent."""

from __future__ import annotations

import random

import pytest

from vocabulary import SAME_COUNTS, Usage, counted_alike, is_unread


@pytest.mark.parametrize(
    ("sent", "counted", "unread"),
    [
        (17_709, 2_048, True),
        (4_097, 2_048, True),
        (4_000, 2_048, False),
        (1_000, 499, True),
        (999, 1, False),  # too short to compare
        (17_709, 0, False),  # not counted at all
        (17_709, 60_000, False),
    ],
)
def test_far_fewer_tokens_than_were_sent(sent: int, counted: int, unread: bool) -> None:
    assert is_unread(sent, counted) is unread


@pytest.mark.parametrize(
    ("prompts", "alike"),
    [
        ([(size, 100) for size in range(200, 400, 10)], 20),
        ([(size, 2_048) for size in range(2_000, 4_000, 100)], 20),
        ([(size, min(size, 2_048)) for size in range(100, 4_000, 100)], 19),  # the longest half is cut
        ([(size, min(size, 3_000)) for size in [*range(100, 3_000, 10), *range(3_100, 5_000, 100)]], 19),
        ([(size, 100) for size in range(200, 200 + SAME_COUNTS - 1)], 0),  # few
        ([(200, 190)] * 50, 0),  # of one size
        ([(200 + step % 10, 190) for step in range(50)], 0),  # nearly
        ([(size, 0) for size in range(200, 400, 10)], 0),  # not counted at all
        ([], 0),
    ],
)
def test_the_same_count_for_prompts_of_different_sizes(prompts: list[tuple[int, int]], alike: int) -> None:
    assert counted_alike(prompts) == alike


@pytest.mark.parametrize("middle", [80, 560, 5_000])
@pytest.mark.parametrize("spread", [2, 30, 400])
def test_counts_of_a_tokenizer_are_no_sign(middle: int, spread: int) -> None:
    """Five thousand prompts, whose tokens are not quite a quarter of their characters."""
    chance = random.Random(7)
    sizes = [max(20, round(chance.gauss(middle, spread))) for _ in range(5_000)]
    prompts = [(size, max(1, round(size * chance.gauss(0.9, 0.03)))) for size in sizes]
    assert counted_alike(prompts) == 0
    assert not any(is_unread(*prompt) for prompt in prompts)


def test_what_was_sent_adds_up_and_is_left_out_where_it_is_not_known() -> None:
    assert (Usage(sent_tokens=3) + Usage(sent_tokens=4)).sent_tokens == 7
    assert "sent_tokens" not in Usage().model_dump()
