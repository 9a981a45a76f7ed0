"""BEAM: twenty questions about each chat, in four sizes."""

import pytest

from bench.benchmarks.beam.loader import Beam1M, Beam10M, Beam100K, Beam500K
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Question


@pytest.mark.benchmark_questions(benchmark=Beam100K)
def test_beam_100k(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Over chats of about 128,000 tokens."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation


@pytest.mark.benchmark_questions(benchmark=Beam500K)
def test_beam_500k(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Over chats of about 500,000 tokens."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation


@pytest.mark.benchmark_questions(benchmark=Beam1M)
def test_beam_1m(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Over chats of about a million tokens."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation


@pytest.mark.only_by_name("beam_10m")
@pytest.mark.benchmark_questions(benchmark=Beam10M)
def test_beam_10m(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    """Over chats of about ten million tokens: hours of ingest for most providers."""
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert verdict.correct, verdict.explanation
