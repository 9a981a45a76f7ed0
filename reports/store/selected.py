"""Which questions a run is about, and what each of them is called in its checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vocabulary import Case


class QuestionKey(NamedTuple):
    """Which question of the run: `question` is the case's id."""

    provider: str
    benchmark: str
    question: str


@dataclass(frozen=True, slots=True)
class SelectedQuestion:
    """A question that a run puts to a provider."""

    provider: str
    case: Case

    @property
    def key(self) -> QuestionKey:
        """Its key in the checkpoint."""
        return QuestionKey(self.provider, self.case.benchmark, self.case.id)


def each_once(selected: Iterable[SelectedQuestion]) -> list[SelectedQuestion]:
    """`selected` in order, without those that are there already: several tests may be about one question."""
    return list({question.key: question for question in selected}.values())


def selection_rows(
    run_id: str, selected: Sequence[SelectedQuestion], ordinals: Mapping[QuestionKey, int]
) -> Iterator[dict[str, object]]:
    """The rows of `tables.questions`; a question without an ordinal has its position."""
    for position, question in enumerate(selected):
        yield {
            "run_id": run_id,
            **question.key._asdict(),
            "ordinal": ordinals.get(question.key, position),
            "record": question.case.model_dump_json(),
            "replayed": False,
        }
