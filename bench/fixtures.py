"""The fixtures of a benchmark's test, as types: `memory`, `answerer` and `judge`. The plugin provides them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vocabulary import Answer, Question, SearchResult, Verdict


class Memory(Protocol):
    """The provider under test."""

    def search(self, question: Question) -> Sequence[SearchResult]:
        """What the provider finds, its haystack ingested and indexed once before, by the first test that needed it."""


class AnswererFace(Protocol):
    """The answering model."""

    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        """What the answering model makes of `results`."""


class JudgeFace(Protocol):
    """The judge."""

    def evaluate(self, question: Question, answer: Answer) -> Verdict:
        """How the judge grades `answer`."""
