"""A benchmark with several haystacks, as LoCoMo has; its questions are named after them: h0-syn-q0000 and so on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from bench.base import Benchmark, BenchmarkInfo, BenchmarkOptions, opaque_id
from bench.benchmarks.synthetic import Synthetic
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Case, Haystack, Question

HAYSTACKS = 9


class Many(Benchmark):
    """Nine synthetic haystacks, each with the questions to it, one after the other."""

    name: ClassVar[str] = "many"
    types: ClassVar[tuple[str, ...]] = Synthetic.types

    def __init__(self, options: BenchmarkOptions) -> None:
        super().__init__(options)
        seeds = range(HAYSTACKS)
        self._parts = [Synthetic(options.model_copy(update={"synthetic_seed": seed})) for seed in seeds]
        self._cases = [
            self._renamed(case, f"h{number}-{case.id}")
            for number, part in enumerate(self._parts)
            for case in part.cases()
        ]
        self._part_of = {part.cases()[0].haystack: part for part in self._parts}

    @property
    def info(self) -> BenchmarkInfo:
        return self._parts[0].info.model_copy(update={"name": self.name})

    def cases(self) -> Sequence[Case]:
        return self._cases

    def haystack(self, haystack_id: str) -> Haystack:
        return self._part_of[haystack_id].haystack(haystack_id)

    def _renamed(self, case: Case, case_id: str) -> Case:
        question = case.question.model_copy(update={"id": opaque_id(self.name, case_id)})
        return case.model_copy(
            update={"id": case_id, "benchmark": self.name, "question": question, "cluster": case_id[:2]}
        )


@pytest.mark.benchmark_questions(benchmark=Many)
def test_many(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    verdict = judge.evaluate(question, answerer.answer(question, memory.search(question)))
    assert verdict.correct, verdict.explanation
