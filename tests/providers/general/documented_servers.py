"""Hindsight, Letta's archival memory and Redis' agent-memory-server on loopback, as their interfaces are documented."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

from tests.providers.general.memory_server import MemoryServer, now
from tests.providers.hosted.vendors.vendor_server import answer

BANKS = "/v1/default/banks"
AGENTS = "/v1/agents"
LONG_TERM = "/v1/long-term-memory"


@dataclass
class HindsightServer(MemoryServer):
    """A bank has documents, each retained by an operation; a recall gives facts, here one for each line."""

    operations: dict[str, tuple[str, str]] = field(default_factory=dict)

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get(BANKS, self._banks),
            web.post(BANKS + "/{bank}/memories", self._retain),
            web.get(BANKS + "/{bank}/operations/{operation}", self._operation),
            web.post(BANKS + "/{bank}/memories/recall", self._recall),
            web.delete(BANKS + "/{bank}", self._delete),
        ]

    def authorized(self, _request: web.Request) -> bool:
        return True

    async def _banks(self, _request: web.Request) -> web.Response:
        return answer(200, {"banks": [{"bank_id": bank} for bank in self.kept]})

    async def _retain(self, request: web.Request) -> web.Response:
        body, bank = await request.json(), request.match_info["bank"]
        (item,) = body["items"]
        if item["timestamp"] != "unset":
            datetime.fromisoformat(item["timestamp"])
        if body["async"] is not True or item["update_mode"] != "replace" or not _only_texts(item["metadata"]):
            return answer(422, {"detail": [{"msg": "not as documented"}]})
        for number, line in enumerate(item["content"].splitlines()):
            self.put(bank, f"{item['document_id']}/{number}", line, item)
        operation = str(uuid.uuid4())
        self.operations[operation] = (bank, item["document_id"])
        reply = {"success": True, "bank_id": bank, "items_count": 1, "async": True, "operation_id": operation}
        return answer(200, reply)

    async def _operation(self, request: web.Request) -> web.Response:
        operation = request.match_info["operation"]
        if operation not in self.operations:
            return answer(404, {"detail": "no such operation"})
        bank, document = self.operations[operation]
        waits = any(key.startswith(f"{document}/") for key in self.waiting(bank))
        return answer(200, {"operation_id": operation, "status": "processing" if waits else "completed"})

    async def _recall(self, request: web.Request) -> web.Response:
        body, bank = await request.json(), request.match_info["bank"]
        if bank not in self.kept:
            return answer(404, {"detail": f"Bank {bank} not found"})
        if not ({"low", "mid", "high"} >= {body["budget"]} and isinstance(body["max_tokens"], int)):
            return answer(422, {"detail": [{"msg": "not as documented"}]})
        results = [
            {
                "id": key,
                "text": one.text,
                "type": "world",
                "mentioned_at": now(),
                "document_id": one.fields["document_id"],
                "metadata": one.fields["metadata"],
                "scores": {"final": score},
            }
            for key, score, one in self.found(bank, body["query"], 100)
        ]
        return answer(200, {"results": results, "entities": None})

    async def _delete(self, request: web.Request) -> web.Response:
        if request.match_info["bank"] not in self.kept:
            return answer(404, {"detail": "no such bank"})
        self.drop(request.match_info["bank"])
        return answer(200, {"success": True, "message": "deleted"})


def _only_texts(metadata: dict[str, Any]) -> bool:
    return all(isinstance(value, str) for value in metadata.values())


@dataclass
class LettaServer(MemoryServer):
    """Agents and passages have ids that the server makes; a passage that is sent twice is there twice."""

    agents: dict[str, str] = field(default_factory=dict)

    def routes(self) -> Iterable[web.RouteDef]:
        passages = AGENTS + "/{agent}/archival-memory"
        return [
            web.get(AGENTS + "/", self._agents),
            web.post(AGENTS + "/", self._create),
            web.delete(AGENTS + "/{agent}", self._delete),
            web.post(passages, self._insert),
            web.get(passages, self._passages),
            web.get(passages + "/search", self._search),
        ]

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.key}"

    async def _agents(self, request: web.Request) -> web.Response:
        named = request.query.get("name")
        agents = [{"id": key, "name": name} for key, name in self.agents.items() if named in (None, name)]
        return answer(200, agents[: int(request.query.get("limit", 50))])

    async def _create(self, request: web.Request) -> web.Response:
        agent = f"agent-{uuid.uuid4()}"
        self.agents[agent] = (await request.json())["name"]
        return answer(200, {"id": agent, "name": self.agents[agent]})

    async def _delete(self, request: web.Request) -> web.Response:
        if self.agents.pop(request.match_info["agent"], None) is None:
            return answer(404, {"detail": "no such agent"})
        self.drop(request.match_info["agent"])
        return answer(200, None)

    async def _insert(self, request: web.Request) -> web.Response:
        body, agent = await request.json(), request.match_info["agent"]
        if agent not in self.agents or set(body) - {"created_at"} != {"text", "tags"}:
            return answer(422, {"detail": "not as documented"})
        passage = f"passage-{uuid.uuid4()}"
        self.put(
            agent, passage, body["text"], {"tags": body["tags"][::-1], "created_at": body.get("created_at", now())}
        )
        return answer(200, [self._passage(agent, passage)])

    def _passage(self, agent: str, passage: str) -> dict[str, Any]:
        one = self.kept[agent][passage]
        return {"id": passage, "text": one.text, "embedding": [], **one.fields}

    async def _passages(self, request: web.Request) -> web.Response:
        agent, after = request.match_info["agent"], request.query.get("after")
        if agent not in self.agents:
            return answer(404, {"detail": "no such agent"})
        keys = list(self.kept.get(agent, {}))
        begun = keys.index(after) + 1 if after else 0
        page = keys[begun : begun + int(request.query["limit"])]
        return answer(200, [self._passage(agent, key) for key in page])

    async def _search(self, request: web.Request) -> web.Response:
        found = self.found(request.match_info["agent"], request.query["query"], int(request.query["top_k"]))
        results = [
            {"id": key, "content": one.text, "timestamp": one.fields["created_at"], "tags": one.fields["tags"]}
            for key, _score, one in found
        ]
        return answer(200, {"count": len(results), "results": results})


@dataclass
class RedisServer(MemoryServer):
    """Memories by the ids that they come with, indexed in the background; a namespace that finds nothing is dropped."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/v1/health", self._health),
            web.post(LONG_TERM + "/", self._create),
            web.get(LONG_TERM + "/{memory}", self._get),
            web.post(LONG_TERM + "/search", self._search),
            web.delete(LONG_TERM, self._delete),
        ]

    def authorized(self, _request: web.Request) -> bool:
        return True

    async def _health(self, _request: web.Request) -> web.Response:
        return answer(200, {"now": 1})

    async def _create(self, request: web.Request) -> web.Response:
        for memory in (await request.json())["memories"]:
            if memory["memory_type"] not in ("episodic", "semantic", "message") or not memory["id"]:
                return answer(422, {"detail": "not as documented"})
            self.put(memory["user_id"], memory["id"], memory["text"], memory)
        return answer(200, {"status": "ok"})

    async def _get(self, request: web.Request) -> web.Response:
        key = request.match_info["memory"]
        for user, kept in self.kept.items():
            if key in kept and key not in self.waiting(user):
                return answer(200, kept[key].fields)
        return answer(404, {"detail": f"Memory with ID {key} not found"})

    async def _search(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not (body["text"] and 0 < body["limit"] <= 100):
            return answer(422, {"detail": "not as documented"})
        users = [body["user_id"]["eq"]] if "user_id" in body else list(self.kept)
        listing = body["text"] == "conversation"  # by vectors everything is found; only this one text is here
        memories = []
        for user in users:
            kept = self.kept.get(user, {})
            found = [(key, 0.0, one) for key, one in kept.items()] if listing else self.found(user, body["text"], 100)
            memories += [{**one.fields, "dist": 1.0 / (1.0 + score)} for _key, score, one in found]
        return answer(200, {"memories": memories[: body["limit"]], "total": len(memories), "next_offset": None})

    async def _delete(self, request: web.Request) -> web.Response:
        for key in request.query.getall("memory_ids"):
            for user in [user for user, kept in self.kept.items() if key in kept]:
                del self.kept[user][key]
                if not self.kept[user]:
                    self.drop(user)
        return answer(200, {"status": "ok"})
