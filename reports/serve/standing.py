"""How far a run is, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.metrics import Accuracy
from reports.store import Invocation, QuestionKey, RunRecord


class Error(NamedTuple):
    """Questions that ended in an error of one type in one phase, with one of them."""

    key: QuestionKey
    phase: str
    type: str
    message: str
    number: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that was not answered right, or ended in an error; `detail` is the error."""

    key: QuestionKey
    outcome: str
    question_type: str
    question: str
    ground_truth: str
    answer: str
    detail: str


@dataclass(frozen=True, slots=True)
class PairStanding:
    """How far a provider is on a benchmark. `accuracy` is of what was judged; of all that was selected at the end."""

    provider: str
    benchmark: str
    selected: int
    haystacks: int
    haystacks_ready: int
    done: dict[str, int]
    ended: int
    errors: int
    correct: int
    accuracy: Accuracy | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A run as it stands. `in_flight` is None where that is not known, `usd` "" where no model is paid for.

    `left` is an estimate in seconds; None without a measure of its pace. Processes are `at_work` until the report of a
    run is written, after the run itself has ended.
    """

    run: RunRecord
    state: str
    at_work: bool
    invocations: Sequence[Invocation]
    pairs: tuple[PairStanding, ...]
    errors: tuple[Error, ...]
    failures: tuple[Failure, ...]
    in_flight: int | None
    paused: dict[str, float]
    usd: str
    left: float | None

    @property
    def selected(self) -> int:
        """Questions, over all pairs."""
        return sum(pair.selected for pair in self.pairs)

    @property
    def ended(self) -> int:
        """Questions that have come to their end."""
        return sum(pair.ended for pair in self.pairs)
