"""The figures about what a run used: calls, tokens, dollars."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainSerializer

from reports.metrics.figures import Block

Dollars = Annotated[float, PlainSerializer(lambda value: round(value, 6), return_type=float)]
"""US dollars; full precision in memory, six decimals when serialized."""


class Calls(Block):
    """What the work took."""

    ingest_sessions: int
    """Sessions in the containers as they were finally ingested."""
    search: int
    answer: int
    judge: int
    retries: int
    """Attempts beyond the first, over steps and sessions."""


class Tokens(Block):
    """Tokens as the model's server counted them."""

    input_tokens: int
    """All that were read, whether or not from a cache."""
    output_tokens: int
    """All that were written."""
    cached_tokens: int
    """Those of `input_tokens` that came from a cache."""
    cache_write_tokens: int
    """Those of `input_tokens` that were written to a cache."""
    reasoning_tokens: int
    """Those of `output_tokens` that nobody sees."""
    calls: int
    """Requests that were answered."""


class PhaseCost(Tokens):
    """What one phase cost, and what for."""

    usd: Dollars | None
    """Null where the price of any of it is unknown."""
    models: tuple[str, ...]
    """The models that were paid for, as their servers call them."""


class Cost(Block):
    """What the calls of models cost that this result was made with."""

    usd: Dollars | None
    """Null where the price of any of it is unknown."""
    by_phase: dict[str, PhaseCost]
    unpriced: tuple[str, ...]
    """Models whose price, or whose tokens, are unknown."""
    prices: str
    """Where the prices are from; they are those of the time when the run began."""
