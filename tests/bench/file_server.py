"""A real HTTP server on loopback that serves data files, well or badly as each page says."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
CONTENT = bytes(range(256)) * 4_000  # 1,024,000 bytes, several chunks


@dataclass
class Page:
    """What is served at a path. `failures` and `cuts` (bytes until it hangs up) are used up, one a request."""

    content: bytes = CONTENT
    etag: str | None = '"first"'
    ranges: bool = True
    heeds_if_range: bool = True
    sized: bool = True
    moved_to: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    failures: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    holds_after: int | None = None  # waits there until `released`
    released: threading.Event = field(default_factory=threading.Event)


@dataclass
class Request:
    path: str
    range: str | None
    if_range: str | None
    status: int = 0
    sent: int = 0


class FileServer(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.requests: list[Request] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def serve_files() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        for page in server.pages.values():
            page.released.set()
        server.shutdown()
        thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        request = Request(self.path, self.headers["Range"], self.headers["If-Range"])
        self.server.requests.append(request)
        page = self.server.pages.get(self.path)
        if page is None:
            request.status = 404
            self.send_error(404)
        elif page.failures:
            request.status, headers = page.failures.pop(0)
            self._begin(request.status, {**headers, "Content-Length": "0"})
        elif page.moved_to:
            request.status = 302
            self._begin(302, {"Location": page.moved_to, "Content-Length": "0"})
        else:
            self._serve(page, request)

    def _serve(self, page: Page, request: Request) -> None:
        first, last, headers = 0, len(page.content) - 1, dict(page.headers)
        request.status = 200
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.range or "")
        current = request.if_range in (None, page.etag) or not page.heeds_if_range
        if asked and page.ranges and current:
            first, last = int(asked[1]), min(int(asked[2] or last), last)
            request.status = 206 if first <= last else 416
            headers["Content-Range"] = f"bytes {first}-{last}/{len(page.content)}"
        body = b"" if request.status == 416 else page.content[first : last + 1]
        if page.etag:
            headers["ETag"] = page.etag
        if page.sized:
            headers["Content-Length"] = str(len(body))
        self._begin(request.status, headers)
        end = page.cuts.pop(0) if page.cuts else len(body)
        with contextlib.suppress(ConnectionError):  # who is killed, or gets more than was expected, hangs up
            while request.sent < end:
                stop = end
                if page.holds_after is not None and not page.released.is_set():
                    if request.sent >= page.holds_after:
                        page.released.wait(30)
                    else:
                        stop = page.holds_after
                chunk = body[request.sent : min(stop, end, request.sent + 65_536)]
                self.wfile.write(chunk)
                request.sent += len(chunk)

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def write_manifest(folder: Path, *files: tuple[str, str]) -> None:
    """A manifest ``tiny`` in `folder`: files by name and address, all of CONTENT."""
    text = (ROOT / "datasets" / "locomo.toml").read_text(encoding="utf-8")
    text = text.split("[[files]]")[0].replace('name = "locomo"', 'name = "tiny"')
    for name, url in files:
        text += f'[[files]]\nname = "{name}"\npath = "tiny/{name}.bin"\nurl = "{url}"\nrevision = "r1"\n'
        text += f'bytes = {len(CONTENT)}\nsha256 = "{hashlib.sha256(CONTENT).hexdigest()}"\n'
    (folder / "tiny.toml").write_text(text, encoding="utf-8")


def start_command(
    *arguments: str, datasets: Path, first: str = "", stdout: IO[str] | None = None, stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """``python -m bench`` in a process of its own, whose manifests and downloads are in `datasets`."""
    program = (
        f"import pathlib, sys, bench.data; bench.data.DATASETS = pathlib.Path({str(datasets)!r}); {first}\n"
        "from bench.__main__ import main; sys.exit(main())"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=stdout or subprocess.PIPE,
        stderr=stderr,
        text=True,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MEMORYBENCH_")},
    )


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"not after half a minute: {what}"
        time.sleep(0.005)
