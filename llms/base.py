"""What answers a question from what a provider found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import ClassVar

from schema import Answer, Question, SearchResult


class Answerer(ABC):
    """An answering model.

    `version` changes whenever the same input may give another answer. `offline` says that no language model is behind
    it. Raise `schema.ModelError` for what goes wrong. `answer` is ``async def`` or plain ``def``; a plain one runs in a
    thread.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    offline: ClassVar[bool] = False
    concurrency: ClassVar[int | None] = None

    @abstractmethod
    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer | Awaitable[Answer]:
        """The answer to `question` from `results` alone; an empty hypothesis is an answer, and a wrong one."""

    def close(self) -> Awaitable[None] | None:  # noqa: B027  nothing to close unless overridden
        """Give back what this process holds."""
