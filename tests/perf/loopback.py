"""An HTTP server on loopback that answers everything after a fixed delay, in a process of its own, and counts.

Run as a script: ``python -m tests.perf.loopback PORT DELAY_MS``. ``GET /counted`` tells what it has seen;
``in_any_minute`` is how many calls of the provider came in the fullest one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter, deque


class Counted:
    """What the server has seen."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.in_flight = 0
        self.most = 0
        self.first = 0.0
        self.last = 0.0
        self.ready = 0.0
        self.since_ready = 0
        self.in_any_minute = 0
        self._last_minute: deque[float] = deque()

    def begin(self, path: str) -> None:
        """A call has come."""
        self.calls[path] += 1
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        self.first = self.first or time.time()
        if path not in ("/answer", "/judge"):
            now, recent = time.monotonic(), self._last_minute
            recent.append(now)
            while recent[0] <= now - 60.0:
                recent.popleft()
            self.in_any_minute = max(self.in_any_minute, len(recent))

    def end(self, path: str) -> None:
        """A call is answered; the haystacks are ready with the last session."""
        self.in_flight -= 1
        self.last = time.time()
        if path == "/ingest":
            self.ready, self.since_ready = self.last, 0
        else:
            self.since_ready += 1


class Answering(asyncio.Protocol):
    """HTTP/1.1 with keep-alive: one request at a time on a connection, as clients without pipelining send them."""

    def __init__(self, counted: Counted, delay: float, search_reply: bytes) -> None:
        self._counted = counted
        self._delay = delay
        self._search_reply = search_reply
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        lines = head.decode("latin-1").split("\r\n")
        path = lines[0].split(" ")[1]
        lengths = [line.split(":", 1)[1] for line in lines[1:] if line.lower().startswith("content-length:")]
        if len(body) < int(lengths[0]) if lengths else 0:
            return
        self._received = b""
        if path == "/counted":
            names = ("calls", "most", "first", "last", "ready", "since_ready", "in_any_minute")
            self._write(json.dumps({name: getattr(self._counted, name) for name in names}).encode())
            return
        self._counted.begin(path)
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._answer, path)
        else:
            self._answer(path)

    def _answer(self, path: str) -> None:
        self._counted.end(path)
        self._write(self._search_reply if path == "/search" else b'{"text": "A short answer."}')

    def _write(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(head + body)


async def serve(port: int, delay_ms: float) -> None:
    """Answer until the process is ended."""
    counted = Counted()
    results = [{"text": f"Speaker: result {number} " + "words " * 60, "score": 1.0 / number} for number in range(1, 11)]
    reply = json.dumps({"results": results}).encode()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Answering(counted, delay_ms / 1000.0, reply), "127.0.0.1", port, backlog=1024
    )
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
