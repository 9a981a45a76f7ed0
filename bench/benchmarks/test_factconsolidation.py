"""FactConsolidation: 800 questions over four lists of facts that contradict each other."""

import pytest

from bench.benchmarks.factconsolidation import FactConsolidation
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Question


@pytest.mark.benchmark_questions(benchmark=FactConsolidation)
def test_factconsolidation(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Search, answer, judge."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation
