"""Supermemory, hosted, by its v5 interface: a container is a namespace, a session is a document."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from net import Query, Service
from providers.base import Capabilities, Limits, Provider
from providers.hosted.settings import HostedSettings
from providers.hosted.supermemory_wire import (
    DATE,
    SESSION,
    Amount,
    Deleted,
    Document,
    Namespaces,
    Page,
    SearchReply,
    Stored,
    content_of,
    document_id,
    namespace_of,
    utc,
)
from providers.readiness import until_ready
from vocabulary import ConfigurationError, ProviderError, Question, SearchOnly, SearchResult, Session

_PAGE = 100
"""Documents of one page of a list: the most that the interface allows."""
_MOST_RESULTS = 100
"""The most results of one search in v4; v5's reference names no bound, so no more than that is asked for."""
_LOOKS_AT_ONCE = 8
_CLEARING_SECONDS = 300.0


class SupermemorySettings(HostedSettings):
    """Read from ``SUPERMEMORY_API_KEY`` and the like; see docs/providers/supermemory.md."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="SUPERMEMORY_")

    base_url: str = "https://api.supermemory.ai"
    # Documents that belong together are dreamt of together, minutes after they are indexed (dreaming "dynamic").
    indexing_timeout: float = Field(
        1800.0, gt=0, exclude=True, description="seconds to wait for a container to become ready"
    )
    search_mode: Annotated[Literal["hybrid", "memories", "chunks"], SearchOnly()] = Field(
        "hybrid", description="what is searched: memories, the chunks that they were made of, or both"
    )
    threshold: Annotated[float | None, SearchOnly()] = Field(
        None, ge=0, le=1, description="the least similarity of a result; the service's own choice unless set, 0 is none"
    )
    rerank: Annotated[Literal["none", "order", "aggregate"], SearchOnly()] = Field(
        "none", description="order sorts results once more; aggregate also melts overlapping ones into new texts"
    )
    rewrite_query: Annotated[bool, SearchOnly()] = Field(
        False, description="let the service reword the question first; adds about 400 ms"
    )
    include_documents: Annotated[bool, SearchOnly()] = Field(
        True, description="return each result's document, whose metadata says again which session it comes from"
    )
    dreaming: Literal["dynamic", "instant"] = Field(
        "dynamic", description="instant makes memories of each session at once, and costs one more operation for each"
    )
    task_type: Literal["memory", "superrag"] = Field(
        "memory", description="superrag indexes for search alone and makes no memories"
    )
    supporting_context: str = Field(
        "", max_length=1500, description="a description of the conversations, which the service uses to understand them"
    )

    @model_validator(mode="after")
    def _something_to_find(self) -> SupermemorySettings:
        if self.task_type == "superrag" and self.search_mode == "memories":
            raise ConfigurationError(
                "task_type=superrag makes no memories, so search_mode=memories would find nothing. Choose "
                "search_mode=chunks or hybrid, or task_type=memory."
            )
        return self


@dataclass
class _Held:
    """What is known of a container's documents, by session. `doubtful` were sent, and no answer came."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    listed: bool = False
    stored: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)


class Supermemory(Provider):
    """A namespace a container, a document a session; memories and chunks are found, and lead back to their session."""

    name = "supermemory"
    version = "1"
    api = "REST v5 (namespaces)"
    capabilities = Capabilities(provenance="session", verbatim=False, needs="SUPERMEMORY_API_KEY")
    Settings = SupermemorySettings
    # No limits are published. Fifty calls at once is what the vendor's own benchmark harness makes. One session at a
    # time in a container, because what a memory supersedes depends on what came before.
    limits = Limits(concurrency=50, sessions=1, indexing_timeout=1800.0)

    def __init__(self, settings: SupermemorySettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self._settings = settings
        self.limits = replace(type(self).limits, indexing_timeout=settings.indexing_timeout)
        self.capabilities = replace(type(self).capabilities, verbatim=settings.search_mode == "chunks")
        self._held: dict[str, _Held] = {}
        self._service = Service(
            self.name,
            settings.base_url,
            {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
            hold=lambda seconds: self.hold(seconds),  # set later, by the pipeline
            timeout=settings.timeout,
        )

    async def check(self) -> None:
        """List one namespace, which costs nothing and needs a key that is known."""
        try:
            await self._service.ask(Namespaces, "GET", "/ns", query={"limit": 1})
        except ProviderError as error:
            if error.status != 404:
                raise
            raise ProviderError(
                f"{error}. There is no v5 interface: self-hosted servers speak v3 and v4 only, which this adapter "
                "does not.",
                status=404,
            ) from None

    async def ingest(self, container: str, session: Session) -> None:
        """Store a session as one document, unless it is there."""
        content = content_of(session)
        if not content:
            return
        held = self._held.setdefault(container, _Held())
        async with held.lock:
            try:
                await self._ingest(container, held, session, content)
            except ProviderError as error:
                raise ProviderError(
                    f"session {session.id} was not stored: {error}{_advice(error)}",
                    transient=error.transient,
                    retry_after=error.retry_after,
                    status=error.status,
                ) from error

    async def _ingest(self, container: str, held: _Held, session: Session, content: str) -> None:
        # A document whose id is sent again gets its content appended. So nothing is sent that is there: as one list
        # tells before the first session, and one look each where no answer came to what was sent.
        if not held.listed:
            held.stored.update(document.session_id for document in await self._documents(container))
            held.listed = True
        if session.id in held.stored:
            return
        if session.id in held.doubtful and await self._document(container, session.id):
            held.stored.add(session.id)
            return
        held.doubtful.add(session.id)
        path = f"/ns/{namespace_of(container)}/document"
        stored = await self._service.ask(Stored, "POST", path, body=self._document_of(container, session, content))
        if stored.status == "failed":
            raise ProviderError(f"{self.name} says that its document failed (id {stored.id})")
        held.stored.add(session.id)

    def _document_of(self, container: str, session: Session, content: str) -> dict[str, object]:
        body: dict[str, object] = {
            "content": content,
            "id": document_id(container, session.id),
            "metadata": {SESSION: session.id, **({DATE: utc(session.date)} if session.date else {})},
            "taskType": self._settings.task_type,
            "dreaming": self._settings.dreaming,
        }
        if session.date:
            # `date` is what the service understands "yesterday" by, and does not come back; metadata does.
            body["date"] = utc(session.date)
        if self._settings.supporting_context:
            body["supportingContext"] = self._settings.supporting_context
        return body

    async def await_indexing(self, container: str) -> None:
        """Wait until every document is indexed and every memory is made, which may be minutes later."""
        await until_ready(container, partial(self._outstanding, container), seconds=self.limits.indexing_timeout)

    async def _outstanding(self, container: str) -> str | None:
        stages = {document.session_id: document.stage for document in await self._documents(container)}
        held = self._held.get(container, _Held())
        stages.update(await self._stages_of(container, sorted(held.stored - stages.keys())))
        failed = [session for session, stage in stages.items() if stage in ("failed", "gone")]
        if failed:
            raise ProviderError(
                f"{self.name} could not process {len(failed)} of {len(stages)} documents of container {container}. "
                f"Failed, or removed after they had failed, are those of sessions {', '.join(failed)}."
            )
        left = Counter(stage for stage in stages.values() if stage != "done")
        if not left:
            return None
        message = ", ".join(f"{number} {stage}" for stage, number in left.most_common())
        return f"{left.total()} of {len(stages)} documents outstanding: {message}"

    async def _stages_of(self, container: str, sessions: Sequence[str]) -> dict[str, str]:
        """What became of documents that are on no page: a page may miss one when another is removed meanwhile."""
        slots = asyncio.Semaphore(_LOOKS_AT_ONCE)

        async def stage(session: str) -> str:
            async with slots:
                document = await self._document(container, session)
            return document.stage if document else "gone"

        return dict(zip(sessions, await asyncio.gather(*map(stage, sessions)), strict=True))

    async def _documents(self, container: str) -> list[Document]:
        """All of a container, a hundred to a call; none if there is no such container."""
        path = f"/ns/{namespace_of(container)}/list/documents"
        documents: list[Document] = []
        page, pages = 1, 1.0
        while page <= pages:
            query: Query = {"page": page, "limit": _PAGE, "sort": "createdAt", "order": "asc"}
            listed = await self._service.ask_for(Page, "POST", path, body={}, query=query)
            if listed is None:
                break
            documents += listed.documents
            page, pages = page + 1, listed.pagination.total_pages
        return documents

    async def _document(self, container: str, session_id: str) -> Document | None:
        path = f"/ns/{namespace_of(container)}/document/{document_id(container, session_id)}"
        return await self._service.ask_for(Document, "GET", path)

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """Memories, chunks or both, as `search_mode` says. The question's date is not sent: no field takes it."""
        settings = self._settings
        body: dict[str, object] = {
            "query": question.text,
            "searchMode": settings.search_mode,
            "limit": min(top_k, _MOST_RESULTS),
            "rerank": settings.rerank,
            "rewriteQuery": settings.rewrite_query,
        }
        if settings.threshold is not None:
            body["threshold"] = settings.threshold
        if settings.include_documents:
            body["include"] = {"documents": True}
        path = f"/ns/{namespace_of(container)}/search"
        try:
            reply = await self._service.ask_for(SearchReply, "POST", path, body=body)
        except ProviderError as error:
            advice = _advice(error)
            if not advice:
                raise
            raise ProviderError(f"{error}{advice}", status=error.status) from None
        found = [] if reply is None else [one.as_result() for one in reply.results if one.text]
        return tuple(found[:top_k])

    async def clear(self, container: str) -> None:
        """Delete the namespace with all that is in it, and wait until nothing of it is listed."""
        self._held.pop(container, None)
        refused = await self._delete(container)

        async def look() -> str | None:
            nonlocal refused
            if refused:
                refused = await self._delete(container)
            left = {
                kind: number for kind in ("documents", "memories") if (number := await self._count(container, kind))
            }
            return ", ".join(f"{number} {kind} left" for kind, number in left.items()) or None

        seconds = min(_CLEARING_SECONDS, self.limits.indexing_timeout)
        await until_ready(container, look, seconds=seconds, what="gone")

    async def _delete(self, container: str) -> bool:
        """Whether the service refused, because something else is under way in that namespace."""
        try:
            await self._service.ask_for(Deleted, "DELETE", f"/ns/{namespace_of(container)}")
        except ProviderError as error:
            if error.status != 409:
                raise
            return True
        return False

    async def _count(self, container: str, kind: str) -> int:
        path = f"/ns/{namespace_of(container)}/list/{kind}"
        amount = await self._service.ask_for(Amount, "POST", path, body={}, query={"page": 1, "limit": 1})
        return 0 if amount is None else int(amount.pagination.total_items)

    async def close(self) -> None:
        """Close the connections."""
        await self._service.aclose()


def _advice(error: ProviderError) -> str:
    if error.status != 402:
        return ""
    return " (the account has no credits left: trying again does not help, adding credits does)"
