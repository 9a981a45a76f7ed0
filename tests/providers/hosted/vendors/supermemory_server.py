"""Supermemory's v5 interface as it is documented, on loopback: documents that become chunks, and memories later."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.providers.hosted.vendors.vendor_search import Bm25
from tests.providers.hosted.vendors.vendor_server import VendorServer, answer

STAGES = ("queued", "extracting", "chunking", "embedding", "indexing")
"""What a document goes through in the first half of `ready_after`; in the second half it is done and dreaming."""
SURFACES = {"hybrid": ("memories", "chunks"), "memories": ("memories",), "chunks": ("chunks",)}


@dataclass
class StoredDocument:
    """`sent` is how often content arrived under this id: it is appended, so more than one is a double."""

    id: str
    content: str
    metadata: dict[str, Any]
    date: str | None
    makes_memories: bool
    stored: float
    created: str
    sent: int = 1
    chunked: bool = False
    dreamt: bool = False


@dataclass
class Space:
    """A namespace. `leaves` is when what was deleted is gone."""

    name: str
    created: str
    documents: dict[str, StoredDocument] = field(default_factory=dict)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    unfinished: list[StoredDocument] = field(default_factory=list)
    leaves: float = math.inf


@dataclass
class SupermemoryServer(VendorServer):
    """`stuck` is where a document stays while `ready_after` is None: "indexing", or "dreaming" once it is indexed.

    Documents of sessions in `failing` fail, and vanish at once if `failed_vanish`. `gone_after` is how many seconds
    a namespace that was deleted is still seen. `credits_left` counts down with each document and search; None is
    without end.
    """

    stuck: str = "indexing"
    failing: set[str] = field(default_factory=set)
    failed_vanish: bool = False
    gone_after: float = 0.0
    credits_left: int | None = None
    mangle: Callable[[str, dict[str, Any]], Any] = lambda _operation, reply: reply
    stored: int = 0
    spaces: dict[str, Space] = field(default_factory=dict)
    _bm25: Bm25 = field(default_factory=Bm25)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/ns", self._list_namespaces),
            web.delete("/ns/{ns}", self._delete_namespace),
            web.post("/ns/{ns}/document", self._add),
            web.get("/ns/{ns}/document/{id}", self._get),
            web.post("/ns/{ns}/list/{type}", self._list),
            web.post("/ns/{ns}/search", self._search),
        ]

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.key}"

    # What tests ask without HTTP

    def sessions_stored(self, container: str) -> Counter[str]:
        """How often each session's content arrived."""
        space = self.spaces.get(container)
        documents = space.documents.values() if space else ()
        return Counter({str(one.metadata.get("session_id", one.id)): one.sent for one in documents})

    def rank(self, container: str, query: str, top_k: int, mode: str = "hybrid") -> list[str]:
        """Ids of chunks and memories in the order in which a search finds them."""
        space = self._space(container)
        return [key for key, _score in self._found(space, query, top_k, mode)] if space else []

    def session_of(self, container: str, item: str) -> str:
        return str(self.spaces[container].items[item]["document"].metadata["session_id"])

    def drop(self, container: str) -> None:
        """Forget a namespace, as if it had never been."""
        del self.spaces[container]
        for kind in ("chunks", "memories"):
            self._bm25.drop(f"{container}/{kind}")

    # Documents

    async def _add(self, request: web.Request) -> web.Response:
        body = await request.json()
        if fault := _invalid_document(request.match_info["ns"], body):
            return fault
        if self._broke():
            return answer(402, {"error": "Insufficient credits", "details": "Top up or upgrade your plan"})
        space = self._space(request.match_info["ns"], make=True)
        if space is None or space.leaves < math.inf:
            return answer(409, {"error": "Namespace is being deleted"})
        now, key = _now(), body.get("id") or f"doc_{next(self._numbers)}"
        self.stored += 1
        document = space.documents.get(key)
        if document:  # "reuse an existing ID to append"
            document.content += "\n" + body["content"]
            document.sent += 1
            document.stored, document.chunked, document.dreamt = self.received(space.name), False, False
        else:
            document = space.documents[key] = StoredDocument(
                key,
                body["content"],
                body.get("metadata") or {},
                body.get("date"),
                body.get("taskType", "memory") == "memory",
                self.received(space.name),
                now,
            )
        if document not in space.unfinished:
            space.unfinished.append(document)
        return self._reply("add", {"id": key, "status": "queued"})

    async def _get(self, request: web.Request) -> web.Response:
        space = self._space(request.match_info["ns"])
        document = space.documents.get(request.match_info["id"]) if space else None
        if document is None:
            return answer(404, {"error": "Document not found"})
        return self._reply("get", {**self._told(document), "content": document.content})

    def _told(self, document: StoredDocument) -> dict[str, Any]:
        status, dreaming = self._stage(document)
        times = {"createdAt": document.created, "updatedAt": document.created}
        return {
            "id": document.id,
            "title": None,
            "type": "text",
            "summary": None,
            "metadata": document.metadata,
            "system": {"status": status, "dreamingStatus": dreaming, "filepath": None, **times},
        }

    def _stage(self, document: StoredDocument) -> tuple[str, str]:
        awake = "dreaming" if document.makes_memories else "done"
        if self.ready_after is None:
            return ("done", awake) if self.stuck == "dreaming" else (self.stuck, awake)
        age = max(0.0, time.monotonic() - document.stored) / self.ready_after if self.ready_after else 1.0
        if document.metadata.get("session_id") in self.failing and age >= 0.5:
            return "failed", "done"
        if age < 0.5:
            return STAGES[int(age * 2 * len(STAGES))], awake
        return "done", awake if age < 1 else "done"

    # Namespaces

    def _space(self, name: str, *, make: bool = False) -> Space | None:
        space = self.spaces.get(name)
        if space and space.leaves <= time.monotonic():
            self.drop(name)
            space = None
        if space is None and make:
            space = self.spaces[name] = Space(name, _now())
        if space and self.failed_vanish:
            failed = [key for key, one in space.documents.items() if self._stage(one)[0] == "failed"]
            for key in failed:
                del space.documents[key]
        return space

    async def _list_namespaces(self, request: web.Request) -> web.Response:
        names = sorted(self.spaces)[: int(request.query.get("limit", "50"))]
        namespaces = [
            {
                "id": f"ns_{name}",
                "namespace": name,
                "documentCount": len(self.spaces[name].documents),
                "memoryCount": 0,
                "description": None,
                "system": {"createdAt": self.spaces[name].created, "updatedAt": self.spaces[name].created},
            }
            for name in names
        ]
        return self._reply("namespaces", {"namespaces": namespaces, "pagination": _page(1, 50, len(self.spaces))})

    async def _delete_namespace(self, request: web.Request) -> web.Response:
        space = self._space(request.match_info["ns"])
        if space is None:
            return answer(404, {"error": "Namespace not found"})
        if space.leaves < math.inf:
            return answer(409, {"error": "Namespace is being deleted"})
        space.leaves = time.monotonic() + self.gone_after
        memories = sum(item["kind"] == "memory" for item in space.items.values())
        counts = {"deletedDocumentsCount": len(space.documents), "deletedMemoriesCount": memories}
        self._space(space.name)
        return self._reply("delete", {"status": "deleted", "namespace": space.name, **counts})

    async def _list(self, request: web.Request) -> web.Response:
        space = self._space(request.match_info["ns"])
        page, limit = int(request.query.get("page", "1")), int(request.query.get("limit", "10"))
        if not 1 <= limit <= 100:
            return _invalid("limit must be between 1 and 100", "limit")
        reply: dict[str, Any] = {"documents": [], "chunks": [], "memories": []}
        first = (page - 1) * limit
        if space is None:
            total = 0
        elif request.match_info["type"] == "documents":
            total = len(space.documents)
            chosen = itertools.islice(space.documents.values(), first, first + limit)
            reply["documents"] = [self._told(document) for document in chosen]
        else:
            self._publish(space)
            kind = {"memories": "memory", "chunks": "chunk"}[request.match_info["type"]]
            total = sum(item["kind"] == kind for item in space.items.values())  # which ones is not told here
        return self._reply("list", {**reply, "pagination": _page(page, limit, total)})

    # Search

    async def _search(self, request: web.Request) -> web.Response:
        body = await request.json()
        if fault := _invalid_search(body):
            return fault
        if self._broke():
            return answer(402, {"error": "Insufficient credits", "details": "Top up or upgrade your plan"})
        begun, space, results = time.perf_counter(), self._space(request.match_info["ns"]), []
        if space and space.leaves == math.inf:
            self.searches_too_early += any(self._stage(one) != ("done", "done") for one in space.unfinished)
            found = self._found(space, body["query"], body.get("limit", 10), body.get("searchMode", "hybrid"))
            detail = (body.get("include") or {}).get("documents", False)
            results = [self._result(space, key, score, detail) for key, score in found]
        results = [one for one in results if one["similarity"] >= body.get("threshold", 0.0)]
        milliseconds = (time.perf_counter() - begun) * 1000
        return self._reply("search", {"results": results, "searchTime": round(milliseconds, 3)})

    def _found(self, space: Space, query: str, most: int, mode: str) -> list[tuple[str, float]]:
        self._publish(space)
        found = [hit for kind in SURFACES[mode] for hit in self._bm25.search(f"{space.name}/{kind}", query, most)]
        return sorted(found, key=lambda hit: -hit[1])[:most]

    def _result(self, space: Space, key: str, score: float, detail: bool) -> dict[str, Any]:
        item = space.items[key]
        document: StoredDocument = item["document"]
        result = {
            "id": key,
            item["kind"]: item["text"],
            "metadata": document.metadata,
            "similarity": score / (1 + score),
            "isLatest": True,
            "isInference": False,
            "system": {"updatedAt": document.created, "createdAt": document.created},
        }
        if detail:
            whole = self._told(document)
            times = {name: whole["system"][name] for name in ("createdAt", "updatedAt")}
            result["included"] = {"document": {**whole, "system": times}}
        return result

    def _publish(self, space: Space) -> None:
        """Let be found what is ready by now: chunks of documents that are done, memories of those that are dreamt."""
        for document in list(space.unfinished):
            status, dreaming = self._stage(document)
            lines = [line for line in document.content.split("\n") if line.strip()]
            if status == "done" and not document.chunked:
                document.chunked = True
                self._index(space, document, "chunk", lines)
            if status == dreaming == "done" and not document.dreamt:
                document.dreamt = True
                if document.makes_memories:
                    self._index(space, document, "memory", [_fact(line) for line in lines])
            if document.chunked and document.dreamt:
                space.unfinished.remove(document)

    def _index(self, space: Space, document: StoredDocument, kind: str, texts: list[str]) -> None:
        surface = {"chunk": "chunks", "memory": "memories"}[kind]
        for place, text in enumerate(texts):
            key = f"{document.id}-{kind}-{place}"
            if key not in space.items:  # what was appended is indexed beside what is there
                space.items[key] = {"kind": kind, "text": text, "document": document}
                self._bm25.add(f"{space.name}/{surface}", key, text)

    def _broke(self) -> bool:
        if self.credits_left is None:
            return False
        self.credits_left -= 1
        return self.credits_left < 0

    def _reply(self, operation: str, reply: dict[str, Any]) -> web.Response:
        return answer(200, self.mangle(operation, reply))


