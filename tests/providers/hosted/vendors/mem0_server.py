"""mem0's platform on loopback, as its documentation describes REST v3: events, memories of entities, search, deletion.

Its extraction makes one memory of each message. Whatever is stored is there from the handler on; what is indexed and
deleted in the background comes about at its time, which is looked at whenever somebody asks.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.providers.hosted.vendors.vendor_search import Bm25
from tests.providers.hosted.vendors.vendor_server import VendorServer, answer

ENTITIES = ("user_id", "agent_id", "app_id", "run_id")
_FILTERS = {*ENTITIES, "AND", "OR", "NOT", "metadata"}
Body = dict[str, Any]


@dataclass
class Event:
    id: str
    event_type: str
    payload: Body
    stored: float
    error: str | None = None
    done: bool = False
    memories: list[Body] = field(default_factory=list)


@dataclass
class Mem0Server(VendorServer):
    """`fails` says why an add cannot be worked off, None if it can; `delete_after` is how many seconds that takes."""

    delete_after: float = 0.05
    fails: Callable[[Body], str | None] = lambda _body: None
    adds: list[Body] = field(default_factory=list)
    _events: dict[str, Event] = field(default_factory=dict)
    _waiting: list[Event] = field(default_factory=list)
    _deletions: list[tuple[float, str, str, Event]] = field(default_factory=list)
    _memories: dict[str, Body] = field(default_factory=dict)
    _index: Bm25 = field(default_factory=Bm25)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/v1/ping/", self._ping),
            web.post("/v3/memories/add/", self._add),
            web.post("/v3/memories/search/", self._search),
            web.post("/v3/memories/", self._list),
            web.get("/v1/events/", self._list_events),
            web.get("/v1/event/{event}/", self._event),
            web.delete("/v2/entities/{kind}/{name}/", self._delete),
        ]

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Token {self.key}"

    @property
    def stored(self) -> int:
        """How many memories there are."""
        with self._lock:
            self._catch_up()
            return len(self._memories)

    def sessions_stored(self, container: str, entity: str = "user_id") -> Counter[str]:
        """How many adds of each of our sessions were accepted for the container."""
        with self._lock:
            return Counter(str(add["metadata"]["session_id"]) for add in self.adds if add.get(entity) == container)

    def rank(
        self, container: str, query: str, top_k: int, threshold: float = 0.1, entity: str = "user_id"
    ) -> list[str]:
        """The ids of the memories that a search of the container finds, best first."""
        with self._lock:
            return [memory["id"] for memory, _score in self._ranked({entity: container}, query, top_k, threshold)]

    def memory(self, key: str) -> Body:
        """A memory by its id."""
        with self._lock:
            return self._memories[key]

    async def _ping(self, _request: web.Request) -> web.Response:
        description = {"status": "ok", "org_id": "org", "project_id": "project", "user_email": "who@example.invalid"}
        return answer(200, description)

    async def _add(self, request: web.Request) -> web.Response:
        body = await request.json()
        messages = body.get("messages")
        scopes = [name for name in ENTITIES if body.get(name)]
        if not messages or not scopes or not all(isinstance(one.get("content"), str) for one in messages):
            return answer(400, {"error": "400 Bad Request", "details": {"message": "Invalid input data."}})
        with self._lock:
            self.adds.append(body)
            event = self._new_event("ADD", {name: value for name, value in body.items() if name != "timestamp"})
            event.memories = [
                _memory(body, scopes, message["content"])
                for message in messages
                if message["role"] != "system" and message["content"].strip()
            ]
            event.error = self.fails(body)
            if body.get("infer", True):
                self._waiting.append(event)
                return answer(200, {"event_id": event.id, "status": "PENDING"})
            return self._imported(event)

    def _imported(self, event: Event) -> web.Response:
        """Stored at once and word for word; a text that its entity has already is not stored again."""
        event.done = True
        if event.error:
            return answer(200, {"event_id": event.id, "status": "FAILED", "results": []})
        known = {(_scope(memory), memory["memory"]) for memory in self._memories.values()}
        new = {(_scope(memory), memory["memory"]): memory for memory in reversed(event.memories)}
        event.memories = [memory for key, memory in reversed(new.items()) if key not in known]
        self._put(event)
        results = [{"id": one["id"], "data": {"memory": one["memory"]}, "event": "ADD"} for one in event.memories]
        description = {"message": "Memories stored successfully", "status": "SUCCEEDED", "event_id": event.id}
        return answer(200, {**description, "results": results})

    async def _event(self, request: web.Request) -> web.Response:
        with self._lock:
            self._catch_up()
            event = self._events.get(request.match_info["event"])
            if event is None:
                return answer(404, {"error": "Event not found or you don't have permission to access it."})
            return answer(200, self._told(event))

    async def _list_events(self, request: web.Request) -> web.Response:
        with self._lock:
            self._catch_up()
            kind = request.query.get("event_type")
            chosen = [event for event in reversed(self._events.values()) if kind in (None, event.event_type)]
            return _page(request, chosen, 50, 100, self._told)

    async def _search(self, request: web.Request) -> web.Response:
        body = await request.json()
        filters, top_k, threshold = body.get("filters"), body.get("top_k", 10), body.get("threshold", 0.1)
        wrong = _wrong(body, filters)
        if not str(body.get("query") or "").strip():
            wrong = "query may not be empty"
        elif not (1 <= top_k <= 1000 and 0 <= threshold <= 1):
            wrong = "top_k is 1 to 1000, threshold 0 to 1"
        if wrong:
            return answer(400, {"error": wrong})
        with self._lock:
            self._new_event("SEARCH", body).done = True
            self._catch_up()
            self.searches_too_early += any(body["filters"].items() <= event.payload.items() for event in self._waiting)
            found = self._ranked(filters, body["query"], top_k, threshold)
            results = [{**memory, "score": score, "score_breakdown": {"bm25": score}} for memory, score in found]
        return answer(200, {"results": results})

    async def _list(self, request: web.Request) -> web.Response:
        body = await request.json()
        if wrong := _wrong(body, body.get("filters")):
            return answer(400, {"error": wrong})
        with self._lock:
            self._catch_up()
            chosen = [memory for memory in self._memories.values() if _matches(body["filters"], memory)]
            return _page(request, chosen, 100, 200, lambda memory: memory)

    async def _delete(self, request: web.Request) -> web.Response:
        kind, name = request.match_info["kind"], request.match_info["name"]
        if f"{kind}_id" not in ENTITIES:
            return answer(400, {"message": "Invalid entity type"})
        with self._lock:
            event = self._new_event("DELETE", {})
            self._deletions.append((time.monotonic() + self.delete_after, f"{kind}_id", name, event))
        return answer(200, {"message": "Delete in progress. This may take some time.", "event_id": event.id})

    def _new_event(self, kind: str, payload: Body) -> Event:
        container = next((str(payload[name]) for name in ENTITIES if payload.get(name)), "")
        event = Event(str(uuid.uuid4()), kind, payload, self.received(container))
        self._events[event.id] = event
        return event

    def _told(self, event: Event) -> Body:
        begun = time.monotonic() >= event.stored + min(0.05, (self.ready_after or 0.1) / 2)
        status = ("FAILED" if event.error else "SUCCEEDED") if event.done else "RUNNING" if begun else "PENDING"
        description = {"id": event.id, "event_type": event.event_type, "status": status, "payload": event.payload}
        return {**description, "metadata": None, "results": [], "error": event.error if event.done else None}

    def _catch_up(self) -> None:
        """Let happen what was to happen until now."""
        ready: list[Event] = []
        waiting: list[Event] = []
        for event in self._waiting:
            (ready if self.indexed(event.stored) else waiting).append(event)
        self._waiting = waiting
        for event in ready:
            event.done = True
            if not event.error:
                self._put(event)
        for deletion in list(self._deletions):
            due, entity, name, event = deletion
            if time.monotonic() >= due:
                self._deletions.remove(deletion)
                event.done = True
                self._index.drop(f"{entity}={name}")
                for key in [key for key, memory in self._memories.items() if memory.get(entity) == name]:
                    del self._memories[key]

    def _put(self, event: Event) -> None:
        for memory in event.memories:
            self._memories[memory["id"]] = memory
            for entity in ENTITIES:
                if memory.get(entity):
                    self._index.add(f"{entity}={memory[entity]}", memory["id"], memory["memory"])

    def _ranked(self, filters: Body, query: str, top_k: int, threshold: float) -> list[tuple[Body, float]]:
        """Memories with their scores, which are shares of the best one's: between 0 and 1, as mem0's are."""
        self._catch_up()
        alone = set(filters) <= set(ENTITIES) and len(filters) == 1
        most = top_k if alone else len(self._memories)
        found: dict[str, float] = {}
        for entity, name in _scopes(filters):
            found |= self._index.search(f"{entity}={name}", query, most)
        matching = {
            key: score
            for key, score in found.items()
            if key in self._memories and _matches(filters, self._memories[key])
        }
        best = max(matching.values(), default=1.0)
        ordered = sorted(matching.items(), key=lambda one: -one[1])[:top_k]
        return [(self._memories[key], score / best) for key, score in ordered if score / best >= threshold]


def _memory(body: Body, scopes: list[str], text: str) -> Body:
    when = datetime.fromtimestamp(body["timestamp"], UTC) if "timestamp" in body else datetime.now(UTC)
    description: Body = {"id": str(uuid.uuid4()), "memory": text, "metadata": body.get("metadata"), "categories": []}
    dates = {"created_at": when.isoformat(), "updated_at": datetime.now(UTC).isoformat()}
    return {**description, **dates, **{name: body[name] if name in scopes else None for name in ENTITIES}}


def _scope(memory: Body) -> tuple[str | None, ...]:
    return tuple(memory[name] for name in ENTITIES)


def _scopes(filters: Body) -> Iterator[tuple[str, str]]:
    for name, value in filters.items():
        if name in ("AND", "OR"):
            for part in value:
                yield from _scopes(part)
        elif name in ENTITIES and isinstance(value, str):
            yield name, value


def _wrong(body: Body, filters: Any) -> str | None:
    if any(name in body for name in ENTITIES):
        return "Entity ids at the top level are not supported. Put them into filters."
    if not isinstance(filters, dict) or not any(_scopes(filters)):
        return "filters must have at least one entity id"
    unknown = {name for part in _parts(filters) for name in part} - _FILTERS
    return f"unknown filters: {', '.join(sorted(unknown))}" if unknown else None


def _parts(filters: Body) -> Iterator[Body]:
    yield filters
    for name in ("AND", "OR", "NOT"):
        for part in filters.get(name, ()):
            yield from _parts(part)


def _matches(filters: Body, memory: Body) -> bool:
    def one(name: str, value: Any) -> bool:
        if name == "AND":
            return all(_matches(part, memory) for part in value)
        if name == "OR":
            return any(_matches(part, memory) for part in value)
        if name == "NOT":
            return not any(_matches(part, memory) for part in value)
        if name == "metadata":
            has = memory["metadata"] or {}
            return all(has.get(key) == wanted for key, wanted in value.items())
        return bool(memory[name] is not None if value == "*" else memory[name] == value)

    return all(one(name, value) for name, value in filters.items())


def _page(
    request: web.Request, chosen: list[Any], usual: int, most: int, description: Callable[[Any], Body]
) -> web.Response:
    page, size = int(request.query.get("page", 1)), min(most, int(request.query.get("page_size", usual)))
    begin = (page - 1) * size
    if begin and begin >= len(chosen):
        return answer(404, {"detail": "Invalid page."})
    following = f"{request.path}?page={page + 1}&page_size={size}" if begin + size < len(chosen) else None
    results = [description(one) for one in chosen[begin : begin + size]]
    return answer(200, {"count": len(chosen), "next": following, "previous": None, "results": results})
