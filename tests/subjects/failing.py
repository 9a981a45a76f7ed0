"""A memory system, an answering model and a judge that fail for everybody while a file says so; see ``subjects``."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from tests.subjects.watched import Contains, First, Watched, note
from vocabulary import (
    Answer,
    Gold,
    InfrastructureError,
    JudgeError,
    ModelError,
    ProviderError,
    Question,
    SearchResult,
    Session,
    Verdict,
)


def fail_while_down(what: str, kind: type[InfrastructureError]) -> None:
    if (Path(os.environ["WATCHED"]) / f"{what} is down").exists():
        note(f"refused {what}", "-")
        status = 503 if what == "ingest" else 500  # a single call at a time: nobody else fails
        raise kind(f"answered {status}", transient=True, status=status)
    time.sleep(0.01)


class Memory(Watched):
    name = "memory"

    def ingest(self, container: str, session: Session) -> None:
        fail_while_down("ingest", ProviderError)
        super().ingest(container, session)

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        fail_while_down("search", ProviderError)
        return super().search(container, question, top_k)


class Model(First):
    name = "model"
    concurrency = 4

    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        fail_while_down("answer", ModelError)
        return super().answer(question, results)


class Grader(Contains):
    name = "grader"
    concurrency = 4

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        fail_while_down("judge", JudgeError)
        return super().evaluate(question, gold, answer)
