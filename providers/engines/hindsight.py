"""Hindsight (https://github.com/vectorize-io/hindsight): dated facts and observations, by a server of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, unquote

from pydantic import Field, model_validator

from net import R, Reply
from providers.base import Capabilities, Limits, Provider, ProviderSettings
from providers.engines.environments import engine_program, engine_variables
from providers.engines.openai_models import ModelSettings, ask_for_models
from providers.engines.shared_server import Calls, SharedServer
from providers.readiness import until_ready
from vocabulary import ProviderError, Question, SearchOnly, SearchResult, Session


class HindsightSettings(ModelSettings):
    """What can be set about hindsight; making one raises `ConfigurationError` if it cannot work here."""

    embedding_dims: int | None = Field(
        None, ge=1, description="numbers of a vector, asked of the embedder; its own unless set"
    )
    items: Literal["session", "message"] = Field("session", description="what is a document: results lead back to it")
    observations: bool = Field(
        True, description="let the model consolidate facts to observations, as hindsight itself does"
    )
    # Where it is changes nothing: another machine may choose otherwise and go on.
    server: str | None = Field(
        None,
        exclude=True,
        description="folder of the server and its data, to share it among runs; the run's own unless set",
    )
    budget: Annotated[Literal["low", "mid", "high"], SearchOnly()] = Field(
        "mid", description="how widely a search looks; mid is hindsight's own"
    )
    max_tokens: Annotated[int, SearchOnly()] = Field(
        4096, ge=1, description="the most tokens of all results together; 4096 is hindsight's own"
    )

    @model_validator(mode="after")
    def _installed(self) -> Self:
        engine_program("hindsight", "hindsight-api")
        return self


class Hindsight(Provider):
    """Facts that a model extracted from each session or message, and observations that it made of several.

    A container is a bank, and what is sent again under its id replaces what was sent before.
    """

    name = "hindsight"
    api = "hindsight-api-slim 1.1"
    capabilities = Capabilities(
        provenance="session", verbatim=False, needs="`make engine-hindsight`, a language model, an embedder"
    )
    Settings = HindsightSettings
    # Observations are made of what came before: sessions keep their order.
    limits = Limits(concurrency=8, sessions=1)

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        if not isinstance(settings, HindsightSettings):
            raise TypeError(f"settings of {type(self).__name__} are HindsightSettings, not {type(settings).__name__}")
        self._settings = settings
        if settings.items == "message":
            self.capabilities = replace(type(self).capabilities, provenance="message")
        self._folder = Path(settings.server) if settings.server else workspace / "server"
        server = SharedServer(self.name, self._folder, variables(settings))
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
        """Retain a session, and return when its facts are stored."""
        items = _items(session, self._settings.items)
        if items:
            await self._calls.ask(_Retained, "POST", f"{_bank(container)}/memories", {"items": items})

    async def await_indexing(self, container: str) -> None:
        """Wait until hindsight has consolidated what was retained."""
        look = partial(self._outstanding, container)
        await until_ready(container, look, seconds=self.limits.indexing_timeout, longest_pause=1.0)

    async def _outstanding(self, container: str) -> str | None:
        stats = await self._ask_for(_Stats, "GET", f"{_bank(container)}/stats")
        if stats is None:
            return None
        if stats.failed_consolidation or stats.failed_operations:
            raise ProviderError(
                f"hindsight: of container {container} {stats.failed_consolidation} facts could not be consolidated, "
                f"and {stats.failed_operations} operations failed: see {self._folder / 'server.log'}."
            )
        facts = stats.pending_consolidation if self._settings.observations else 0  # else they wait for ever
        if not (stats.pending_operations or facts):
            return None
        return f"{stats.pending_operations} operations and {facts} facts outstanding"

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """At most `top_k` facts and observations, best first; none for an unknown container."""
        if not re.search(r"\w", question.text):  # hindsight refuses what has no word in it
            return []
        body = {
            "query": question.text,
            "budget": self._settings.budget,
            "max_tokens": self._settings.max_tokens,
            "include": {"entities": None, "source_facts": {}},
            **({"query_timestamp": _utc(question.date)} if question.date else {}),
        }
        found = await self._ask_for(_Recalled, "POST", f"{_bank(container)}/memories/recall", body)
        return [_result(fact, found.source_facts or {}) for fact in found.results[:top_k]] if found else []

    async def clear(self, container: str) -> None:
        """Remove a bank."""
        await self._calls.ask(_Retained, "DELETE", _bank(container))

    async def close(self) -> None:
        """Close the connections, and stop the server if nobody else uses it."""
        await self._calls.close()

    async def _ask_for(self, reply: type[R], method: str, path: str, body: object = None) -> R | None:
        """The same for a bank that may not be there."""
        try:
            return await self._calls.ask(reply, method, path, body)
        except ProviderError as error:
            if error.status == 404:
                return None
            raise


class _Retained(Reply):
    success: bool


class _Stats(Reply):
    pending_operations: int
    failed_operations: int
    pending_consolidation: int
    failed_consolidation: int


class _Scores(Reply):
    final: float


class _Fact(Reply):
    id: str
    text: str
    type: str | None = None
    document_id: str | None = None
    occurred_start: datetime | None = None
    occurred_end: datetime | None = None
    mentioned_at: datetime | None = None
    source_fact_ids: list[str] | None = None
    scores: _Scores | None = None


class _Recalled(Reply):
    results: list[_Fact]
    source_facts: dict[str, _Fact] | None = None


def variables(settings: HindsightSettings) -> dict[str, str]:
    """How the server is configured: models by their addresses, no reranker, attempts left to the pipeline."""
    more = {} if settings.embedding_dims is None else {"EMBEDDINGS_OPENAI_DIMENSIONS": settings.embedding_dims}
    values = {
        "LLM_PROVIDER": "openai",
        "LLM_BASE_URL": settings.llm_url,
        "LLM_MODEL": settings.llm,
        "LLM_API_KEY": settings.llm_key or "none",
        "LLM_TIMEOUT": settings.timeout,
        "LLM_MAX_RETRIES": 0,
        "EMBEDDINGS_PROVIDER": "openai",
        "EMBEDDINGS_OPENAI_BASE_URL": settings.embedder_url,
        "EMBEDDINGS_OPENAI_MODEL": settings.embedder,
        "EMBEDDINGS_OPENAI_API_KEY": settings.embedder_key or "none",
        "EMBEDDINGS_MAX_RETRIES": 0,
        "RERANKER_PROVIDER": "rrf",
        "ENABLE_OBSERVATIONS": settings.observations,
        "DB_POOL_MAX_SIZE": 40,
        "BANK_STATS_CACHE_TTL_SECONDS": 0,  # they tell what is ready
        "SKIP_LLM_VERIFICATION": True,
        "LOG_LEVEL": "warning",
        "MCP_ENABLED": False,
        "OTEL_TRACES_ENABLED": False,
        "WORKER_ID": "memorybench",
        "WORKER_POLL_INTERVAL_MS": 100,
    }
    return engine_variables("HINDSIGHT_", **{f"HINDSIGHT_API_{name}": value for name, value in (values | more).items()})


def _bank(container: str) -> str:
    # the server takes an escaped slash for one that is not
    return "/v1/default/banks/" + quote(container, safe="").replace("%", "=")


def _items(session: Session, unit: Literal["session", "message"]) -> list[dict[str, str]]:
    """The documents of a session. Their ids say what they come from, and are all that hindsight gets of ours."""
    said = [message for message in session.messages if message.text.strip() or message.caption]
    when = _utc(session.date) if session.date else "unset"
    name = quote(session.id, safe="")
    if unit == "message":
        return [
            {"content": one.rendered(), "timestamp": when, "document_id": f"{name}/{quote(one.id, safe='')}"}
            for one in said
        ]
    # hindsight cuts long texts, and this form only between turns
    turns = [{"role": message.role, "content": message.rendered()} for message in said]
    text = json.dumps(turns, ensure_ascii=False)
    return [{"content": text, "timestamp": when, "document_id": name}] if said else []


def _result(fact: _Fact, sources: dict[str, _Fact]) -> SearchResult:
    """A fact with the document that it comes from, or an observation with those of all facts that it was made of."""
    known = [sources[one] for one in fact.source_fact_ids or () if one in sources] or [fact]
    documents = [one.document_id.partition("/") for one in known if one.document_id]
    # an observation itself is dated by the clock where nothing that it was made of has a date
    when = max((date for one in known if (date := one.occurred_start or one.mentioned_at)), default=None)
    return SearchResult(
        text=fact.text,
        score=fact.scores.final if fact.scores else None,
        timestamp=when.astimezone(UTC).replace(tzinfo=None) if when else None,
        session_ids=tuple(dict.fromkeys(unquote(session) for session, _, _ in documents)),
        message_ids=tuple(dict.fromkeys(unquote(message) for _, _, message in documents if message)),
        raw=fact.model_dump(mode="json"),
    )


def _utc(date: datetime) -> str:
    return date.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
