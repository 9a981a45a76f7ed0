"""LangMem (https://github.com/langchain-ai/langmem): memories that a model writes and rewrites, in process."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self  # Any: what LangMem's parts take and give

from pydantic import Field, model_validator

from net import open_sdk_client
from providers.base import Capabilities, Limits, Provider, ProviderSettings
from providers.engines.exclusive_stores import ExclusiveStores
from providers.engines.langmem_store import Memory, MemoryStore, Written, staged
from providers.engines.openai_models import ModelSettings, ask_for_models, model_errors, require
from vocabulary import Question, SearchResult, Session, format_day

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from openai import AsyncOpenAI


class LangMemSettings(ModelSettings):
    """What can be set about langmem; making one raises `ConfigurationError` if it cannot work here."""

    query_limit: int = Field(5, ge=1, description="how many memories the model is shown to rewrite; 5 is langmem's own")
    deletes: bool = Field(False, description="whether the model may delete memories; langmem's own is that it may not")
    temperature: float | None = Field(None, ge=0, le=2, description="of the language model; by default its server's")

    @model_validator(mode="after")
    def _installed(self) -> Self:
        require("langmem", "langmem", "langchain_openai", "filelock")
        return self


class LangMem(Provider):
    """Memories as langmem's store manager keeps them: one call of the model a session, which sees some that exist.

    A result comes from all sessions that wrote or rewrote it, and has the date of the last of them.
    """

    name = "langmem"
    api = "langmem 0.0.30"
    capabilities = Capabilities(
        provenance="session",
        verbatim=False,
        needs="the extra `langmem`, a language model that calls tools, an embedder",
    )
    Settings = LangMemSettings
    # What is known is rewritten by what comes later: sessions keep their order.
    limits = Limits(concurrency=8, scope="process", containers="one-process", sessions=1)

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        if not isinstance(settings, LangMemSettings):
            raise TypeError(f"settings of {type(self).__name__} are LangMemSettings, not {type(settings).__name__}")
        self._settings = settings
        self._stores = ExclusiveStores(workspace / "stores", self._open, MemoryStore.close)
        self._chat: AsyncOpenAI | None = None

    async def check(self) -> None:
        """Ask both servers what models they have, which tells whether they take the keys."""
        settings = self._settings
        await ask_for_models(self, settings.llm_url, settings.llm_key)
        await ask_for_models(self, settings.embedder_url, settings.embedder_key)

    async def ingest(self, container: str, session: Session) -> None:
        """Let langmem take in one session, whole or not at all; one that it has is not taken in again."""
        said = [message for message in session.messages if message.text.strip() or message.caption]
        async with self._stores.use(container) as store:
            if not said or await asyncio.to_thread(store.has, session.id):
                return
            written = Written()
            if self._chat is None:
                from openai import AsyncOpenAI, DefaultAioHttpClient

                settings = self._settings
                self._chat = open_sdk_client(
                    AsyncOpenAI, DefaultAioHttpClient, settings.llm_url, settings.llm_key, timeout=settings.timeout
                )
            model = _Completions(self._chat)
            manager = await asyncio.to_thread(self._manager, model, store, written)
            from langgraph.errors import GraphRecursionError  # a reply was corrected, and corrected, and …

            with self._errors(GraphRecursionError):
                try:
                    await manager.ainvoke({"messages": _conversation(session)})
                finally:
                    if model.error is not None:
                        raise model.error
                await asyncio.to_thread(store.keep, session, written)

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """At most `top_k` memories, best first; none for an unknown container or a question without text."""
        if not self._stores.exists(container) or not question.text.strip():
            return []
        async with self._stores.use(container):
            with self._errors():
                found = await self._stores.call(container, lambda store: store.search(question.text, top_k))
        return [_result(item) for item in found]

    async def clear(self, container: str) -> None:
        """Remove a container."""
        await self._stores.remove(container)

    async def close(self) -> None:
        """Close the stores and the connections to the models."""
        await self._stores.close()
        if self._chat is not None:
            chat, self._chat = self._chat, None
            await chat.close()

    def _errors(self, *unusable: type[Exception]) -> AbstractContextManager[None]:
        secrets = [self._settings.llm_key, self._settings.embedder_key]
        return model_errors(self.name, secrets=secrets, unusable=unusable)

    def _open(self, folder: Path) -> MemoryStore:
        import openai  # noqa: F401  takes a second, which is spent here, in a thread

        return MemoryStore(folder / "memories.sqlite", self._embed)

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        import numpy as np
        from openai import DefaultHttpxClient, OpenAI

        settings = self._settings
        url, key = settings.embedder_url, settings.embedder_key
        with open_sdk_client(OpenAI, DefaultHttpxClient, url, key, timeout=settings.timeout) as client:
            reply = client.embeddings.create(model=settings.embedder, input=list(texts))
        rows = np.array([item.embedding for item in sorted(reply.data, key=lambda item: item.index)], np.float32)
        unit: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return unit

    def _manager(self, model: _Completions, store: MemoryStore, written: Written) -> Any:
        """LangMem's manager of memories for one session."""
        _quieten()
        from langchain_openai import ChatOpenAI
        from langmem import create_memory_store_manager

        settings = self._settings
        make: Any = ChatOpenAI
        chat = make(
            model=settings.llm,
            temperature=settings.temperature,
            # connections of our own, which are closed: those that it makes are shared by all, and outlive their loop
            client=model,
            async_client=model,
        )
        return create_memory_store_manager(
            chat,
            namespace=("memories",),
            query_limit=settings.query_limit,
            enable_deletes=settings.deletes,
            store=staged(store, written),
        )


class _Completions:
    """The part of OpenAI's client that ChatOpenAI calls, for one session; once a call has failed it asks no more.

    LangMem takes any error of a model that is shown memories for a reply to be corrected: it asks 24 times more, and
    what was wrong is lost.
    """

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client
        self.with_raw_response = self
        self.error: Exception | None = None

    async def create(self, **request: Any) -> Any:
        if self.error is not None:
            raise self.error
        try:
            return await self._client.chat.completions.with_raw_response.create(**request)
        except Exception as error:
            self.error = error
            raise


def _quieten() -> None:
    """Nothing that is said goes to a tracing service, whatever the environment says."""
    os.environ.update(LANGSMITH_TRACING="false", LANGCHAIN_TRACING_V2="false")
    # what langmem imports is old-fashioned; no matter to who runs it
    warnings.filterwarnings("ignore", "Importing Send from langgraph.constants", DeprecationWarning)


def _conversation(session: Session) -> list[Any]:
    """The session as langmem reads it: it has no field for a date or for speakers' names, so the text says them."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    messages: list[Any] = []
    if session.date:
        messages.append(SystemMessage(f"This conversation took place on {_told(session.date)}."))
    for message in session.messages:
        if message.text.strip() or message.caption:
            kind = HumanMessage if message.role == "user" else AIMessage
            messages.append(kind(message.rendered()))
    return messages


def _told(date: datetime) -> str:
    return f"{date:%A}, {format_day(date)}, at {date:%H:%M}"


def _result(item: Memory) -> SearchResult:
    content, date = item.value["content"], item.value["date"]
    text = content["content"] if set(content) == {"content"} else str(content)
    return SearchResult(
        text=text,
        score=item.score,
        timestamp=datetime.fromisoformat(date) if date else None,
        session_ids=tuple(item.value["sessions"]),
        raw={"key": item.key, "value": item.value},
    )
