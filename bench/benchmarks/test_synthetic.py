"""The synthetic benchmark: facts planted in talk of any size."""

import pytest

from bench.benchmarks.synthetic import Synthetic
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Question


@pytest.mark.benchmark_questions(benchmark=Synthetic)
def test_synthetic(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Search, answer, judge."""
    results = memory.search(question)
    answer = answerer.answer(question, results)
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation
