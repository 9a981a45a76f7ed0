"""Cognee (https://github.com/topoteretes/cognee): a graph and vectors of documents, in an environment of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from net import Reply
from providers.base import Capabilities, Limits, Provider, ProviderSettings
from providers.engines.environments import engine_program, engine_variables
from providers.engines.openai_models import ModelSettings, ask_for_models
from providers.engines.shared_server import Calls, SharedServer
from vocabulary import Question, SearchOnly, SearchResult, Session, format_day


class CogneeSettings(ModelSettings):
    """What can be set about cognee; making one raises `ConfigurationError` if it cannot work here."""

    embedding_dims: int = Field(1536, ge=1, description="numbers of the embedder's vectors")
    items: Literal["session", "message"] = Field("session", description="what is a document: results lead back to it")
    # Where it is changes nothing: another machine may choose otherwise and go on.
    server: str | None = Field(
        None, exclude=True, description="folder of the server and its data, for several runs; the run's own unless set"
    )
    search: Annotated[Literal["chunks", "graph"], SearchOnly()] = Field(
        "chunks", description="chunks of documents by their vectors, or one text of what the graph knows"
    )

    @model_validator(mode="after")
    def _installed(self) -> Self:
        engine_program("cognee", "python")
        return self


class Cognee(Provider):
    """Chunks of sessions or messages, or the part of cognee's graph that it would answer from.

    A container is a dataset; a document that is there is not stored again.
    """

    name = "cognee"
    api = "cognee 1.6"
    capabilities = Capabilities(provenance="session", needs="`make engine-cognee`, a language model, an embedder")
    Settings = CogneeSettings
    limits = Limits(concurrency=8, sessions=1)

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        if not isinstance(settings, CogneeSettings):
            raise TypeError(f"settings of {type(self).__name__} are CogneeSettings, not {type(settings).__name__}")
        self._settings = settings
        if settings.items == "message":
            self.capabilities = replace(self.capabilities, provenance="message")
        folder = Path(settings.server) if settings.server else workspace / "server"
        server = SharedServer(self.name, folder, variables(settings, folder.absolute()))
        self._calls = Calls(
            server,
            self.name,
            hold=lambda seconds: self.hold(seconds),  # set later, by the pipeline
            seconds=5 * settings.timeout,  # a session takes several requests to the model
            secrets=[key for key in (settings.llm_key, settings.embedder_key) if key],
        )

    async def check(self) -> None:
        """Ask both model servers what they have, which tells whether they take the keys."""
        settings = self._settings
        await ask_for_models(self, settings.llm_url, settings.llm_key)
        await ask_for_models(self, settings.embedder_url, settings.embedder_key)

    async def ingest(self, container: str, session: Session) -> None:
        """Add a session, and return when its graph is made."""
        items = _items(session, self._settings.items)
        if items:
            await self._calls.ask(_Done, "POST", "/ingest", {"container": _dataset(container), "items": items})

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """At most `top_k` chunks, best first, or one text; none for an unknown container."""
        if not re.search(r"\S", question.text):
            return []
        kind = self._settings.search
        wanted = {"container": _dataset(container), "query": question.text, "kind": kind, "top_k": top_k}
        found = await self._calls.ask(_Found, "POST", "/search", wanted)
        if found.text is not None:
            return [SearchResult(text=found.text)] if found.text.strip() else []
        return [_result(chunk) for chunk in found.chunks[:top_k]]

    async def clear(self, container: str) -> None:
        """Remove a dataset."""
        await self._calls.ask(_Done, "POST", "/clear", {"container": _dataset(container)})

    async def close(self) -> None:
        """Close the connections, and stop the server if nobody else uses it."""
        await self._calls.close()


class _Done(Reply):
    pass


class _Chunk(Reply):
    id: str
    text: str
    score: float
    external_metadata: str | None = None
    document_id: str | None = None
    chunk_index: int | None = None


class _Found(Reply):
    text: str | None = None
    chunks: tuple[_Chunk, ...] = ()


def variables(settings: CogneeSettings, folder: Path) -> dict[str, str]:
    """How Cognee is configured: models by their addresses, data in `folder`, nothing sent to anybody else."""
    values = {
        "LLM_PROVIDER": "openai",
        "LLM_MODEL": f"openai/{settings.llm}",
        "LLM_ENDPOINT": settings.llm_url,
        "LLM_API_KEY": settings.llm_key or "none",
        "EMBEDDING_PROVIDER": "openai",
        "EMBEDDING_MODEL": f"openai/{settings.embedder}",
        "EMBEDDING_ENDPOINT": settings.embedder_url,
        "EMBEDDING_API_KEY": settings.embedder_key or "none",
        "EMBEDDING_DIMENSIONS": settings.embedding_dims,
        "ENABLE_BACKEND_ACCESS_CONTROL": True,  # which gives each dataset databases of its own
        "DATA_ROOT_DIRECTORY": folder / "data",
        "SYSTEM_ROOT_DIRECTORY": folder / "system",
        "CACHE_ROOT_DIRECTORY": folder / "cache",
        "COGNEE_LOGS_DIR": folder / "logs",
        "COGNEE_SKIP_CONNECTION_TEST": True,
        "LOG_LEVEL": "ERROR",
        "TELEMETRY_DISABLED": 1,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    return engine_variables("LLM_", "EMBEDDING_", "COGNEE_", "DB_", "GRAPH_", "VECTOR_", **values)


def _dataset(container: str) -> str:
    """Cognee's names of datasets have neither spaces nor dots."""
    return quote(container, safe="").replace(".", "%2E").replace("%", "=")


def _items(session: Session, unit: Literal["session", "message"]) -> list[dict[str, object]]:
    """The documents of a session, with what they come from, which Cognee gives back with their chunks."""
    said = [message for message in session.messages if message.text.strip() or message.caption]
    date = {"date": session.date.isoformat()} if session.date else {}
    if unit == "message":
        return [
            {
                "id": json.dumps([session.id, one.id]),
                "text": one.rendered(),
                "metadata": {"session": session.id, "message": one.id, **date},
            }
            for one in said
        ]
    lines = [f"{format_day(session.date)}:"] if session.date else []
    text = "\n".join([*lines, *(message.rendered() for message in said)])
    return [{"id": session.id, "text": text, "metadata": {"session": session.id, **date}}] if said else []


def _result(chunk: _Chunk) -> SearchResult:
    source = json.loads(chunk.external_metadata or "{}")
    date, message = source.get("date"), source.get("message")
    return SearchResult(
        text=chunk.text,
        score=1 - chunk.score,  # a distance
        timestamp=datetime.fromisoformat(date) if date else None,
        session_ids=(source["session"],) if "session" in source else (),
        message_ids=(message,) if message else (),
        raw=chunk.model_dump(mode="json"),
    )
