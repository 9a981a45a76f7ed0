"""Who may do what: bearer tokens with a scope, a rate limit, and reading only beside the service's own routes."""

from __future__ import annotations

import json
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from net.serving import credentials, is_own_origin, names_this_machine, token_hash

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

READ_TOKENS, WRITE_TOKENS = "MEMORYBENCH_TUNER_READ_TOKENS", "MEMORYBENCH_TUNER_WRITE_TOKENS"
"""Variables with tokens, separated by commas; in place of one there may be ``sha256:`` and its hash in hex."""

OPEN = ("/health", "/ready")
"""What needs no token."""

_READS = ("GET", "HEAD")
_MOST_BYTES = 2**20
_REMEMBERED = 10_000

Access = Literal["read", "write"]


class Tokens:
    """The tokens of a service, of which it keeps hashes only."""

    def __init__(self, read: Iterable[str] = (), write: Iterable[str] = ()) -> None:
        hashes: dict[bytes, Access] = {_hash(token): "read" for token in read}
        self._hashes = hashes | {_hash(token): "write" for token in write}

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Tokens:
        """Those in an environment; raises `ConfigurationError` for one that could be guessed."""
        read, write = (
            [token.strip() for token in environment.get(name, "").split(",") if token.strip()]
            for name in (READ_TOKENS, WRITE_TOKENS)
        )
        return cls(read, write)

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def access(self, token: str) -> Access | None:
        """What the bearer of `token` may do; all hashes are compared, each in constant time."""
        given, found = sha256(token.encode()).digest(), None
        for known, access in self._hashes.items():
            if secrets.compare_digest(known, given):
                found = access
        return found


class Bucket:
    """At most `rate` requests a second of each client over time, and twice as many at once; 0 is no limit."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Seconds until `client` may make a request; 0 if this one counts."""
        if not self._rate:
            return 0.0
        now, most = time.monotonic(), 2 * self._rate
        left, then = self._left.pop(client, (most, now))
        left = min(most, left + (now - then) * self._rate)
        allowed = left >= 1
        self._left[client] = (left - 1 if allowed else left, now)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._rate


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that goes no further."""

    status: int
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """Answer with it."""
        body = json.dumps({"detail": self.detail}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Guard:
    """An ASGI application that lets through to `app` what is allowed.

    Without tokens only this machine is served: programs that name it by its own address, not web pages. All outside of
    ``/v1`` can only be read.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, rate: float) -> None:
        self._app, self._tokens, self._bucket = app, tokens, Bucket(rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] == "websocket":
            return
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal.send(send) if refusal else self._app(scope, receive, send))

    def _refusal(self, scope: Scope) -> Refusal | None:
        path, method = scope["path"], scope["method"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        reads = method in _READS
        if path in OPEN and reads:
            return None
        host = scope["client"][0] if scope.get("client") else ""
        token, is_bearer = credentials(headers.get("authorization", ""))
        access = self._tokens.access(token) if self._tokens else _of_this_machine(headers, reads)
        client = sha256(token.encode()).hexdigest() if self._tokens and access else host
        if wait := self._bucket.wait(client):
            seconds = b"%d" % math.ceil(wait)
            return Refusal(429, f"too many requests: try again in {math.ceil(wait)} s", ((b"retry-after", seconds),))
        if access is None and not self._tokens:
            return Refusal(403, "without tokens the service answers programs on this machine only")
        if access is None:
            ways = ((b"www-authenticate", b"Bearer"), (b"www-authenticate", b'Basic realm="memorybench"'))
            return Refusal(401, "this needs a token: Authorization: Bearer TOKEN", ways)
        if not path.startswith("/v1/") and not reads:
            return Refusal(405, "this can only be read", ((b"allow", b"GET, HEAD"),))
        if not reads and (access == "read" or (self._tokens and not is_bearer)):
            return Refusal(403, "this changes something: it needs a token of those that may write, as Bearer")
        if "transfer-encoding" in headers or int(headers.get("content-length", 0)) > _MOST_BYTES:
            return Refusal(413, "a request has a Content-Length of at most 1 MiB")
        return None


def _hash(token: str) -> bytes:
    return token_hash(token, f"{READ_TOKENS}, {WRITE_TOKENS}")


def _of_this_machine(headers: Mapping[str, str], reads: bool) -> Access | None:
    """Anything, unless a web page is behind it: one of another origin, or one that gave this machine a name."""
    if not names_this_machine(headers):
        return None
    return None if not reads and not is_own_origin(headers, "http") else "write"
