"""A memory system, an answering model and a judge that end their process at some questions, until ``mended`` exists."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from tests.subjects.watched import Contains, First, Slow, note
from vocabulary import Answer, Gold, Question, SearchResult, Session, Verdict


def kill(question: Question | str, how: str) -> None:
    """End the process if ``DEADLY`` names this kind of end for a part of the question's text."""
    text = question if isinstance(question, str) else question.text
    for rule in filter(None, os.environ.get("DEADLY", "").split(";")):
        kind, part = rule.split("=")
        if kind == how and part in text and not (Path(os.environ["WATCHED"]) / "mended").exists():
            note("death", text)
            if how == "segfault":
                ctypes.string_at(0)
            os._exit(3)


class Memory(Slow):
    """Ends its process in a search, or in an ingest."""

    name = "deadly-memory"

    def ingest(self, container: str, session: Session) -> None:
        kill(session.messages[0].text, "ingest")
        super().ingest(container, session)

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        found = super().search(container, question, top_k)
        kill(question, "search")
        kill(question, "segfault")
        return found


class Reader(First):
    """Ends its process in an answer."""

    name = "deadly-reader"

    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        kill(question, "answer")
        return super().answer(question, results)


class Grader(Contains):
    """Ends its process in a verdict."""

    name = "deadly-grader"

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        kill(question, "judge")
        return super().evaluate(question, gold, answer)
