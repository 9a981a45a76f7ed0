"""Who may read the site, and what a browser may do with its pages."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from net.serving import credentials, is_own_origin, names_this_machine

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "MEMORYBENCH_REPORTS_TOKEN"
"""The variable with the token that the site asks for."""

_COOKIE = "memorybench_reports"
_NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
    "content-security-policy": _NOTHING,
}
_LOG = logging.getLogger("uvicorn.error")


class Guard:
    """An ASGI application that lets through to `app` what may be read.

    With a token, of which only the hash is kept, a request carries it as a cookie, as Bearer or in the link that the
    server prints; without one only this machine is served, and no web page that gave it a name.
    """

    def __init__(self, app: ASGIApp, token_hash: bytes | None = None) -> None:
        self._app = app
        self._token_hash = token_hash
        # a cookie that is seen gives access here, and does not say what the link is
        self._session = sha256(b"session:" + token_hash).hexdigest() if token_hash else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through; whatever goes wrong is one line in the log and a page."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_safely(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await (self._refusal(scope) or self._app)(scope, receive, send_safely)
        except Exception as error:  # noqa: BLE001  a page must not fail with a traceback
            _LOG.error("%s: %s: %s", scope["path"].encode("unicode_escape").decode(), type(error).__name__, error)
            if not begun:
                await PlainTextResponse("this page could not be made: see the server's log", 500)(
                    scope, receive, send_safely
                )

    def _refusal(self, scope: Scope) -> Response | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("this site can only be read", 405, {"allow": "GET, HEAD"})
        if not is_own_origin(headers, "http", "https"):
            return PlainTextResponse("this site answers its own pages, and none of another origin", 403)
        if self._token_hash is None:
            if names_this_machine(headers):
                return None
            return PlainTextResponse("without a token only this machine is served, by its loopback address", 403)
        if self._is_signed_in(headers):
            return None
        offered = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if offered and self._is_token(offered):
            return self._sign_in()
        refused = "this site needs its link: the address with ?token= that the server printed when it started"
        return PlainTextResponse(refused, 401, {"www-authenticate": "Bearer"})

    def _is_signed_in(self, headers: Mapping[str, str]) -> bool:
        token, is_bearer = credentials(headers.get("authorization", ""))
        if is_bearer and self._is_token(token):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        except CookieError:
            return False
        return cookie is not None and secrets.compare_digest(cookie.value.encode(), self._session.encode())

    def _is_token(self, offered: str) -> bool:
        digest = sha256(offered.encode(errors="replace")).digest()
        return self._token_hash is not None and secrets.compare_digest(digest, self._token_hash)

    def _sign_in(self) -> Response:
        """Set the cookie, on a page that goes on by itself: after a redirect from elsewhere it would not be sent."""
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">'
            '<title>Signed in</title><p>Signed in. <a href="/">To the runs</a>'
        )
        response = HTMLResponse(page)
        response.set_cookie(_COOKIE, self._session, httponly=True, samesite="strict", path="/")
        return response
