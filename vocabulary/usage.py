"""What model calls used, and whether a server has read all that it was sent."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, NonNegativeInt

from vocabulary.word import Word

UNREAD_SHARE = 0.5
"""A server that counts less than this share of a prompt's estimated tokens has not read all of it."""

UNREAD_TOKENS = 1000
"""Shorter prompts are not compared: templates and caches weigh too much in them."""

SAME_COUNTS = 10
"""So many prompts of different sizes do not have the same number of tokens by chance."""

_LARGER = 1.25
_TOKENS_APART = 16


class Usage(Word):
    """What model calls used, in tokens as the server counted them.

    `input_tokens` are all that were read, `cached_tokens` and `cache_write_tokens` those of them that a cache gave or
    took. `output_tokens` are all that were written, `reasoning_tokens` those of them that nobody sees. `calls` counts
    the requests that were answered, `batched` those of them that went through a batch endpoint, at its lower price.
    `sent_tokens` is the estimated size of the prompts, 0 where it is not known.
    """

    input_tokens: NonNegativeInt = 0
    output_tokens: NonNegativeInt = 0
    cached_tokens: NonNegativeInt = 0
    cache_write_tokens: NonNegativeInt = 0
    reasoning_tokens: NonNegativeInt = 0
    calls: NonNegativeInt = 1
    batched: NonNegativeInt = Field(default=0, exclude_if=lambda calls: not calls)
    sent_tokens: NonNegativeInt = Field(default=0, exclude_if=lambda tokens: not tokens)

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields})


def is_unread(sent: int, counted: int) -> bool:
    """Whether a server that counted so many tokens has read only a part of a prompt of about `sent` tokens."""
    return sent >= UNREAD_TOKENS and 0 < counted < UNREAD_SHARE * sent


def counted_alike(prompts: Sequence[tuple[int, int]]) -> int:
    """How many prompts, given as (sent, counted) tokens, have the highest count there is, whatever their size.

    0 where that is no sign of a limit: there are few of them, or their sizes hardly differ.
    """
    highest = max((counted for _sent, counted in prompts), default=0)
    sizes = [sent for sent, counted in prompts if counted == highest]
    if highest == 0 or len(sizes) < SAME_COUNTS:
        return 0
    smallest, largest = min(sizes), max(sizes)
    most_of_them = 2 * len(sizes) >= len(prompts) and largest - smallest >= _TOKENS_APART
    return len(sizes) if most_of_them or largest >= _LARGER * smallest else 0
