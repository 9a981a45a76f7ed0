"""A server on loopback that speaks OpenAI's embeddings protocol: a text's vector is the sum of its words'."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSION = 24


class EmbeddingLoopback(ThreadingHTTPServer):
    """Records what it is asked; `reply` may be set to (status, body) to have it answer that instead."""

    request_queue_size = 128  # connections that may wait to be taken; by default five

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        self.reply: tuple[int, bytes] | None = None
        self.dimension = DIMENSION

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def texts(self) -> list[str]:
        return [text for request in self.requests for text in request["input"]]


@contextmanager
def serving() -> Iterator[EmbeddingLoopback]:
    server = EmbeddingLoopback()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def words_vector(text: str, dimension: int = DIMENSION) -> list[float]:
    """Three times as long as it must be, so that somebody has to make it a unit vector."""
    words = [word.strip(".,:?!").lower() for word in text.split()]
    return [3.0 * sum(parts) for parts in zip(*(_word_vector(word, dimension) for word in words), strict=True)]


@cache
def _word_vector(word: str, dimension: int) -> list[float]:
    generator = random.Random(blake2b(word.encode()).digest())
    return [generator.gauss(0, 1) for _ in range(dimension)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the acknowledgement of its head
    server: EmbeddingLoopback

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        self.server.keys.append(self.headers["Authorization"])
        self.server.paths.append(self.path)
        status, body = self.server.reply or (200, self._embeddings(request["input"]))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _embeddings(self, texts: list[str]) -> bytes:
        data = [
            {"object": "embedding", "index": index, "embedding": words_vector(text, self.server.dimension)}
            for index, text in enumerate(texts)
        ]
        random.Random(len(texts)).shuffle(data)  # the protocol promises indexes, not an order
        return json.dumps({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1}}).encode()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name that the library calls it by
        pass
