"""The bare REST service of `providers/general/examples/rest.toml`, on loopback."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from tests.providers.general.memory_server import MemoryServer
from tests.providers.hosted.vendors.vendor_server import answer


@dataclass
class RestServer(MemoryServer):
    """Stores messages under the ids that they come with."""

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/containers", self._all),
            web.put("/containers/{container:[^/]+}/messages/{message:[^/]+}", self._put),
            web.get("/containers/{container:[^/]+}", self._state),
            web.post("/containers/{container:[^/]+}/search", self._search),
            web.delete("/containers/{container:[^/]+}", self._delete),
        ]

    def authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.key}"

    async def _all(self, _request: web.Request) -> web.Response:
        return answer(200, {"containers": sorted(self.kept)})

    async def _put(self, request: web.Request) -> web.Response:
        body = await request.json()
        if set(body) - {"date"} != {"text", "session"} or "Idempotency-Key" not in request.headers:
            return answer(422, {"error": f"not as documented: {body}"})
        self.put(request.match_info["container"], request.match_info["message"], body["text"], body)
        return answer(201, {"id": request.match_info["message"]})

    async def _state(self, request: web.Request) -> web.Response:
        waiting = self.waiting(request.match_info["container"])
        return answer(200, {"pending": len(waiting), "failed": 0})

    async def _search(self, request: web.Request) -> web.Response:
        body, container = await request.json(), request.match_info["container"]
        if container not in self.kept:
            return answer(404, {"error": "no such container"})
        found = self.found(container, body["query"], body["limit"])
        return answer(200, {"results": [{"id": key, "score": score, **one.fields} for key, score, one in found]})

    async def _delete(self, request: web.Request) -> web.Response:
        if request.match_info["container"] not in self.kept:
            return answer(404, {"error": "no such container"})
        self.drop(request.match_info["container"])
        return web.Response(status=204)
