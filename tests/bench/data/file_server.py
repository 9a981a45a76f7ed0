"""A real HTTP server on loopback: plain pages, and a data set by the API of the Hugging Face hub."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.processes import PIPE, Process
from tests.repository import ROOT

CONTENT = bytes(range(256)) * 4_000  # 1,024,000 bytes, several blocks
BLOCK_BYTES = 200_000
REPOSITORY, REVISION = "somebody/talks", "e3e9b39115b02346824c70d349350de738f8be41"
HUB_FOLDER = f"hf://datasets/{REPOSITORY}@{REVISION}"
_API = f"/api/datasets/{REPOSITORY}"
_RESOLVE = f"/datasets/{REPOSITORY}/resolve/{REVISION}/"


@dataclass
class Page:
    """What is served at a path. `failures` (status codes) and `cuts` (bytes until it hangs up) are used up."""

    content: bytes = CONTENT
    given: bytes | None = None  # instead of the content that is listed
    moved_to: str = ""
    large: bool = False  # at the hub: listed with its SHA-256
    failures: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    holds_at: int | None = None  # waits before this byte until `released`
    released: threading.Event = field(default_factory=threading.Event)


@dataclass
class Request:
    path: str
    range: str | None


class FileServer(http.server.ThreadingHTTPServer):
    """`pages` are at their paths, `hub` has the files of a data set; `busy` failures come before any answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.hub: dict[str, Page] = {}
        self.busy: list[int] = []
        self.lists: bytes | None = None  # instead of the hub's own lists
        self.requests: list[Request] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def transfers(self) -> list[tuple[str, str | None]]:
        """The files of the hub that were requested, with the range of bytes."""
        return [
            (request.path.removeprefix(_RESOLVE), request.range)
            for request in self.requests
            if request.path.startswith(_RESOLVE)
        ]


@contextlib.contextmanager
def serve_files() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        for page in (*server.pages.values(), *server.hub.values()):
            page.released.set()
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def serve_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server that is the hub to this process; no attempt waits, and a block is small."""
    import huggingface_hub.constants
    from huggingface_hub import HfFileSystem

    import bench.data.transfer

    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr(bench.data.transfer, "_BLOCK_BYTES", BLOCK_BYTES)
    with serve_files() as server:
        template = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.address)
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        HfFileSystem.clear_instance_cache()
        yield server


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path, query = unquote(url.path), parse_qs(url.query)
        self.server.requests.append(Request(path, self.headers["Range"]))
        if self.server.busy:
            self._send(self.server.busy.pop(0))
        elif path == f"{_API}/revision/{REVISION}":
            self._send(200, json.dumps({"id": REPOSITORY, "sha": REVISION}).encode())
        elif (listed := path.removeprefix(f"{_API}/tree/{REVISION}")) != path:
            self._list(listed.removeprefix("/"), query)
        else:
            pages = self.server.hub if path.startswith(_RESOLVE) else self.server.pages
            page = pages.get(path.removeprefix(_RESOLVE))
            if page is None:
                self._send(404)
            elif page.failures:
                self._send(page.failures.pop(0))
            elif page.moved_to:
                self._send(302, headers={"Location": page.moved_to})
            else:
                self._serve(page)

    def _list(self, folder: str, query: dict[str, list[str]]) -> None:
        """Two entries a page, as if there were thousands."""
        entries: dict[str, dict[str, Any]] = {}
        for path, page in self.server.hub.items():
            if not folder or path.startswith(f"{folder}/"):
                entries[path] = _entry(path, page)
                for parent in map(str, PurePosixPath(path).parents):
                    if parent not in (".", folder) and (not folder or parent.startswith(f"{folder}/")):
                        entries[parent] = {"type": "directory", "oid": "1" * 40, "size": 0, "path": parent}
        if query["recursive"] == ["False"]:
            depth = folder.count("/") + bool(folder)
            entries = {path: entry for path, entry in entries.items() if path.count("/") == depth}
        first = int(query.get("cursor", ["0"])[0])
        url = f"{self.server.address}{urlsplit(self.path).path}?recursive={query['recursive'][0]}&cursor={first + 2}"
        headers = {"Link": f'<{url}>; rel="next"'} if first + 2 < len(entries) else {}
        listed = json.dumps(list(entries.values())[first : first + 2]).encode()
        self._send(200, listed if self.server.lists is None else self.server.lists, headers)

    def _serve(self, page: Page) -> None:
        content = page.content if page.given is None else page.given
        first, last, status, headers = 0, len(content), 200, {}
        if match := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or ""):
            first, last, status = int(match[1]), min(int(match[2]) + 1, last), 206
            headers["Content-Range"] = f"bytes {first}-{last - 1}/{len(content)}"
        if page.holds_at is not None and first <= page.holds_at < last:
            page.released.wait(30)
        body = content[first:last]
        self._send(status, body, headers, page.cuts.pop(0) if page.cuts else len(body))

    def _send(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, until: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a client that is killed hangs up
            self.wfile.write(body[:until])

    def log_message(self, *_: object) -> None:
        pass


def _entry(path: str, page: Page) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(page.content) + page.content).hexdigest()
    entry: dict[str, Any] = {"type": "file", "oid": blob, "size": len(page.content), "path": path}
    if page.large:
        large = {"oid": hashlib.sha256(page.content).hexdigest(), "size": len(page.content), "pointerSize": 130}
        entry |= {"oid": "0" * 40, "lfs": large}
    return entry


def write_manifest(folder: Path, *files: tuple[str, str]) -> None:
    """A manifest ``tiny`` in `folder`: files by name and address, all of CONTENT."""
    text = (ROOT / "datasets" / "locomo.toml").read_text(encoding="utf-8")
    text = text.split("[[files]]")[0].replace('name = "locomo"', 'name = "tiny"')
    for name, url in files:
        text += f'[[files]]\nname = "{name}"\npath = "tiny/{name}.bin"\nurl = "{url}"\n'
        text += f'bytes = {len(CONTENT)}\nsha256 = "{hashlib.sha256(CONTENT).hexdigest()}"\n'
    (folder / "tiny.toml").write_text(text, encoding="utf-8")


def start_command(
    *arguments: str,
    datasets: Path,
    hub: FileServer | None = None,
    first: str = "",
    stdout: IO[str] | None = None,
    stderr: int = PIPE,
) -> Process:
    """``python -m bench`` in a process of its own, whose manifests and downloads are in `datasets`."""
    program = (
        f"import pathlib, sys, bench.data.manifests as manifests, bench.data.transfer as transfer\n"
        f"manifests.DATASETS, transfer._BLOCK_BYTES = pathlib.Path({str(datasets)!r}), {BLOCK_BYTES}; {first}\n"
        "from bench.__main__ import main; sys.exit(main())"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEMORYBENCH_")}
    return Process(
        [sys.executable, "-c", program, *arguments],
        stdout=stdout or PIPE,
        stderr=stderr,
        cwd=ROOT,
        env=environment | ({"HF_ENDPOINT": hub.address} if hub else {}),
    )


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"not after half a minute: {what}"
        time.sleep(0.005)
