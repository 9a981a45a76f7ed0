"""A provider, an answering model and a judge that do nothing but ask the loopback server, through the suite's client."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from judges import Judge
from llms import Answerer
from providers import Limits, Provider
from providers.http import open_client
from schema import Answer, Gold, Question, SearchResult, Session, Verdict

if TYPE_CHECKING:
    import httpx

ADDRESS = "MEMORYBENCH_LOOPBACK"


class _Asking:
    @cached_property
    def _client(self) -> httpx.AsyncClient:
        return open_client(os.environ[ADDRESS])

    async def ask(self, path: str, body: dict[str, object]) -> dict[str, object]:
        """Post `body` and return the reply."""
        reply = await self._client.post(path, json=body)
        found: dict[str, object] = reply.json()
        return found

    async def close(self) -> None:
        """Close the client."""
        await self._client.aclose()


class LoopbackProvider(_Asking, Provider):
    """A memory system behind HTTP whose sessions may be ingested 32 at a time."""

    name: ClassVar[str] = "loopback"
    limits: ClassVar[Limits] = Limits(sessions=32)

    async def ingest(self, container: str, session: Session) -> None:
        """One call a session."""
        await self.ask("/ingest", {"container": container, "messages": [one.rendered() for one in session.messages]})

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """One call a search, ten results."""
        reply = await self.ask("/search", {"container": container, "query": question.text, "top_k": top_k})
        results = reply["results"]
        assert isinstance(results, list)
        return [SearchResult(text=result["text"], score=result["score"]) for result in results]

    async def clear(self, container: str) -> None:
        """One call."""
        await self.ask("/clear", {"container": container})


class LoopbackAnswerer(_Asking, Answerer):
    """A model behind HTTP."""

    name: ClassVar[str] = "loopback"

    async def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        """One call an answer."""
        context = "\n".join(result.text for result in results)
        reply = await self.ask("/answer", {"question": question.text, "context": context})
        return Answer(hypothesis=str(reply["text"]))


class LoopbackJudge(_Asking, Judge):
    """A judge behind HTTP."""

    name: ClassVar[str] = "loopback"
    protocol: ClassVar[str] = "loopback-v1"
    model: ClassVar[str | None] = "loopback"

    async def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        """One call a verdict; everything is right."""
        await self.ask("/judge", {"question": question.text, "gold": gold.ground_truth, "answer": answer.hypothesis})
        return Verdict(label="correct", explanation="the loopback judge finds everything right")
