"""What grades an answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable

from vocabulary import Answer, Gold, Question, Verdict


class Judge(ABC):
    """A grader of answers.

    `protocol` names the rules and their version: two accuracies compare only under the same protocol. `model` is the
    language model behind it, None where there is none. `concurrency` is how many calls it bears at once, None for as
    many as are in flight. `priced_by` names who sells its model ("openai", "anthropic", "google"), None where nobody
    does or nobody knows. `unhurried` says that its calls wait for hours and keep no service busy: any number of them
    may be under way. Making one opens nothing: a client is opened by `open` or the first call. Raise
    `JudgeError` for what goes wrong: a reply that cannot be read is never a verdict. `evaluate` is ``async def``
    or plain ``def``; a plain one runs in a thread.
    """

    name: str
    protocol: str
    model: str | None = None
    concurrency: int | None = None
    priced_by: str | None = None
    unhurried: bool = False

    def for_protocol(self, protocol: str) -> Judge:
        """The same judge with the rules that a benchmark asks for (`bench.base.Benchmark.protocol`)."""
        del protocol
        return self

    def for_repeat(self, repeat: int) -> Judge:
        """The same judge for another of several gradings, counted from 0."""
        del repeat
        return self

    def calls_for(self, gold: Gold) -> int:
        """How many calls of its model a verdict on a question with this gold takes."""
        del gold
        return 0 if self.model is None else 1

    @abstractmethod
    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict | Awaitable[Verdict]:
        """Grade `answer` to `question` against `gold`."""

    async def open(self) -> None:  # noqa: B027  nothing to open unless overridden
        """Open what `evaluate` needs: called once before it, so that no answer's time has that in it."""

    def close(self) -> Awaitable[None] | None:  # noqa: B027  nothing to close unless overridden
        """Give back what this process holds."""
