"""What loopback servers of memory services have in common: a log, faults on demand, rate limits with their headers."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.llms.clients.model_server import serving_as as serving_vendor

__all__ = ["FAULTS", "Recorded", "VendorServer", "answer", "serving_vendor"]

FAULTS = ("429", "500", "503", "cut", "cut-after", "500-after")
"""Refused before anything is done; or, with "-after", done and then not told."""
_NEVER = 1e9
"""Seconds."""


@dataclass
class Recorded:
    """A request, as it came: `query` in its order, `body` as parsed JSON (None without one)."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any


@dataclass
class VendorServer:
    """A subclass has the routes and the state. May be changed and read while it serves, from any thread.

    `ready_after` is how many seconds indexing takes; None is for ever, as it is for what `never` says of a container.
    `searches_too_early` counts searches of containers in which something was not indexed yet. `per_minute` limits
    requests, for which `rate_headers` are the headers of every response.
    """

    key: str = "a-key"
    ready_after: float | None = 0.05
    never: Callable[[str], bool] = lambda _container: False
    searches_too_early: int = 0
    fault: Callable[[Recorded], str | None] = lambda _request: None
    per_minute: int | None = None
    window_seconds: float = 60.0
    port: int = 0
    requests: list[Recorded] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    _recent: deque[float] = field(default_factory=deque)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def routes(self) -> Iterable[web.RouteDef]:
        raise NotImplementedError

    def authorized(self, request: web.Request) -> bool:
        raise NotImplementedError

    def rate_headers(self, left: int, resets: float) -> dict[str, str]:
        """`resets` is the Unix time at which the window is over."""
        return {
            "X-RateLimit-Limit": str(self.per_minute),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(int(resets + 0.999)),
        }

    def received(self, container: str) -> float:
        """The moment from which on what comes now is being indexed, by time.monotonic()."""
        return time.monotonic() + (_NEVER if self.never(container) else 0.0)

    def indexed(self, stored: float) -> bool:
        """Whether what was `stored` then, by time.monotonic(), is indexed by now."""
        return self.ready_after is not None and time.monotonic() >= stored + self.ready_after

    def counted(self, method: str, path: str) -> int:
        """How many requests there were whose path begins so."""
        return sum(one.method == method and one.path.startswith(path) for one in self.requests)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=256 * 1024 * 1024, middlewares=[self._middleware])
        app.add_routes(list(self.routes()))
        return app

    @web.middleware
    async def _middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        raw = await request.read()
        recorded = Recorded(
            request.method,
            request.raw_path.partition("?")[0],
            list(request.query.items()),
            {name.lower(): value for name, value in request.headers.items()},
            json.loads(raw) if raw else None,
        )
        self.requests.append(recorded)
        if not self.authorized(request):
            return answer(401, {"error": "unknown key", "detail": "unknown key"})
        headers, over = self._rate()
        if over:
            self.refused += 1
            return answer(429, {"error": "too many requests"}, {**headers, "Retry-After": str(max(1, round(over)))})
        fault = self.fault(recorded)
        if fault is not None:
            assert fault in FAULTS, fault
            self.faults[fault] += 1
        status, _, after = (fault or "").partition("-")
        if fault and not after:
            return self._faulty(request, status, headers)
        response = await handler(request)
        if fault:
            return self._faulty(request, status, headers)
        response.headers.update(headers)
        return response

    def _faulty(self, request: web.Request, status: str, headers: dict[str, str]) -> web.StreamResponse:
        if status == "cut":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        more = {"Retry-After": "1"} if status == "429" else {}
        return answer(int(status), {"error": "on demand"}, {**headers, **more})

    def _rate(self) -> tuple[dict[str, str], float]:
        """The headers, and how many seconds too early this request came."""
        if self.per_minute is None:
            return {}, 0.0
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - self.window_seconds:
            self._recent.popleft()
        full = len(self._recent) >= self.per_minute
        if not full:
            self._recent.append(now)
        frees = self._recent[0] + self.window_seconds - now
        return self.rate_headers(self.per_minute - len(self._recent), time.time() + frees), frees if full else 0.0


def answer(status: int, body: object, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json", headers=headers)
