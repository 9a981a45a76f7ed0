"""A benchmark's test with an assertion of its own, about something else than the verdict."""

import pytest

from bench.benchmarks.synthetic import Synthetic
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Question


@pytest.mark.benchmark_questions(benchmark=Synthetic)
def test_extra(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    verdict = judge.evaluate(question, answerer.answer(question, memory.search(question)))
    assert len(question.text) < 3, "the question is too long"
    assert verdict.correct, verdict.explanation
