"""LoCoMo: ten conversations over months, 1,986 questions."""

import pytest

from bench.benchmarks.locomo import LoCoMo
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Question


@pytest.mark.benchmark_questions(benchmark=LoCoMo)
def test_locomo(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Search, answer, judge."""
    results = memory.search(question)
    answer = answerer.answer(question, results)
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation
