"""Tests of a benchmark whose authors made mistakes, or ask more than that a verdict is good; run by its path."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bench.benchmarks.synthetic import Synthetic
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Question


@pytest.mark.benchmark_questions(benchmark=Synthetic)
def test_divides(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    answer = answerer.answer(question, memory.search(question))
    verdict = judge.evaluate(question, answer)
    assert 1 / (len(verdict.label) - len(verdict.label))


@pytest.mark.benchmark_questions(benchmark=Synthetic)
def test_looks_at_results(question: Question, memory: Memory) -> None:
    results = memory.search(question)
    long_ago = datetime(1970, 1, 1, tzinfo=UTC)
    assert [found for found in results if found.timestamp and found.timestamp < long_ago], (
        "no result is older than the question"
    )


@pytest.mark.benchmark_questions(benchmark=Synthetic)
def test_mixes(question: Question, memory: Memory) -> None:
    memory.search(question.model_copy(update={"text": "What else?"}))
