"""Zep Cloud on loopback: users, threads, tasks and graph search of its REST interface, generation v4.

    with serving_vendor(ZepServer(ready_after=0.2)) as server:
        ...  # ZEP_BASE_URL=server.url ZEP_API_KEY=server.key

Its extraction makes of each message one episode and one fact of the same words. Ids are made in the order of asking, so
that two servers that are asked the same give the same ids.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from aiohttp import web

from tests.providers.hosted.vendors.vendor_search import Bm25
from tests.providers.hosted.vendors.vendor_server import VendorServer, answer

BASE = "/api/v4"
SCOPES = ("edges", "episodes", "nodes", "observations", "thread-summaries")
RERANKERS = ("rrf", "mmr", "node_distance", "episode_mentions", "cross_encoder")
LONGEST_MESSAGE, MOST_MESSAGES, LONGEST_QUERY, LARGEST_PAGE = 4096, 30, 400, 50


@dataclass
class Task:
    uuid: str
    kind: str
    begun: float
    ends_as: str = "succeeded"


@dataclass
class User:
    uuid: str
    user_id: str
    deletion: Task | None = None
    threads: dict[str, list[str]] = field(default_factory=dict)
    """The messages of each thread, in their order."""
    unindexed: deque[str] = field(default_factory=deque)


@dataclass
class ZepServer(VendorServer):
    """`outcome` decides by the messages of a request as what their task ends: succeeded, partial or failed; `garble`
    by method and path what is answered instead of the truth. `expired` facts, by message id, no longer hold since then.
    `removal` is what a deletion ends as.
    """

    outcome: Callable[[list[dict[str, Any]]], str] = lambda _messages: "succeeded"
    garble: Callable[[str, str], str | None] = lambda _method, _path: None
    removal: str = "succeeded"
    expired: dict[str, str] = field(default_factory=dict)
    tells_messages: bool = True
    """Whether the answer to new messages has their ids."""
    users: dict[str, User] = field(default_factory=dict)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    statuses: list[str] = field(default_factory=list)
    """Each status of a task that was told, in order."""
    replays: int = 0
    _kept: dict[tuple[str, str], tuple[Any, int, bytes]] = field(default_factory=dict)
    _index: Bm25 = field(default_factory=Bm25)
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def url(self) -> str:
        return super().url + BASE

    @property
    def stored(self) -> int:
        """How many messages there are, doubles included."""
        return len(self.messages)

    def containers(self) -> list[str]:
        self._settle()
        return [user.user_id for user in self.users.values()]

    def sessions_stored(self, container: str) -> int:
        """How many threads hold messages of a container; a session that is there twice counts twice."""
        return sum(bool(thread) for user in self._named(container) for thread in user.threads.values())

    def messages_stored(self, container: str) -> list[tuple[str, str]]:
        """Our message id and the content of each message of a container, in their order."""
        threads = [thread for user in self._named(container) for thread in user.threads.values()]
        kept = [self.messages[name] for thread in threads for name in thread]
        return [(one["metadata"]["message_id"], one["content"]) for one in kept]

    def rank(self, container: str, query: str, top_k: int) -> list[str]:
        """Our ids of the messages whose facts (or episodes) a search finds, best first."""
        found = [hit for user in self._named(container) for hit in self._find(user, query, top_k)]
        return [self.messages[name]["metadata"]["message_id"] for name, _ in found]

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Api-Key {self.key}"

    def rate_headers(self, left: int, resets: float) -> dict[str, str]:
        return {**super().rate_headers(left, resets), "X-RateLimit-Increment": "1"}

    def routes(self) -> Iterable[web.RouteDef]:
        for method, path, handler in (
            ("GET", "/project", self._project),
            ("POST", "/users/lookup", self._lookup),
            ("POST", "/users", self._create_user),
            ("DELETE", "/users/{uuid}", self._delete_user),
            ("POST", "/threads", self._create_thread),
            ("POST", "/threads/{uuid}/messages", self._add_messages),
            ("GET", "/tasks/{uuid}", self._task),
            ("POST", "/graphs/{uuid}/search/{scope}", self._search),
            ("GET", "/graphs/{uuid}/episodes/{episode}", self._episode),
        ):
            yield web.route(method, BASE + path, self._guarded(handler))

    def _guarded(self, handler: Callable[[web.Request, Any], web.Response]) -> Any:
        """Idempotency keys and addresses, as they are for all writes; the handlers themselves do their work at once."""

        async def guarded(request: web.Request) -> web.Response:
            self._settle()
            path = request.path.removeprefix(BASE)
            instead = self.garble(request.method, path)
            if instead is not None:
                return web.Response(text=instead, content_type="application/json")
            raw = await request.read()
            body = json.loads(raw) if raw else None
            if any(not _is_uuid(request.match_info.get(name, str(UUID(int=0)))) for name in ("uuid", "episode")):
                return _refused(400, "invalid_identifier", "an address is a UUID that Zep made")
            key = request.headers.get("Idempotency-Key")
            if key is None:
                return handler(request, body)
            before = self._kept.get((f"{request.method} {path}", key))
            if before is not None:
                self.replays += 1
                if before[0] != body:
                    return _refused(409, "idempotency_conflict", "this key was used with another body")
                return web.Response(status=before[1], body=before[2], content_type="application/json")
            response = handler(request, body)
            if response.status < 400:
                assert isinstance(response.body, bytes)
                self._kept[f"{request.method} {path}", key] = (body, response.status, response.body)
            return response

        return guarded

    def _project(self, _request: web.Request, _body: Any) -> web.Response:
        return answer(200, {"uuid": str(UUID(int=1)), "name": "loopback"})

    def _lookup(self, _request: web.Request, body: Any) -> web.Response:
        for user in self._named(body["user_id"]):
            return answer(200, _user(user))
        return _refused(404, "not_found", "no such user")

    def _create_user(self, _request: web.Request, body: Any) -> web.Response:
        if any(True for _ in self._named(body["user_id"])):
            return _refused(409, "conflict", "there is a user of this user_id")
        user = User(self._uuid(), body["user_id"])
        self.users[user.uuid] = user
        return answer(201, _user(user))

    def _delete_user(self, request: web.Request, _body: Any) -> web.Response:
        user = self.users.get(request.match_info["uuid"])
        if user is None:
            return _refused(404, "not_found", "no such user")
        failed = user.deletion and user.deletion.ends_as != "succeeded" and self.indexed(user.deletion.begun)
        if user.deletion is None or failed:
            user.deletion = self._begin("delete_user", self.removal)
        return answer(202, {"task": self._told(user.deletion)})

    def _create_thread(self, _request: web.Request, body: Any) -> web.Response:
        user = self.users.get(body["user_uuid"])
        if user is None or user.deletion:
            return _refused(404, "not_found", "no such user")
        thread = self._uuid()
        user.threads[thread] = []
        return answer(201, {"uuid": thread, "user_uuid": user.uuid, "created_at": _now()})

    def _add_messages(self, request: web.Request, body: Any) -> web.Response:
        thread = request.match_info["uuid"]
        user = next((one for one in self.users.values() if thread in one.threads and not one.deletion), None)
        if user is None:
            return _refused(404, "not_found", "no such thread")
        fault = _fault_of(body["messages"])
        if fault:
            return _refused(400, "invalid_request", fault)
        task = self._begin("add_messages", self.outcome(body["messages"]), user.user_id)
        added = []
        for message in body["messages"]:
            kept = {**message, "uuid": self._uuid(), "fact": self._uuid(), "thread": thread, "task": task.uuid}
            kept["received"] = _now()
            self.messages[kept["uuid"]] = kept
            user.threads[thread].append(kept["uuid"])
            user.unindexed.append(kept["uuid"])
            added.append({**message, "uuid": kept["uuid"], "thread_uuid": thread, "processed": False})
        return answer(202, {"messages": added if self.tells_messages else None, "task": self._told(task)})

    def _task(self, request: web.Request, _body: Any) -> web.Response:
        task = self.tasks.get(request.match_info["uuid"])
        if task is None:
            return _refused(404, "not_found", "no such task")
        detail = self._told(task)
        self.statuses.append(detail["status"])
        return answer(200, detail)

    def _search(self, request: web.Request, body: Any) -> web.Response:
        user, scope = self.users.get(request.match_info["uuid"]), request.match_info["scope"]
        if user is None or scope not in SCOPES:
            return _refused(404, "not_found", "no such graph")
        size, begin = int(request.query.get("page_size", "50")), int(request.query.get("cursor", "0"))
        fault = _fault_of_search(body, size)
        if fault:
            return _refused(400, "invalid_request", fault)
        hits = self._find(user, body["query"], begin + size + 1 + len(self.expired))
        self.searches_too_early += bool(user.unindexed)
        if scope == "edges" and body.get("filters"):
            hits = [hit for hit in hits if self.messages[hit[0]]["metadata"]["message_id"] not in self.expired]
        items = [self._item(scope, user, self.messages[name], score) for name, score in hits[begin : begin + size]]
        page: dict[str, Any] = {"items": items}
        if begin + size < len(hits):
            page["next_cursor"] = str(begin + size)
        return answer(200, page)

    def _episode(self, request: web.Request, _body: Any) -> web.Response:
        user, message = (
            self.users.get(request.match_info["uuid"]),
            self.messages.get(request.match_info["episode"]),
        )
        if user is None or message is None or message["thread"] not in user.threads:
            return _refused(404, "not_found", "no such episode")
        return answer(200, self._item("episodes", user, message, 0.0))

    def _item(self, scope: str, user: User, message: dict[str, Any], score: float) -> dict[str, Any]:
        """What there is of one message in a scope; of nodes, observations and summaries there is one a message, too."""
        both = {"score": score, "graph_uuid": user.uuid, "user_uuid": user.uuid, "created_at": message["received"]}
        said = message.get("reference_time") or message["received"]
        if scope == "episodes":
            return {
                **both,
                "uuid": message["uuid"],
                "content": message["content"],
                "processed": True,
                "role": message["role"],
                "role_name": message.get("name"),
                "source": "message",
                "reference_time": said,
                "metadata": message["metadata"],
                "thread_uuid": message["thread"],
            }
        if scope == "edges":
            ended = self.expired.get(message["metadata"]["message_id"])
            return {
                **both,
                "uuid": message["fact"],
                "name": "SAID",
                "fact": _words(message),
                "valid_at": said,
                "episode_uuids": [message["uuid"]],
                "invalid_at": ended,
                "expired_at": ended and _now(),
            }
        detail = {**both, "uuid": message["fact"], "summary": _words(message)}
        if scope == "thread-summaries":
            return {**detail, "thread_uuid": message["thread"], "last_summarized_episode_valid_at": said}
        found = {**detail, "name": message.get("name"), "episode_uuids": [message["uuid"]]}
        return found if scope == "observations" else {**found, "episode_uuids_truncated": False}

    def _find(self, user: User, query: str, most: int) -> list[tuple[str, float]]:
        while user.unindexed and self.indexed(self.tasks[self.messages[user.unindexed[0]]["task"]].begun):
            name = user.unindexed.popleft()
            self._index.add(user.uuid, name, _words(self.messages[name]))
        return self._index.search(user.uuid, query, most)

    def _named(self, container: str) -> Iterator[User]:
        self._settle()
        return (user for user in list(self.users.values()) if user.user_id == container)

    def _settle(self) -> None:
        """Remove the users whose deletion is over."""
        over = [
            user
            for user in self.users.values()
            if user.deletion and user.deletion.ends_as == "succeeded" and self.indexed(user.deletion.begun)
        ]
        for user in over:
            del self.users[user.uuid]
            self._index.drop(user.uuid)
            for name in (name for thread in user.threads.values() for name in thread):
                del self.messages[name]

    def _begin(self, kind: str, ends_as: str = "succeeded", container: str = "") -> Task:
        task = Task(self._uuid(), kind, self.received(container), ends_as)
        self.tasks[task.uuid] = task
        return task

    def _told(self, task: Task) -> dict[str, Any]:
        detail: dict[str, Any] = {"uuid": task.uuid, "type": task.kind, "created_at": _now()}
        if self.indexed(task.begun):
            error = {"code": "extraction_failed", "message": "the model gave up"}
            return detail | {"status": task.ends_as} | ({} if task.ends_as == "succeeded" else {"error": error})
        if self.indexed(task.begun - (self.ready_after or 0.0) / 2) or self.ready_after is None:
            return detail | {"status": "processing", "progress": {"stage": "extracting"}}
        return detail | {"status": "pending"}

    def _uuid(self) -> str:
        return str(uuid5(NAMESPACE_OID, str(next(self._numbers))))


def _words(message: dict[str, Any]) -> str:
    return f"{message['name']}: {message['content']}" if message.get("name") else str(message["content"])


def _user(user: User) -> dict[str, Any]:
    return {"uuid": user.uuid, "user_id": user.user_id, "graph_uuid": user.uuid}


def _fault_of(messages: list[dict[str, Any]]) -> str | None:
    if not 1 <= len(messages) <= MOST_MESSAGES:
        return f"messages: 1 to {MOST_MESSAGES}"
    for message in messages:
        if not 1 <= len(message["content"]) <= LONGEST_MESSAGE:
            return f"content: 1 to {LONGEST_MESSAGE} characters"
        if message["role"] not in ("system", "assistant", "user", "function", "tool") or len(message["metadata"]) > 10:
            return "role or metadata"
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", message.get("reference_time", _now())):
            return "reference_time: RFC 3339"
    return None


def _fault_of_search(body: dict[str, Any], size: int) -> str | None:
    if not 1 <= size <= LARGEST_PAGE:
        return f"page_size: 1 to {LARGEST_PAGE}"
    if not 1 <= len(body["query"]) <= LONGEST_QUERY:
        return f"query: 1 to {LONGEST_QUERY} characters"
    reranker = body.get("reranker", "rrf")
    if reranker not in RERANKERS or (reranker == "mmr") != ("mmr_lambda" in body):
        return "reranker or mmr_lambda"
    return None


def _refused(status: int, code: str, message: str) -> web.Response:
    return answer(status, {"error": {"code": code, "message": message, "request_id": "loopback"}})


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
