"""LongMemEval: 500 questions, each over a chat history of its own, in three sizes."""

import pytest

from bench.benchmarks.longmemeval import LongMemEvalM, LongMemEvalOracle, LongMemEvalS
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Question


@pytest.mark.benchmark_questions(benchmark=LongMemEvalOracle)
def test_longmemeval_oracle(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Over the evidence sessions alone."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation


@pytest.mark.benchmark_questions(benchmark=LongMemEvalS)
def test_longmemeval_s(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Over about 48 sessions."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation


@pytest.mark.benchmark_questions(benchmark=LongMemEvalM)
def test_longmemeval_m(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Over about 500 sessions."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation
