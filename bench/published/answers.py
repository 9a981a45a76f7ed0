"""What others published, as it is read: answers with their grades, and what is stated about them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias  # Any: parsed JSON of others

from pydantic import JsonValue

Record: TypeAlias = dict[str, Any]

LONGMEMEVAL = ("longmemeval_s", "longmemeval_m", "longmemeval_oracle")
"""They ask the same questions; the first one whose data is here is taken."""


class PublishedAnswer(NamedTuple):
    """One answer, and by what its question can be found.

    `label` is what its publisher calls the question, "" for nothing. `source_id` is the data set's own id.
    `conversation` is a number in the data's order or the conversation's name, `number` the question's own in it. An
    empty `question` is an unknown one. `grade` is the share of the publisher's judgements that accept the answer, None
    without any.
    """

    label: str
    question: str
    answer: str
    grade: float | None = None
    source_id: str | None = None
    conversation: int | str | None = None
    number: int | None = None
    truth: str = ""


class PublishedSet(NamedTuple):
    """The answers of one publisher to one benchmark.

    `benchmarks` are the names that it may have here, the likeliest first; none where the file does not say. `facts` are
    what the file states. `all_wrong` says that each answer is wrong on purpose.
    """

    publisher: str
    benchmarks: tuple[str, ...]
    facts: dict[str, JsonValue]
    answers: Sequence[PublishedAnswer]
    all_wrong: bool = False


def facts_of(record: Record, *names: str) -> dict[str, JsonValue]:
    """What `record` states under `names`, without what is empty."""
    return {name: record[name] for name in names if record.get(name) not in (None, "", [], {})}


def share(judgements: Sequence[bool]) -> float | None:
    """The share of `judgements` that accept; None of none."""
    return float(Fraction(sum(judgements), len(judgements))) if judgements else None


def text_of(value: object) -> str:
    """An answer or ground truth as text: some are numbers, and nothing is an empty answer."""
    return "" if value is None else str(value)


def objects_in(value: object) -> list[Record]:
    """`value` if it is a list of objects, else nothing."""
    return value if isinstance(value, list) and value and all(isinstance(one, dict) for one in value) else []


def has(record: Record, *names: str) -> bool:
    """Whether `record` has all of `names`."""
    return all(name in record for name in names)
