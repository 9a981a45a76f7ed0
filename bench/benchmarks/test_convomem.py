"""ConvoMem: what was said in up to 300 conversations, by either side."""

import pytest

from bench.benchmarks.convomem import ConvoMem, ConvoMemEvidence
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Question


@pytest.mark.benchmark_questions(benchmark=ConvoMem)
def test_convomem(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Over haystacks that evidence was mixed into."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation


@pytest.mark.benchmark_questions(benchmark=ConvoMemEvidence)
def test_convomem_evidence(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Over the evidence conversations alone."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation
