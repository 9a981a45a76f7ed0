"""What the adapter of Zep sends, beside what Zep's own SDK sends for the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from providers.hosted.zep import Zep, ZepSettings
from tests.providers.hosted.vendors.vendor_server import Recorded, serving_vendor
from tests.providers.hosted.vendors.wire import compare
from tests.providers.hosted.vendors.zep_server import ZepServer
from vocabulary import Message, Question, Session

zep_cloud = pytest.importorskip("zep_cloud", reason="the vendor's SDK is in the extra test: pip install -e '.[test]'")

Property = Callable[[str, object], None]
Sdk = Callable[[ZepServer], Any]
CONTAINER = "conv-26-a1b2c3-20261122-0101"
SESSION = Session(
    id="s1",
    date=datetime(2023, 5, 8, 13, 56),
    messages=(
        Message(id="m1", speaker="Caroline", role="user", text="I adopted a cat called Oliver."),
        Message(id="m2", speaker="Melanie", role="assistant", text="How lovely!", caption="a cat on a sofa"),
    ),
)


@pytest.fixture
def server() -> Iterator[ZepServer]:
    with serving_vendor(ZepServer()) as running:
        yield running


@pytest.fixture
def twin() -> Iterator[ZepServer]:
    """For the SDK: asked the same in the same order, it gives the same ids."""
    with serving_vendor(ZepServer()) as running:
        yield running


@pytest.fixture
def sdk() -> Iterator[Callable[[ZepServer], Any]]:  # Any: an SDK that is not there has no type
    """Clients that are closed in the end, which the SDK itself cannot do."""
    with ExitStack() as opened:

        def client(server: ZepServer) -> Any:
            connections = opened.enter_context(httpx.Client())
            return zep_cloud.Zep(base_url=server.url, api_key=server.key, max_retries=0, httpx_client=connections)

        yield client


def adapter(
    server: ZepServer, workspace: Path, calls: Callable[[Zep], Coroutine[Any, Any, object]], **more: Any
) -> None:
    async def run() -> None:
        provider = Zep(ZepSettings(**{"api_key": server.key, "base_url": server.url, **more}), workspace)
        try:
            await calls(provider)
        finally:
            await provider.close()

    asyncio.run(run())


def sdk_fill(client: Any) -> tuple[Any, Any]:
    """The user and what adding the session gave."""
    with pytest.raises(zep_cloud.NotFoundError):
        client.user.lookup(user_id=CONTAINER)
    user = client.user.create(user_id=CONTAINER)
    thread = client.thread.create(user_uuid=user.uuid_)
    added = client.thread.add_messages(
        thread.uuid_,
        messages=[
            zep_cloud.AddMessage(
                role=message.role,
                name=message.speaker,
                content=message.text + (f" [shared image: {message.caption}]" if message.caption else ""),
                reference_time="2023-05-08T13:56:00Z",
                metadata={"session_id": "s1", "message_id": message.id},
            )
            for message in SESSION.messages
        ],
    )
    return user, added


def of(server: ZepServer, method: str, ending: str) -> list[Recorded]:
    return [one for one in server.requests if one.method == method and one.path.endswith(ending)]


def test_check(sdk: Sdk, server: ZepServer, tmp_path: Path, record_property: Property) -> None:
    adapter(server, tmp_path, lambda provider: provider.check())
    mine = list(server.requests)
    sdk(server).project.get()
    compare(record_property, "zep check", mine, server.requests[len(mine) :])


def test_ingest(sdk: Sdk, server: ZepServer, twin: ZepServer, tmp_path: Path, record_property: Property) -> None:
    adapter(server, tmp_path, lambda provider: provider.ingest(CONTAINER, SESSION))
    sdk_fill(sdk(twin))
    for operation, ending in (
        ("find a user", "/users/lookup"),
        ("create a user", "/users"),
        ("create a thread", "/threads"),
        ("add messages", "/messages"),
    ):
        mine, theirs = of(server, "POST", ending), of(twin, "POST", ending)
        assert len(mine) == len(theirs) == 1
        compare(record_property, f"zep {operation}", mine, theirs)
    assert len(server.requests) == len(twin.requests)
    assert server.messages == {
        name: {**one, "received": server.messages[name]["received"]} for name, one in twin.messages.items()
    }


def test_both_send_the_key_and_idempotency_keys_in_the_same_headers(
    sdk: Sdk, server: ZepServer, twin: ZepServer, tmp_path: Path
) -> None:
    adapter(server, tmp_path, lambda provider: provider.ingest(CONTAINER, SESSION))
    sdk_fill(sdk(twin))
    for mine, theirs in zip(server.requests, twin.requests, strict=True):
        assert mine.headers["authorization"] == theirs.headers["authorization"]
        assert "idempotency-key" in theirs.headers
        # a look-up is no write: with a key that was used before, it might be answered as it was then
        assert ("idempotency-key" in mine.headers) == (not mine.path.endswith("/lookup"))


def test_task(sdk: Sdk, server: ZepServer, twin: ZepServer, tmp_path: Path, record_property: Property) -> None:
    async def calls(provider: Zep) -> None:
        await provider.ingest(CONTAINER, SESSION)
        await provider.await_indexing(CONTAINER)

    adapter(server, tmp_path, calls)
    client = sdk(twin)
    _, added = sdk_fill(client)
    for _look in of_tasks(server):
        client.task.get(added.task.uuid_)
    compare(record_property, "zep look at a task", of_tasks(server), of_tasks(twin))


def of_tasks(server: ZepServer) -> list[Recorded]:
    return [one for one in server.requests if "/tasks/" in one.path]


@pytest.mark.parametrize(
    ("scope", "settings"),
    [
        *((scope, {}) for scope in ("edges", "episodes", "nodes", "observations", "thread_summaries")),
        ("edges", {"reranker": "cross_encoder"}),
        ("edges", {"reranker": "mmr", "mmr_lambda": 0.5}),
        ("edges", {"expired_facts": "drop"}),
    ],
)
def test_search(
    sdk: Sdk,
    server: ZepServer,
    twin: ZepServer,
    tmp_path: Path,
    record_property: Property,
    settings: dict[str, Any],
    scope: str,
) -> None:
    question = Question(id="q", text="Which cat was adopted?")

    async def calls(provider: Zep) -> None:
        await provider.ingest(CONTAINER, SESSION)
        await provider.await_indexing(CONTAINER)
        await provider.search(CONTAINER, question, 7)

    adapter(server, tmp_path, calls, scopes=scope, **settings)
    client = sdk(twin)
    user, _ = sdk_fill(client)
    asked: dict[str, Any] = {"reranker": "rrf", **settings}
    if asked.pop("expired_facts", None) and scope == "edges":
        ends = [zep_cloud.DateFilter(field=end, operator="is_null") for end in ("invalid_at", "expired_at")]
        filters = zep_cloud.DateFilters(any_of=[zep_cloud.DateFilterGroup(all_of=ends)])
        asked["filters"] = zep_cloud.EdgeSearchFilters(date_filters=filters)
    search = getattr(client.graph, f"search_{scope}")
    search(user.uuid_, query=question.text, page_size=7, **asked)
    ending = f"/search/{scope.replace('_', '-')}"
    compare(
        record_property,
        f"zep search {scope}, {'-'.join(map(str, settings.values())) or 'rrf'}",
        of(server, "POST", ending),
        of(twin, "POST", ending),
    )


def test_the_sdk_reads_the_fields_that_the_adapter_reads(sdk: Sdk, server: ZepServer) -> None:
    """The server's names are those of the SDK: what it does not know lands in its extras, and none does."""
    server.ready_after = 0.0
    client = sdk(server)
    user, _ = sdk_fill(client)
    (fact,) = client.graph.search_edges(user.uuid_, query="adopted", page_size=1).items
    assert fact.fact == "Caroline: I adopted a cat called Oliver."
    assert fact.valid_at == "2023-05-08T13:56:00Z"
    episode = client.graph.episode.get(user.uuid_, fact.episode_uuids[0])
    assert episode.metadata == {"session_id": "s1", "message_id": "m1"}
    for read in (fact, episode, client.task.get(next(iter(server.tasks)))):
        assert not read.model_extra


