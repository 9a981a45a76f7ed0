"""What the adapter sends, and what mem0's own SDK sends for the same, to the same server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from providers.hosted.mem0 import Mem0
from providers.hosted.mem0_wire import Mem0Settings, part_id
from tests.providers.hosted.vendors.mem0_server import Mem0Server
from tests.providers.hosted.vendors.vendor_server import Recorded, serving_vendor
from tests.providers.hosted.vendors.wire import compare
from vocabulary import Message, Question, Session

KEY = "m0-a-key"
CONTAINER = "conv-26-a1b2c3-20261122-0101"
SECONDS = 1683554160  # 2023-05-08T13:56:00Z
SESSION = Session(
    id="s1",
    date=datetime(2023, 5, 8, 13, 56),
    messages=(
        Message(id="m1", speaker="Ann", role="user", text="My kayak is called Heron."),
        Message(id="m2", speaker="Bob", role="assistant", text="I moved to Lisbon."),
    ),
)
MESSAGES = [
    {"role": "user", "content": "Ann: My kayak is called Heron."},
    {"role": "user", "content": "Bob: I moved to Lisbon."},
]
METADATA = {"session_id": "s1", "part": part_id(CONTAINER, "s1", 0), "dated": True}
Record = Callable[[str, object], None]


@pytest.fixture
def server() -> Iterator[Mem0Server]:
    with serving_vendor(Mem0Server(key=KEY, ready_after=0.0, delete_after=0.0)) as running:
        yield running


@pytest.fixture
def sdk(server: Mem0Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Their client; it has asked for a ping when it is made."""
    monkeypatch.setenv("MEM0_TELEMETRY", "False")  # before the import: it would tell who runs it to others
    monkeypatch.setenv("MEM0_DIR", str(tmp_path))
    from mem0 import MemoryClient

    with httpx.Client() as client:
        yield MemoryClient(api_key=KEY, host=server.url, client=client)


def sent(server: Mem0Server, tmp_path: Path, work: Callable[[Mem0], Awaitable[object]], path: str) -> list[Recorded]:
    """What the adapter sends to `path` while it does `work`."""

    async def whole() -> None:
        settings = Mem0Settings.model_validate({"api_key": KEY, "base_url": server.url, "settle": 0})
        memory = Mem0(settings, tmp_path)
        try:
            await work(memory)
        finally:
            await memory.close()

    before = len(server.requests)
    asyncio.run(whole())
    return [one for one in server.requests[before:] if one.path == path]


def last(server: Mem0Server, path: str) -> list[Recorded]:
    return [one for one in server.requests if one.path == path][-1:]


def test_add(server: Mem0Server, sdk: Any, tmp_path: Path, record_property: Record) -> None:
    mine = sent(server, tmp_path, lambda memory: memory.ingest(CONTAINER, SESSION), "/v3/memories/add/")
    sdk.add(MESSAGES, user_id=CONTAINER, metadata=METADATA, infer=True, timestamp=SECONDS)
    compare(record_property, "mem0 add", mine, last(server, "/v3/memories/add/"))


def test_search(server: Mem0Server, sdk: Any, tmp_path: Path, record_property: Record) -> None:
    asked = Question(id="q", text="Which kayak?", date=SESSION.date)
    mine = sent(server, tmp_path, lambda memory: memory.search(CONTAINER, asked, 7), "/v3/memories/search/")
    filters = {"user_id": CONTAINER}
    sdk.search("Which kayak?", filters=filters, top_k=7, threshold=0.1, rerank=False, reference_date=SECONDS)
    compare(record_property, "mem0 search", mine, last(server, "/v3/memories/search/"))


def test_list(server: Mem0Server, sdk: Any, tmp_path: Path, record_property: Record) -> None:
    mine = sent(server, tmp_path, lambda memory: memory.ingest(CONTAINER, SESSION), "/v3/memories/")
    sdk.get_all(filters={"user_id": CONTAINER}, page=1, page_size=200)
    compare(record_property, "mem0 list", mine, last(server, "/v3/memories/"))


def test_delete(server: Mem0Server, sdk: Any, tmp_path: Path, record_property: Record) -> None:
    async def work(memory: Mem0) -> None:
        await memory.ingest(CONTAINER, SESSION)
        await memory.clear(CONTAINER)

    path = f"/v2/entities/user/{CONTAINER}/"
    mine = sent(server, tmp_path, work, path)
    sdk.delete_users(user_id=CONTAINER)
    compare(record_property, "mem0 delete", mine, last(server, path))


def test_ping(server: Mem0Server, sdk: Any, tmp_path: Path, record_property: Record) -> None:
    assert sdk.user_email
    theirs = last(server, "/v1/ping/")
    compare(record_property, "mem0 check", sent(server, tmp_path, lambda memory: memory.check(), "/v1/ping/"), theirs)


def test_event(server: Mem0Server, sdk: Any, tmp_path: Path, record_property: Record) -> None:
    async def work(memory: Mem0) -> None:
        await memory.ingest(CONTAINER, SESSION)
        await memory.await_indexing(CONTAINER)

    begun = len(server.requests)
    sent(server, tmp_path, work, "")
    mine = [one for one in server.requests[begun:] if one.path.startswith("/v1/event/")]
    sdk.client.get(mine[0].path)  # the SDK has no method for it, and lends its client
    compare(record_property, "mem0 event", mine[:1], last(server, mine[0].path))
