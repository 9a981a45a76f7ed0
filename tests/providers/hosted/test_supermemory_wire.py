"""What the Supermemory adapter sends and what the vendor's own SDK sends, against the same server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from providers.hosted.supermemory import Supermemory, SupermemorySettings
from providers.hosted.supermemory_wire import document_id
from tests.providers.hosted.vendors.supermemory_server import SupermemoryServer
from tests.providers.hosted.vendors.vendor_server import Recorded, serving_vendor
from tests.providers.hosted.vendors.wire import compare
from vocabulary import Message, ProviderError, Question, Session

if TYPE_CHECKING:
    import supermemory

KEY = "sm-0123456789abcdef"
SPACE = "conv-26-a1b2c3-20261122-0101"
WHEN = "2023-05-08T13:56:00Z"
SESSION = Session(
    id="s1",
    date=datetime(2023, 5, 8, 13, 56),
    messages=(Message(id="m1", speaker="Caroline", role="user", text="I play the violin. 🎻"),),
)


@pytest.fixture
def server() -> Iterator[SupermemoryServer]:
    with serving_vendor(SupermemoryServer(key=KEY, ready_after=0.0)) as running:
        yield running


@pytest.fixture
def both(server: SupermemoryServer, tmp_path: Path) -> Callable[..., tuple[list[Recorded], list[Recorded]]]:
    """What the adapter sends for one thing, and what the SDK sends for another; before each, what must be there."""

    def run(
        adapter: Callable[[Supermemory], Awaitable[object]],
        sdk: Callable[[supermemory.Supermemory], object],
        before: Callable[[], None] = lambda: None,
    ) -> tuple[list[Recorded], list[Recorded]]:
        import supermemory

        before()
        begun = len(server.requests)

        async def whole() -> None:
            memory = Supermemory(SupermemorySettings.model_validate({"api_key": KEY, "base_url": server.url}), tmp_path)
            try:
                await adapter(memory)
            finally:
                await memory.close()

        asyncio.run(whole())
        ours = server.requests[begun:]
        for name in list(server.spaces):
            server.drop(name)
        before()
        begun = len(server.requests)
        with supermemory.Supermemory(api_key=KEY, base_url=server.url, max_retries=0) as client:
            sdk(client)
        return ours, server.requests[begun:]

    return run


def filled(server: SupermemoryServer, tmp_path: Path) -> Callable[[], None]:
    """Stores a session, by an adapter that is not compared."""

    def fill() -> None:
        async def whole() -> None:
            memory = Supermemory(SupermemorySettings.model_validate({"api_key": KEY, "base_url": server.url}), tmp_path)
            try:
                await memory.ingest(SPACE, SESSION)
            finally:
                await memory.close()

        asyncio.run(whole())

    return fill


def documents(server: SupermemoryServer) -> int:
    return sum(len(space.documents) for space in server.spaces.values())


def test_add(
    both: Callable[..., tuple[list[Recorded], list[Recorded]]], record_property: Callable[[str, object], None]
) -> None:
    ours, theirs = both(
        lambda memory: memory.ingest(SPACE, SESSION),
        lambda client: client.add(
            SPACE,
            content="Caroline: I play the violin. 🎻",
            id=document_id(SPACE, "s1"),
            metadata={"session_id": "s1", "session_date": WHEN},
            date=WHEN,
            task_type="memory",
            dreaming="dynamic",
        ),
    )
    assert [one.path for one in ours] == [f"/ns/{SPACE}/list/documents", f"/ns/{SPACE}/document"]
    compare(record_property, "supermemory add", ours[1:], theirs)
    assert ours[1].headers["authorization"] == theirs[0].headers["authorization"]


def test_list_documents(
    both: Callable[..., tuple[list[Recorded], list[Recorded]]],
    record_property: Callable[[str, object], None],
    server: SupermemoryServer,
    tmp_path: Path,
) -> None:
    seen: list[tuple[str, str | None]] = []

    def listed(client: supermemory.Supermemory) -> None:
        page = client.list(SPACE, "documents", page=1, limit=100, sort="createdAt", order="asc")
        seen.extend((one.system.status, one.system.dreaming_status) for one in page.documents)

    ours, theirs = both(lambda memory: memory.await_indexing(SPACE), listed, filled(server, tmp_path))
    compare(record_property, "supermemory wait", ours, theirs)
    assert seen == [("done", "done")]


def test_get_document(
    both: Callable[..., tuple[list[Recorded], list[Recorded]]],
    record_property: Callable[[str, object], None],
    server: SupermemoryServer,
    tmp_path: Path,
) -> None:
    seen: list[tuple[str, str | None]] = []

    async def lost_and_again(memory: Supermemory) -> None:
        left = ["cut-after"]
        server.fault = lambda request: left.pop() if left and request.path.endswith("/document") else None
        with pytest.raises(ProviderError):
            await memory.ingest(SPACE, SESSION)
        await memory.ingest(SPACE, SESSION)

    def get(client: supermemory.Supermemory) -> None:
        filled(server, tmp_path)()
        document = client.documents.get(SPACE, document_id(SPACE, "s1"))
        seen.append((document.system.status, document.system.dreaming_status))

    ours, theirs = both(lost_and_again, get)
    compare(record_property, "supermemory look before sending again", ours[-1:], theirs[-1:])
    assert [(one.method, one.path.rpartition("/")[2][:8]) for one in ours[-2:]] == [
        ("POST", "document"),
        ("GET", document_id(SPACE, "s1")[:8]),
    ]
    assert seen == [("done", "done")]
    assert documents(server) == 1


def test_search(
    both: Callable[..., tuple[list[Recorded], list[Recorded]]],
    record_property: Callable[[str, object], None],
    server: SupermemoryServer,
    tmp_path: Path,
) -> None:
    asked = Question(id="q1", text="Who plays the violin?", date=datetime(2023, 6, 1))
    seen: list[str | None] = []

    def search(client: supermemory.Supermemory) -> None:
        reply = client.search(
            SPACE,
            query=asked.text,
            search_mode="hybrid",
            limit=10,
            rerank="none",
            rewrite_query=False,
            include={"documents": True},
        )
        for one in reply.results:
            assert one.included is not None
            assert one.included.document is not None
            assert one.included.document.metadata["session_id"] == "s1"
            seen.append(one.memory or one.chunk)

    ours, theirs = both(lambda memory: memory.search(SPACE, asked, 10), search, filled(server, tmp_path))
    compare(record_property, "supermemory search", ours, theirs)
    assert sorted(map(str, seen)) == [
        "Caroline mentioned that I play the violin. 🎻",
        "Caroline: I play the violin. 🎻",
    ]


def test_delete(
    both: Callable[..., tuple[list[Recorded], list[Recorded]]],
    record_property: Callable[[str, object], None],
    server: SupermemoryServer,
    tmp_path: Path,
) -> None:
    ours, theirs = both(
        lambda memory: memory.clear(SPACE),
        lambda client: client.namespaces.delete(SPACE),
        filled(server, tmp_path),
    )
    compare(
        record_property,
        "supermemory clear",
        ours,
        theirs,
        reasons={"requests": "the adapter looks whether documents and memories are gone, and waits until they are"},
    )


def test_check(
    both: Callable[..., tuple[list[Recorded], list[Recorded]]], record_property: Callable[[str, object], None]
) -> None:
    ours, theirs = both(lambda memory: memory.check(), lambda client: client.namespaces.list(limit=1))
    compare(record_property, "supermemory check", ours, theirs)


def test_the_base_address_is_the_sdks() -> None:
    from supermemory.environment import SupermemoryEnvironment

    assert SupermemorySettings.model_validate({"api_key": KEY}).base_url == SupermemoryEnvironment.DEFAULT.value


def test_the_statuses_that_are_waited_for_are_the_sdks() -> None:
    """Another status in a later SDK has to be looked at: what is neither "done" nor "failed" is waited for."""
    from typing import get_args

    from supermemory.types.document_system_dreaming_status import DocumentSystemDreamingStatus
    from supermemory.types.document_system_status import DocumentSystemStatus

    assert get_args(get_args(DocumentSystemDreamingStatus)[0]) == ("dreaming", "done")
    known = ("unknown", "queued", "extracting", "chunking", "embedding", "indexing", "done", "failed")
    assert get_args(get_args(DocumentSystemStatus)[0]) == known
