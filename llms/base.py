"""What answers a question from what a provider found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence

from vocabulary import Answer, Question, SearchResult


class Answerer(ABC):
    """An answering model.

    `version` changes whenever the same input may give another answer. `offline` says that no language model is behind
    it. `prompt` names the answer prompt and its version, "" where there is none. `concurrency` is how many calls it
    bears at once, None for as many as are in flight. `priced_by` names who sells its model
    ("openai", "anthropic", "google"), None where nobody does or nobody knows. Making one opens nothing: a client is
    opened by `open` or the first call. Raise `ModelError` for what goes wrong. `answer` is ``async def`` or
    plain ``def``; a plain one runs in a thread.
    """

    name: str
    version: str = "1"
    offline: bool = False
    prompt: str = ""
    concurrency: int | None = None
    priced_by: str | None = None

    def for_family(self, family: str) -> Answerer:
        """The same model with the answer prompt of a family of benchmarks (`bench.base.Benchmark.family`)."""
        del family
        return self

    def reads(self, results: Sequence[SearchResult]) -> str | None:
        """All that an answer takes from `results`, as text; None if that may be anything of them."""
        del results
        return None

    @abstractmethod
    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer | Awaitable[Answer]:
        """The answer to `question` from `results` alone; an empty hypothesis is an answer, and a wrong one."""

    async def open(self) -> None:  # noqa: B027  nothing to open unless overridden
        """Open what `answer` needs: called once before it, so that no answer's time has that in it."""

    def close(self) -> Awaitable[None] | None:  # noqa: B027  nothing to close unless overridden
        """Give back what this process holds."""
