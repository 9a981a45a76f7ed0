"""Own data: the questions of each data set that ``--dataset`` names."""

import pytest

from bench.benchmarks.own import Mine
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Question


@pytest.mark.benchmark_questions(benchmark=Mine)
def test_mine(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Over the haystack that the question belongs to."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation
