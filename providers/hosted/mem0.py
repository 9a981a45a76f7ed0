"""mem0's hosted platform, by its REST interface v3: https://docs.mem0.ai/api-reference."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

from pydantic import JsonValue

from net import Service
from providers.base import Capabilities, Limits, Provider, ProviderSettings
from providers.hosted.mem0_wire import (
    PART_KEY,
    Accepted,
    Deletion,
    Event,
    Events,
    Found,
    Listed,
    Mem0Settings,
    Memory,
    Pong,
    add_body,
    batches,
    part_id,
    unix_time,
)
from providers.readiness import until_ready
from vocabulary import Message, ProviderError, Question, SearchResult, Session

_MOST_RESULTS = 1000
"""top_k's upper bound in the schema of the search."""
_MEMORIES_A_PAGE = 200
_EVENTS_A_PAGE = 100
_EVENT_PAGES = 20
"""How far back a lost add is looked for: these are the events of the whole project, 2,000 of them."""
_LOOKS_AT_ONCE = 8


@dataclass
class _Sent:
    """What this process knows of a container: parts that mem0 has, parts that it may have, and its events.

    `waiting` are events with the ids of their sessions; `events` counts them all.
    """

    accepted: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    waiting: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    events: int = 0


class Mem0(Provider):
    """mem0 as a memory of one container for each of its users.

    mem0 has no idempotency key: an add whose reply was lost is looked for among the project's events and the
    container's memories before it is sent again. What is not seen there yet by then is stored twice.
    """

    name = "mem0"
    version = "1"
    api = "REST v3"
    capabilities = Capabilities(provenance="session", verbatim=False, needs="MEM0_API_KEY")
    Settings = Mem0Settings
    # mem0 publishes no limits but 1,000 adds a minute (changelog of 27 June 2025). Ten at once is what its own
    # benchmark runner does (--max-workers). Sessions go in their order: extraction sees what is there already.
    limits = Limits(concurrency=10, sessions=1, indexing_timeout=600.0)

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        if not isinstance(settings, Mem0Settings):
            raise TypeError(f"settings of {type(self).__name__} are Mem0Settings, not {type(settings).__name__}")
        self._chosen = settings
        self._entity = settings.entity_key
        self.limits = replace(type(self).limits, indexing_timeout=settings.indexing_timeout)
        self.capabilities = replace(type(self).capabilities, verbatim=not settings.infer)
        self._service = Service(
            self.name,
            settings.base_url,
            {"Authorization": f"Token {settings.api_key.get_secret_value()}"},
            hold=lambda seconds: self.hold(seconds),
            timeout=settings.timeout,
        )
        self._sent: dict[str, _Sent] = {}

    async def check(self) -> None:
        """Raises `ProviderError` for a key that mem0 does not know."""
        await self._service.ask(Pong, "GET", "/v1/ping/")

    async def close(self) -> None:
        """Close the connections."""
        await self._service.aclose()

    async def ingest(self, container: str, session: Session) -> None:
        """Send the session in parts, one after another; parts that mem0 has already are not sent again."""
        sent = await self._known(container)
        bounds = self._chosen.batch_messages, self._chosen.batch_characters
        for number, messages in enumerate(batches(session, *bounds)):
            part = part_id(container, session.id, number)
            if part in sent.accepted:
                continue
            try:
                if part not in sent.doubtful or not await self._was_stored(container, part, sent, session.id):
                    await self._add(container, session, messages, part, sent)
                if self._chosen.in_turn:
                    await self._await_events(container, sent)
            except ProviderError as error:
                raise _about(f"session {session.id}, part {number + 1}", error) from None

    async def await_indexing(self, container: str) -> None:
        """Wait for every event of the container, and then as long as temporal enrichment is said to take."""
        if sent := self._sent.get(container):
            await self._await_events(container, sent)
            if sent.events:
                await asyncio.sleep(min(self._chosen.settle, self.limits.indexing_timeout))

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """Memories of the container by mem0's own ranking, as it would be on the question's date."""
        body: dict[str, JsonValue] = {
            "query": question.text,
            "filters": {self._entity: container},
            "top_k": min(top_k, _MOST_RESULTS),
            "threshold": self._chosen.threshold,
            "rerank": self._chosen.rerank,
        }
        if question.date is not None:
            body["reference_date"] = unix_time(question.date)
        found = await self._service.ask(Found, "POST", "/v3/memories/search/", body=body)
        return tuple(_result(memory) for memory in found.results[:top_k])

    async def clear(self, container: str) -> None:
        """Delete the entity with its memories, once nothing is under way that would store more, and see it gone."""
        seconds = self.limits.indexing_timeout
        await until_ready(container, partial(self._under_way, container), seconds=seconds, what="at rest")
        if (await self._listed(container, page_size=1)).count:
            path = f"/v2/entities/{self._chosen.entity}/{quote(container, safe='')}/"
            deletion = await self._service.ask_for(Deletion, "DELETE", path)
            event = deletion.event_id if deletion else None
            await until_ready(container, partial(self._left, container, event), seconds=seconds, what="gone")
        self._sent.pop(container, None)

    async def _known(self, container: str) -> _Sent:
        """What was sent to the container; asks mem0, when this process sees it for the first time."""
        if container not in self._sent:
            sent, page = _Sent(), 1
            while True:
                listed = await self._listed(container, page=page)
                sent.accepted |= {memory.part for memory in listed.results if memory.part}
                if not (listed.next and listed.results):
                    break
                page += 1
            self._sent[container] = sent
        return self._sent[container]

    async def _add(self, container: str, session: Session, messages: Sequence[Message], part: str, sent: _Sent) -> None:
        body = add_body(self._chosen, container, session, messages, part)
        sent.doubtful.add(part)  # and so it stays if the reply is lost, or the call is cancelled
        try:
            reply = await self._service.ask(Accepted, "POST", "/v3/memories/add/", body=body)
        except ProviderError as error:
            if error.status in range(400, 500) and error.status != 408:
                sent.doubtful.discard(part)  # it was refused
            raise
        if reply.status == "FAILED":
            sent.doubtful.discard(part)
            raise ProviderError(f"mem0: could not store what it was sent (event {reply.event_id})")
        self._accept(sent, part, session.id, event=None if reply.status == "SUCCEEDED" else reply.event_id or "")

    def _accept(self, sent: _Sent, part: str, session: str, *, event: str | None) -> None:
        """Take note that mem0 has a part; None is for one that is stored already."""
        if event == "":
            raise ProviderError(
                "mem0: accepted an add without saying by which event, so that nobody can wait for it. "
                f"Is {self._chosen.base_url} of the v3 generation?"
            )
        sent.doubtful.discard(part)
        sent.accepted.add(part)
        if event is not None:
            sent.waiting[event] = session
            sent.events += 1

    async def _was_stored(self, container: str, part: str, sent: _Sent, session: str) -> bool:
        """Whether an add whose reply was lost did arrive: first as an event, then as the memories that came of it."""
        for event in await self._events():
            if event.id and event.has_part(part):
                self._accept(sent, part, session, event=event.id)
                return True
        if (await self._listed(container, part=part, page_size=1)).count:
            self._accept(sent, part, session, event=None)
            return True
        return False

    async def _await_events(self, container: str, sent: _Sent) -> None:
        await until_ready(container, partial(self._outstanding, sent), seconds=self.limits.indexing_timeout)
        if sent.failed:
            message = "; ".join(f"session {session}: {error}" for session, error in sent.failed.items())
            raise ProviderError(f"mem0: {len(sent.failed)} sessions of {container} were not stored: {message}")

    async def _outstanding(self, sent: _Sent) -> str | None:
        """Look at the oldest events that were not done yet, and on as long as they are done now."""
        while some := list(sent.waiting)[:_LOOKS_AT_ONCE]:
            looks = (self._service.ask_for(Event, "GET", f"/v1/event/{event}/") for event in some)
            seen = await asyncio.gather(*looks, return_exceptions=True)
            statuses = []
            for event_id, event in zip(some, seen, strict=True):
                if isinstance(event, BaseException):
                    continue
                status = event.status if event else "not known yet"
                if event and status in ("SUCCEEDED", "FAILED"):
                    session = sent.waiting.pop(event_id)
                    if status == "FAILED":
                        sent.failed[session] = event.error or "no reason given"
                else:
                    statuses.append(status)
            for error in seen:
                if isinstance(error, BaseException):
                    raise error
            if statuses:
                message = ", ".join(sorted(set(statuses)))
                return f"{len(sent.waiting)} of {sent.events} events outstanding: {message}"
        return None

    async def _events(self) -> list[Event]:
        found: list[Event] = []
        for page in range(1, _EVENT_PAGES + 1):
            query: dict[str, str | int] = {"event_type": "ADD", "page": page, "page_size": _EVENTS_A_PAGE}
            events = await self._service.ask_for(Events, "GET", "/v1/events/", query=query)
            found += events.results if events else []
            if not (events and events.next):
                break
        return found

    async def _listed(
        self, container: str, *, part: str | None = None, page: int = 1, page_size: int = _MEMORIES_A_PAGE
    ) -> Listed:
        filters: dict[str, JsonValue] = {self._entity: container}
        if part is not None:
            filters = {"AND": [filters, {"metadata": {PART_KEY: part}}]}
        query = {"page": page, "page_size": page_size}
        return await self._service.ask(Listed, "POST", "/v3/memories/", body={"filters": filters}, query=query)

    async def _under_way(self, container: str) -> str | None:
        """What may still store something in the container: also what a process sent that is no more."""
        message = await self._outstanding(self._sent.get(container, _Sent()))
        if message is not None:
            return message
        busy = sum(event.under_way and event.is_of(self._entity, container) for event in await self._events())
        return f"{busy} events still store in it" if busy else None

    async def _left(self, container: str, deletion: str | None) -> str | None:
        """What is left of the container, or of its deletion: that must not go on when the container is filled anew."""
        if count := (await self._listed(container, page_size=1)).count:
            return f"{count} memories are still there after the deletion"
        event = await self._service.ask_for(Event, "GET", f"/v1/event/{deletion}/") if deletion else None
        if event and event.status == "FAILED":
            raise ProviderError(f"mem0: could not delete {container}: {event.error or 'no reason given'}")
        return f"the deletion is {event.status}" if event and event.under_way else None


def _result(memory: Memory) -> SearchResult:
    return SearchResult(
        text=memory.memory,
        score=memory.score,
        timestamp=memory.said,
        session_ids=(memory.session,) if memory.session else (),
        raw=memory.model_dump(mode="json"),
    )


def _about(what: str, error: ProviderError) -> ProviderError:
    """The same error, with what it is about; its class stays, for it says if a wait ran out."""
    return type(error)(
        f"{error} ({what})", transient=error.transient, retry_after=error.retry_after, status=error.status
    )
