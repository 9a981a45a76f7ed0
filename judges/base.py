"""What grades an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import ClassVar

from schema import Answer, Gold, Question, Verdict


class Judge(ABC):
    """A grader of answers.

    `protocol` names the rules and their version: two accuracies compare only under the same protocol. `model` is the
    language model behind it, None where there is none. Raise `schema.JudgeError` for what goes wrong: a reply that
    cannot be read is never a verdict. `evaluate` is ``async def`` or plain ``def``; a plain one runs in a thread.
    """

    name: ClassVar[str]
    protocol: ClassVar[str]
    model: ClassVar[str | None] = None
    concurrency: ClassVar[int | None] = None

    @abstractmethod
    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict | Awaitable[Verdict]:
        """Grade `answer` to `question` against `gold`."""

    def close(self) -> Awaitable[None] | None:  # noqa: B027  nothing to close unless overridden
        """Give back what this process holds."""