def test_episode(sdk: Sdk, server: ZepServer, twin: ZepServer, tmp_path: Path, record_property: Property) -> None:
    async def fill(provider: Zep) -> None:
        await provider.ingest(CONTAINER, SESSION)
        await provider.await_indexing(CONTAINER)

    adapter(server, tmp_path / "here", fill)
    question = Question(id="q", text="adopted")
    adapter(server, tmp_path / "elsewhere", lambda provider: provider.search(CONTAINER, question, 1))
    client = sdk(twin)
    user, added = sdk_fill(client)
    client.graph.episode.get(user.uuid_, added.messages[0].uuid_)
    mine, theirs = ([one for one in each.requests if "/episodes/" in one.path] for each in (server, twin))
    compare(record_property, "zep look at an episode", mine, theirs)


def test_delete(sdk: Sdk, server: ZepServer, twin: ZepServer, tmp_path: Path, record_property: Property) -> None:
    async def calls(provider: Zep) -> None:
        await provider.ingest(CONTAINER, SESSION)
        await provider.clear(CONTAINER)

    adapter(server, tmp_path, calls)
    client = sdk(twin)
    user, _ = sdk_fill(client)
    task = client.user.delete(user.uuid_).task
    assert task.status == "pending"
    mine, theirs = ([one for one in each.requests if one.method == "DELETE"] for each in (server, twin))
    compare(record_property, "zep delete a user", mine, theirs)


def test_the_sdk_calls_a_refusal_what_the_adapter_calls_it(sdk: Sdk, server: ZepServer) -> None:
    server.per_minute = 1
    client = sdk(server)
    client.project.get()
    with pytest.raises(zep_cloud.core.api_error.ApiError) as caught:
        client.project.get()
    assert caught.value.status_code == 429
    assert int(caught.value.headers["retry-after"]) > 0
