"""A provider, an answering model and a judge that do nothing but ask the loopback server.

By default through aiohttp itself, which costs least, so that what is measured is the suite and not the client; with
MEMORYBENCH_LOOPBACK_CLIENT=httpx through the client that the suite's providers are given.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any  # Any: what the server says

import aiohttp

from judges import Judge
from llms import Answerer
from net.http import open_client
from providers import Limits, Provider
from vocabulary import Answer, Gold, Question, SearchResult, Session, Verdict

if TYPE_CHECKING:
    import httpx

ADDRESS = "MEMORYBENCH_LOOPBACK"
CLIENT = "MEMORYBENCH_LOOPBACK_CLIENT"
SESSIONS = "MEMORYBENCH_LOOPBACK_SESSIONS"
PER_MINUTE = "MEMORYBENCH_LOOPBACK_PER_MINUTE"


class _Asking:
    @cached_property
    def _plain(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(os.environ[ADDRESS], connector=aiohttp.TCPConnector(limit=256))

    @cached_property
    def _httpx(self) -> httpx.AsyncClient:
        return open_client(os.environ[ADDRESS])

    async def ask(self, path: str, body: dict[str, object]) -> Any:
        """Post `body` and return the reply."""
        if os.environ.get(CLIENT) == "httpx":
            return (await self._httpx.post(path, json=body)).json()
        async with self._plain.post(path, json=body) as reply:
            return await reply.json()

    async def close(self) -> None:
        """Close the clients."""
        if "_plain" in self.__dict__:
            await self._plain.close()
        if "_httpx" in self.__dict__:
            await self._httpx.aclose()


class LoopbackProvider(_Asking, Provider):
    """A memory system behind HTTP; MEMORYBENCH_LOOPBACK_SESSIONS of a container may be ingested at a time (64).

    It may be called MEMORYBENCH_LOOPBACK_PER_MINUTE times a minute, and else without a limit.
    """

    name = "loopback"
    limits = Limits(
        sessions=int(os.environ.get(SESSIONS, "64")),
        per_minute=float(os.environ[PER_MINUTE]) if PER_MINUTE in os.environ else None,
    )

    async def ingest(self, container: str, session: Session) -> None:
        """One call a session."""
        await self.ask("/ingest", {"container": container, "messages": [one.rendered() for one in session.messages]})

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """One call a search, ten results."""
        reply = await self.ask("/search", {"container": container, "query": question.text, "top_k": top_k})
        return [SearchResult(text=result["text"], score=result["score"]) for result in reply["results"]]

    async def clear(self, container: str) -> None:
        """One call."""
        await self.ask("/clear", {"container": container})


class LoopbackAnswerer(_Asking, Answerer):
    """A model behind HTTP."""

    name = "loopback"

    async def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        """One call an answer."""
        context = "\n".join(result.text for result in results)
        reply = await self.ask("/answer", {"question": question.text, "context": context})
        return Answer(hypothesis=str(reply["text"]))


class LoopbackJudge(_Asking, Judge):
    """A judge behind HTTP."""

    name = "loopback"
    protocol = "loopback-v1"
    model = "loopback"

    async def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        """One call a verdict; everything is right."""
        await self.ask("/judge", {"question": question.text, "gold": gold.ground_truth, "answer": answer.hypothesis})
        return Verdict(label="correct", explanation="the loopback judge finds everything right")
