"""The comments of a pull request over HTTP, as GitHub's REST API has them: list, create, update."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any  # what JSON holds
from urllib.parse import parse_qs, urlsplit


class CommentServer(ThreadingHTTPServer):
    """Keeps the comments of one pull request. With `refuses`, every write is a 403, as for the token of a fork."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.comments: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.tokens: set[str | None] = set()
        self.refuses = False

    @property
    def url(self) -> str:
        """What GITHUB_API_URL is set to."""
        return f"http://127.0.0.1:{self.server_port}"

    def write(self, body: str, kind: str = "User") -> None:
        """A comment by somebody."""
        self.comments.append({"id": 100 + len(self.comments), "user": {"type": kind}, "body": body})


class _Handler(BaseHTTPRequestHandler):
    server: CommentServer

    def do_GET(self) -> None:  # the name that http.server calls
        asked = parse_qs(urlsplit(self.path).query)
        size, page = int(asked["per_page"][0]), int(asked["page"][0])
        self._reply(200, self.server.comments[(page - 1) * size : page * size])

    def do_POST(self) -> None:  # the name that http.server calls
        body = self._body()
        if not self._refused():
            self.server.write(body, "Bot")
            self._reply(201, self.server.comments[-1])

    def do_PATCH(self) -> None:  # the name that http.server calls
        body = self._body()
        found = re.fullmatch(r"/repos/me/memory/issues/comments/(\d+)", self.path)
        if not self._refused():
            (ours,) = [one for one in self.server.comments if found and one["id"] == int(found[1])]
            ours["body"] = body
            self._reply(200, ours)

    def _body(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def _refused(self) -> bool:
        if self.server.refuses:
            self._reply(403, {"message": "Resource not accessible by integration"})
        return self.server.refuses

    def _reply(self, status: int, value: object) -> None:
        self.server.requests.append(f"{self.command} {urlsplit(self.path).path} {status}")
        self.server.tokens.add(self.headers["Authorization"])
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def comment_server() -> Iterator[CommentServer]:
    """A server that is there as long as the context."""
    with CommentServer() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
