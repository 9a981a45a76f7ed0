"""What `compare --json` prints."""

from __future__ import annotations

import json
from typing import Final, Literal

from reports.differences import Difference
from reports.metrics import Block

COMPARISON_VERSION: Final = 1
"""Raised when a key goes away or changes its meaning."""


class Compares(Block):
    """One side: a provider in a run, or in several that repeat each other."""

    provider: str
    runs: tuple[str, ...]
    commits: tuple[str, ...]
    """The suite's commits, each once."""


class LeftOut(Block):
    """Questions that are not compared."""

    only_first: int
    """The second side was not asked these."""
    only_second: int


class ChangedOrigin(Block):
    """Something that the runs do not have in common."""

    subject: str
    first: str
    second: str
    barrier: bool
    """Whether it makes the numbers incomparable: other data, or another judge."""


class Flips(Block):
    """Questions whose verdict is another one, by id; of repeats, the verdict of most of them."""

    right_to_wrong: tuple[str, ...]
    wrong_to_right: tuple[str, ...]
    """In both, wrong is a verdict: errors are below."""
    right_to_error: tuple[str, ...]
    wrong_to_error: tuple[str, ...]
    error_to_right: tuple[str, ...]
    error_to_wrong: tuple[str, ...]


class Compared(Block):
    """One side against another on one benchmark, over the questions that both were asked."""

    benchmark: str
    first: Compares
    second: Compares
    n: int
    left_out: LeftOut
    changed: tuple[ChangedOrigin, ...]
    warnings: tuple[str, ...]
    differences: tuple[Difference, ...]
    by_type: dict[str, tuple[Difference, ...]]
    """In the benchmark's order; accuracy and recall@10 alone."""
    flips: Flips


class Comparisons(Block):
    """The whole of it."""

    schema_version: Literal[1] = COMPARISON_VERSION
    comparisons: tuple[Compared, ...]
    not_compared: tuple[str, ...]
    """Benchmarks that only some of the runs have, in words."""


def comparisons_schema() -> str:
    """The JSON Schema as text, ending in a newline: ``docs/comparison.schema.json``."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Comparisons.model_json_schema(mode="serialization"),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
