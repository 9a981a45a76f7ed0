"""A benchmark's test whose author reranks what the memory system found; run by its path."""

from __future__ import annotations

import pytest

from bench.benchmarks.synthetic import Synthetic
from bench.fixtures import AnswererFace, JudgeFace, Memory
from vocabulary import Question


@pytest.mark.benchmark_questions(benchmark=Synthetic)
def test_reranked(question: Question, memory: Memory, answerer: AnswererFace, judge: JudgeFace) -> None:
    results = memory.search(question)
    answer = answerer.answer(question, list(reversed(results))[:1])
    verdict = judge.evaluate(question, answer.model_copy(update={"hypothesis": answer.hypothesis + " (reranked)"}))
    assert verdict.correct, verdict.explanation
