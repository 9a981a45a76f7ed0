"""The adapter of Zep, over HTTP, against a server that speaks the vendor's protocol: ingest, readiness, removal."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from providers import find_provider
from providers.hosted.zep import Zep, ZepSettings
from tests.providers.hosted.vendors.vendor_server import FAULTS, serving_vendor
from tests.providers.hosted.vendors.zep_server import ZepServer
from tests.providers.hosted.vendors.zep_talk import (
    CONTAINER,
    FIRST,
    MAY,
    SECOND,
    ask,
    detail,
    filled,
    once,
    opened,
    said,
)
from vocabulary import ConfigurationError, IndexingTimeoutError, ProviderError, SearchResult, Session


def test_found_by_name() -> None:
    assert find_provider("zep") is Zep
    assert Zep.api == "REST v4"


def test_the_whole_way(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> tuple[SearchResult, ...]:
        async with opened(server, tmp_path) as provider:
            await provider.check()
            assert await provider.search(CONTAINER, ask("cat"), 5) == ()
            await filled(provider, FIRST, SECOND)
        async with opened(server, tmp_path) as another:  # as another worker searches
            found = tuple(await another.search(CONTAINER, ask("Who adopted Oliver?"), 5))
            assert await another.search("conv-30-unknown", ask("cat"), 5) == ()
            return found

    with serving_vendor(ZepServer(ready_after=0.3)) as server:
        (result,) = asyncio.run(way(server))
        assert server.rank(CONTAINER, "Who adopted Oliver?", 5) == ["m1"]
    assert result.text == "Caroline: I adopted a cat called Oliver."
    assert (result.session_ids, result.message_ids) == (("s1",), ("m1",))
    assert result.timestamp == MAY
    assert result.score is not None
    assert result.score > 0
    assert isinstance(result.raw, dict)
    assert result.raw["scope"] == "edges"
    assert {"pending", "processing", "succeeded"} == set(server.statuses)
    # the other worker took the user and the messages' ids from the workspace: one request, and no episode asked for
    assert server.counted("POST", "/api/v4/users/lookup") == 3
    assert server.counted("GET", "/api/v4/graphs") == 0


def test_dates_speakers_and_captions_arrive_in_their_fields(tmp_path: Path) -> None:
    undated = Session(id="s3", date=None, messages=(said(9, "Caroline", "Dolphins are clever."),))

    async def way(server: ZepServer) -> tuple[SearchResult, ...]:
        async with opened(server, tmp_path, scopes="edges,episodes") as provider:
            await filled(provider, FIRST, undated)
            return tuple(await provider.search(CONTAINER, ask("dolphins"), 2))

    with serving_vendor(ZepServer()) as server:
        found = asyncio.run(way(server))
    first, third = (one.body["messages"] for one in server.requests if one.path.endswith("/messages"))
    assert first == [
        {
            "role": "user",
            "name": "Caroline",
            "content": "I adopted a cat called Oliver.",
            "reference_time": "2023-05-08T13:56:00Z",
            "metadata": {"session_id": "s1", "message_id": "m1"},
        },
        {
            "role": "assistant",
            "name": "Melanie",
            "content": "Look at this pottery! [shared image: a blue bowl on a table]",
            "reference_time": "2023-05-08T13:56:00Z",
            "metadata": {"session_id": "s1", "message_id": "m2"},
        },
    ]
    assert "reference_time" not in third[0]
    # the service puts the day of the ingest for it: that is no date of what was said
    assert [(one.message_ids, one.timestamp) for one in found] == [(("m9",), None)] * 2


def test_long_messages_are_sent_in_parts_with_speaker_and_ids_and_long_sessions_in_several_requests(
    tmp_path: Path,
) -> None:
    words = " ".join(f"word{number}" for number in range(12_000))  # more than 100,000 characters
    many = tuple(said(number, "Melanie", f"Sentence {number}.") for number in range(2, 72))
    session = Session(id="s1", date=MAY, messages=(said(1, "Caroline", words), *many))

    async def way(server: ZepServer) -> tuple[SearchResult, ...]:
        async with opened(server, tmp_path) as provider:
            await filled(provider, session)
            return tuple(await provider.search(CONTAINER, ask("word11999"), 3))

    with serving_vendor(ZepServer()) as server:
        (result,) = asyncio.run(way(server))
        kept = server.messages_stored(CONTAINER)
    parts = [content for name, content in kept if name == "m1"]
    assert " ".join(parts) == words
    assert len(parts) > 20
    assert [name for name, _ in kept if name != "m1"] == [message.id for message in many]
    sent = [one.body["messages"] for one in server.requests if one.path.endswith("/messages")]
    assert {len(messages) for messages in sent[:-1]} == {30}
    assert all(one["name"] in ("Caroline", "Melanie") for messages in sent for one in messages)
    assert result.message_ids == ("m1",)
    assert server.sessions_stored(CONTAINER) == 1


def test_a_session_of_which_nothing_was_said_is_no_request(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path) as provider:
            await filled(provider, Session(id="s1", date=MAY, messages=(said(1, "Caroline", ""),)))

    with serving_vendor(ZepServer()) as server:
        asyncio.run(way(server))
    assert server.requests == []


def test_a_text_without_a_space_is_cut_where_it_must_be(tmp_path: Path) -> None:
    text = "ä🙂" * 5000

    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path) as provider:
            await filled(provider, Session(id="s1", date=MAY, messages=(said(1, "Caroline", text),)))

    with serving_vendor(ZepServer()) as server:
        asyncio.run(way(server))
        assert "".join(content for _, content in server.messages_stored(CONTAINER)) == text


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path_end", ["/users/lookup", "/users", "/threads", "/messages"])
def test_a_lost_answer_stores_nothing_twice(tmp_path: Path, fault: str, path_end: str) -> None:
    async def way(server: ZepServer) -> tuple[SearchResult, ...]:
        async with opened(server, tmp_path) as provider:
            for session in (FIRST, SECOND):
                await detail(partial(provider.ingest, CONTAINER, session))
            await provider.await_indexing(CONTAINER)
            return tuple(await provider.search(CONTAINER, ask("cat camping"), 5))

    with serving_vendor(ZepServer(fault=once(fault, "POST", path_end))) as server:
        found = asyncio.run(way(server))
        assert server.faults == {fault: 1}
        assert (server.sessions_stored(CONTAINER), server.stored, len(server.users)) == (2, 3, 1)
        assert sorted(result.message_ids for result in found) == [("m1",), ("m4",)]


def test_a_session_that_is_ingested_again_by_another_process_is_there_once(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        for workspace in (tmp_path / "one", tmp_path / "other"):
            async with opened(server, workspace) as provider:
                await filled(provider, FIRST)

    with serving_vendor(ZepServer()) as server:
        asyncio.run(way(server))
        assert (server.sessions_stored(CONTAINER), server.stored) == (1, 2)
    keys = [one.headers["idempotency-key"] for one in server.requests if one.path.endswith("/messages")]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert all(
        UUID(one.headers["idempotency-key"])
        for one in server.requests
        if one.method != "GET" and not one.path.endswith("/lookup")
    )


def test_it_is_not_ready_before_the_vendor_says_so_and_never_if_it_never_does(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path, indexing_timeout=3) as provider:
            await provider.ingest(CONTAINER, FIRST)
            await provider.ingest(CONTAINER, SECOND)
            with pytest.raises(IndexingTimeoutError) as caught:
                await provider.await_indexing(CONTAINER)
            assert f"container {CONTAINER} was not ready after " in str(caught.value)
            assert "2 of 2 tasks outstanding: session s2 (task " in str(caught.value)
            assert "processing (extracting)" in str(caught.value)
            server.ready_after = 0.0
            await provider.await_indexing(CONTAINER)
            asked = server.counted("GET", "/api/v4/tasks/")
            await provider.await_indexing(CONTAINER)
            assert server.counted("GET", "/api/v4/tasks/") == asked  # what has succeeded is not asked for again

    with serving_vendor(ZepServer(ready_after=None)) as server:
        asyncio.run(way(server))
    assert Zep.limits.indexing_timeout == 3600


@pytest.mark.parametrize("status", ["failed", "partial"])
def test_a_task_that_failed_is_an_error_with_the_session(tmp_path: Path, status: str) -> None:
    def outcome(messages: list[dict[str, Any]]) -> str:
        return status if messages[0]["metadata"]["session_id"] == "s1" else "succeeded"

    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path) as provider:
            await provider.ingest(CONTAINER, FIRST)
            await provider.ingest(CONTAINER, SECOND)
            with pytest.raises(ProviderError, match=f"session s1 .task [-0-9a-f]+. {status}: the model gave") as caught:
                await provider.await_indexing(CONTAINER)
            assert not caught.value.transient
            assert "s2" not in str(caught.value)

    with serving_vendor(ZepServer(outcome=outcome)) as server:
        asyncio.run(way(server))


def test_clear_removes_waits_and_leaves_nothing_of_before_to_come_back(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path) as provider:
            await provider.clear(CONTAINER)  # none there
            await filled(provider, FIRST, SECOND)
            await filled(provider, FIRST, container="other")
            await provider.clear(CONTAINER)
            assert server.containers() == ["other"]
            assert await provider.search(CONTAINER, ask("cat"), 5) == ()
            # begun anew under the same name, with the same session: its old answers must not be replayed
            await filled(provider, FIRST)
            assert (server.sessions_stored(CONTAINER), server.stored) == (1, 4)
            assert len(await provider.search(CONTAINER, ask("cat"), 5)) == 1

    with serving_vendor(ZepServer(ready_after=0.3)) as server:
        asyncio.run(way(server))


@pytest.mark.parametrize("fault", FAULTS)
def test_clear_is_made_again(tmp_path: Path, fault: str) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path) as provider:
            await filled(provider, FIRST)
            server.fault = lambda request: fault if request.method == "DELETE" and not server.faults else None
            await detail(lambda: provider.clear(CONTAINER))
            assert server.containers() == []

    with serving_vendor(ZepServer()) as server:
        asyncio.run(way(server))
        assert server.faults == {fault: 1}


def test_clear_has_an_end(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path, indexing_timeout=3) as provider:
            await filled(provider, FIRST)
            server.ready_after = None
            with pytest.raises(ProviderError, match=f"container {CONTAINER} was not gone after "):
                await provider.clear(CONTAINER)

    with serving_vendor(ZepServer(ready_after=0.0)) as server:
        asyncio.run(way(server))


def test_a_removal_that_failed_is_an_error_and_can_be_made_again(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path) as provider:
            await filled(provider, FIRST)
            with pytest.raises(ProviderError, match=f"container {CONTAINER} .* was not removed: failed"):
                await provider.clear(CONTAINER)
            server.removal = "succeeded"
            await provider.clear(CONTAINER)
            assert server.containers() == []

    with serving_vendor(ZepServer(removal="failed")) as server:
        asyncio.run(way(server))


def test_an_unknown_key_fails_at_the_start_and_is_told_nowhere(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path, api_key="zep-secret-key-1234") as provider:
            calls = (provider.check, lambda: provider.ingest(CONTAINER, FIRST), lambda: provider.clear(CONTAINER))
            for call in calls:
                with pytest.raises(ProviderError, match="answered 401") as caught:
                    await call()
                assert "secret" not in str(caught.value)
                assert not caught.value.transient
            assert "secret" not in repr(provider.settings)
            assert "api_key" not in provider.settings.model_dump()

    with serving_vendor(ZepServer()) as server:
        asyncio.run(way(server))
        assert server.stored == 0


def test_a_used_up_limit_is_told_and_waited_for(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        held: list[float] = []
        async with opened(server, tmp_path) as provider:
            provider.hold = held.append
            await provider.check()
            await provider.check()
            assert held
            assert 0 < held[0] <= 61
            with pytest.raises(ProviderError, match="takes no calls") as caught:
                await provider.check()
            assert caught.value.transient
            assert caught.value.retry_after is not None
        assert len(server.requests) == 2
        async with opened(server, tmp_path) as another:  # who does not know it is refused by the service
            with pytest.raises(ProviderError, match="answered 429") as refused:
                await another.check()
            assert refused.value.retry_after is not None
            assert refused.value.retry_after > 30

    with serving_vendor(ZepServer(per_minute=2)) as server:
        asyncio.run(way(server))


def test_settings_come_from_the_environment_and_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEP_API_KEY", "from-the-environment")
    monkeypatch.setenv("ZEP_SCOPES", "edges, nodes")
    settings = ZepSettings()
    assert settings.scopes == ("edges", "nodes")
    assert settings.base_url == "https://api.getzep.com/api/v4"
    for wrong in ({"scopes": "edges,facts"}, {"scopes": ""}, {"message_characters": 5000}, {"messages_per_request": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ZepSettings(**wrong)
    with pytest.raises(ConfigurationError, match="mmr_lambda and reranker=mmr need each other"):
        ZepSettings(reranker="mmr")
    with pytest.raises(ConfigurationError, match="names one twice"):
        ZepSettings(scopes=("edges", "edges"))