def _fact(line: str) -> str:
    """What is understood of a line: a statement about its speaker, in other words than they used."""
    speaker, colon, said = line.partition(": ")
    return f"{speaker} mentioned that {said}" if colon else f"It was mentioned that {line}"


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _page(page: int, limit: int, total: int) -> dict[str, int]:
    return {"currentPage": page, "limit": limit, "totalItems": total, "totalPages": -(-total // limit)}


def _invalid(message: str, *path: str) -> web.Response:
    return answer(400, {"success": False, "error": [{"message": message, "path": list(path)}]})


def _invalid_document(namespace: str, body: dict[str, Any]) -> web.Response | None:
    if not re.fullmatch(r"[a-zA-Z0-9_:-]{1,100}", namespace):
        return _invalid("namespace must match ^[a-zA-Z0-9_:-]+$ and have at most 100 characters", "namespace")
    if not body.get("content"):
        return _invalid("content is required", "content")
    if not 1 <= len(body.get("id", "x")) <= 255:
        return _invalid("id must have 1 to 255 characters", "id")
    if not all(isinstance(value, str | int | float | bool) for value in (body.get("metadata") or {}).values()):
        return _invalid("metadata holds text, numbers and booleans", "metadata")
    if "date" in body and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", body["date"]):
        return _invalid("date must be ISO 8601", "date")
    return _one_of(body, taskType=("memory", "superrag"), dreaming=("dynamic", "instant"))


def _invalid_search(body: dict[str, Any]) -> web.Response | None:
    if not body.get("query"):
        return _invalid("query is required", "query")
    if not 1 <= body.get("limit", 10) <= 100:
        return _invalid("limit must be between 1 and 100", "limit")
    if not 0 <= body.get("threshold", 0) <= 1:
        return _invalid("threshold must be between 0 and 1", "threshold")
    if "filter" in body:
        return _invalid("this server knows no filters", "filter")
    return _one_of(body, searchMode=tuple(SURFACES), rerank=("none", "order", "aggregate"))


def _one_of(body: dict[str, Any], **allowed: tuple[str, ...]) -> web.Response | None:
    for name, values in allowed.items():
        if name in body and body[name] not in values:
            return _invalid(f"{name} must be one of {', '.join(values)}", name)
    return None
