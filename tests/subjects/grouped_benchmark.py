"""A benchmark whose data are grouped by type, as LongMemEval's files are; run by its path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.synthetic import Synthetic
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Case, Question


class Grouped(Synthetic):
    """The synthetic questions, those of a type one after the other; the second half asked over haystacks of 30."""

    name: ClassVar[str] = "grouped"

    def __init__(self, options: BenchmarkOptions) -> None:
        super().__init__(options)
        ordered = sorted(super().cases(), key=lambda case: self.types.index(case.gold.question_type))
        self._grouped = [self._in_group(case, number < len(ordered) // 2) for number, case in enumerate(ordered)]

    def cases(self) -> Sequence[Case]:
        return self._grouped

    def _in_group(self, case: Case, first: bool) -> Case:
        gold = case.gold.model_copy(update={"groups": ("context-2" if first else "context-30",)})
        return case.model_copy(update={"benchmark": self.name, "gold": gold})


@pytest.mark.benchmark_questions(benchmark=Grouped)
def test_grouped(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    verdict = judge.evaluate(question, answerer.answer(question, memory.search(question)))
    assert verdict.correct, verdict.explanation
