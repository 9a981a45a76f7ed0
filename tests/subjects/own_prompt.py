"""Memory systems that bring a prompt of their own: given to pytest by dotted path."""

from __future__ import annotations

from collections.abc import Sequence

from tests.subjects.watched import Watched
from vocabulary import Question, SearchResult


class Prompted(Watched):
    """Has a prompt for every question."""

    name = "prompted"

    def answer_prompt(self, question: Question, results: Sequence[SearchResult]) -> str | None:
        return f"OWN PROMPT over {len(results)} results: {question.text}"


class Picky(Watched):
    """Has a prompt for questions that begin with "What", and none for others."""

    name = "picky"

    def answer_prompt(self, question: Question, results: Sequence[SearchResult]) -> str | None:
        return f"OWN PROMPT: {question.text} {results[0].text}" if question.text.startswith("What") else None


class Unable(Watched):
    """Fails over its prompt."""

    name = "unable"

    def answer_prompt(self, question: Question, results: Sequence[SearchResult]) -> str | None:
        raise KeyError(f"speaker of {results[0].text} for {question.text}")


class Waiting(Watched):
    """Would have to be waited for."""

    name = "waiting"

    async def answer_prompt(  # type: ignore[override]  # that is its fault
        self, question: Question, results: Sequence[SearchResult]
    ) -> str | None:
        return f"too late: {question.text} {results}"
