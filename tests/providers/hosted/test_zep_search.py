"""What the adapter of Zep finds, over HTTP, against a server that speaks the vendor's protocol."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.providers.hosted.vendors.vendor_server import serving_vendor
from tests.providers.hosted.vendors.zep_server import ZepServer
from tests.providers.hosted.vendors.zep_talk import CONTAINER, FIRST, MAY, SECOND, ask, filled, opened, said
from vocabulary import ProviderError, SearchResult, Session


@pytest.mark.parametrize(
    ("path_end", "instead"),
    [
        ("/users/lookup", "{}"),
        ("/threads", '{"uuid": 7}'),
        ("/messages", '{"messages": []}'),
        ("/messages", "not json"),
        ("/search/edges", '{"items": [{"fact": "no uuid"}]}'),
        ("/search/edges", '{"items": [{"uuid": "u", "valid_at": "yesterday"}]}'),
        ("/search/edges", "[1, 2]"),
        ("/tasks", '{"uuid": "u"}'),
    ],
)
def test_a_malformed_answer_is_one_line(tmp_path: Path, path_end: str, instead: str) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path) as provider:

            async def all_of_it() -> None:
                await filled(provider, FIRST)
                await provider.search(CONTAINER, ask("cat"), 5)

            with pytest.raises(ProviderError) as caught:
                await all_of_it()
            assert path_end in str(caught.value)
            assert "\n" not in str(caught.value)
            assert "something else than it should" in str(caught.value)

    with serving_vendor(ZepServer(garble=lambda _method, path: instead if path_end in path else None)) as server:
        asyncio.run(way(server))


@pytest.mark.parametrize("top_k", [0, 1, 7, 50, 60, 500])
def test_top_k_is_obeyed_over_pages_and_scopes(tmp_path: Path, top_k: int) -> None:
    messages = tuple(said(number, "Caroline", f"A cat, the {number}th.") for number in range(70))

    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path) as provider:
            await filled(provider, Session(id="s1", date=MAY, messages=messages))
            found = await provider.search(CONTAINER, ask("cat"), top_k)
            assert [result.message_ids[0] for result in found] == server.rank(CONTAINER, "cat", top_k)
            assert len(found) == min(top_k, 70)
        async with opened(server, tmp_path, scopes="episodes,edges,thread_summaries,nodes,observations") as provider:
            found = await provider.search(CONTAINER, ask("cat"), top_k)
            assert len(found) == min(top_k, 5 * 70)

    with serving_vendor(ZepServer()) as server:
        asyncio.run(way(server))


def test_scopes_are_asked_at_once_and_merged_by_rank(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> tuple[SearchResult, ...]:
        async with opened(server, tmp_path) as provider:
            await filled(provider, FIRST, SECOND)
        scopes = "episodes,edges,thread_summaries,nodes,observations"
        async with opened(server, tmp_path, scopes=scopes, reranker="cross_encoder") as provider:
            return tuple(await provider.search(CONTAINER, ask("cat or camping?"), 7))

    with serving_vendor(ZepServer()) as server:
        found = asyncio.run(way(server))
        best, second = server.rank(CONTAINER, "cat or camping?", 7)
    session = {"m1": "s1", "m4": "s2"}
    # an entity is no evidence of all the messages that mention it; a thread's summary is one of its session
    wanted = [
        *[("episodes", best), ("edges", best), ("thread_summaries", None), ("nodes", None), ("observations", best)],
        *[("episodes", second), ("edges", second)],
    ]
    assert [(result.raw["scope"], *result.message_ids) for result in found] == [  # type: ignore[index,call-overload]  # JSON
        (scope, message) if message else (scope,) for scope, message in wanted
    ]
    assert found[2].session_ids == (session[best],)
    assert found[0].text == found[1].text
    asked = [one for one in server.requests if "/search/" in one.path]
    assert {one.body["reranker"] for one in asked} == {"cross_encoder"}
    assert len(asked) == 5


def test_facts_that_ended_are_told_so_or_left_out(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path) as provider:
            await filled(provider, FIRST)
            (marked,) = await provider.search(CONTAINER, ask("cat"), 5)
            assert marked.text == "Caroline: I adopted a cat called Oliver. (no longer true since 2023-07-04)"
            assert marked.timestamp == MAY
        async with opened(server, tmp_path, expired_facts="drop") as provider:
            assert await provider.search(CONTAINER, ask("cat"), 5) == ()

    with serving_vendor(ZepServer(expired={"m1": "2023-07-04T00:00:00Z"})) as server:
        asyncio.run(way(server))


def test_what_the_workspace_does_not_know_is_asked_of_the_service_once(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path / "here") as provider:
            await filled(provider, FIRST, SECOND)
        async with opened(server, tmp_path / "another machine") as provider:
            for _time in range(3):
                (result,) = await provider.search(CONTAINER, ask("cat"), 5)
                assert (result.session_ids, result.message_ids, result.timestamp) == (("s1",), ("m1",), MAY)
        assert server.counted("GET", "/api/v4/graphs") == 1

    with serving_vendor(ZepServer(tells_messages=False)) as server:
        asyncio.run(way(server))


def test_a_container_that_was_begun_anew_elsewhere_is_found_and_one_that_vanished_is_an_error(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path / "here") as here, opened(server, tmp_path / "there") as there:
            await filled(here, FIRST)
            await there.clear(CONTAINER)
            with pytest.raises(ProviderError, match="answered 404"):
                await here.search(CONTAINER, ask("cat"), 5)
            await filled(there, FIRST)
            (result,) = await here.search(CONTAINER, ask("cat"), 5)
            assert result.message_ids == ("m1",)

    with serving_vendor(ZepServer()) as server:
        asyncio.run(way(server))


def test_containers_do_not_mix_and_eight_workspaces_users_write_at_once(tmp_path: Path) -> None:
    async def one(server: ZepServer, number: int) -> None:
        container = f"conv-{number}"
        session = Session(id=f"s{number}", date=MAY, messages=(said(number, "Caroline", f"My number is {number}."),))
        async with opened(server, tmp_path) as provider:
            await filled(provider, session, container=container)
            found = await provider.search(container, ask("number"), 5)
            assert [result.message_ids for result in found] == [(f"m{number}",)]

    async def way(server: ZepServer) -> None:
        await asyncio.gather(*(one(server, number) for number in range(8)))

    with serving_vendor(ZepServer()) as server:
        asyncio.run(way(server))
        assert len(server.users) == 8


def test_a_long_question_is_cut_to_what_the_vendor_takes(tmp_path: Path) -> None:
    async def way(server: ZepServer) -> None:
        async with opened(server, tmp_path) as provider:
            await filled(provider, FIRST)
            assert len(await provider.search(CONTAINER, ask("cat " + "so " * 300), 5)) == 1

    with serving_vendor(ZepServer()) as server:
        asyncio.run(way(server))
