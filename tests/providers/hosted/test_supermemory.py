"""The Supermemory adapter against a server on loopback that speaks the v5 interface with state."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from providers.hosted.supermemory import Supermemory, SupermemorySettings
from providers.hosted.supermemory_wire import document_id, namespace_of
from tests.providers.hosted.vendors.supermemory_server import SupermemoryServer
from tests.providers.hosted.vendors.vendor_server import FAULTS, Recorded, serving_vendor
from vocabulary import ConfigurationError, IndexingTimeoutError, Message, ProviderError, Question, SearchResult, Session

KEY = "sm-0123456789abcdef"
CONTAINER = "conv-26-a1b2c3-20261122-0101"
DATE = datetime(2023, 5, 8, 13, 56)
T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[SupermemoryServer]:
    with serving_vendor(SupermemoryServer(key=KEY)) as running:
        yield running


@pytest.fixture
def use(server: SupermemoryServer, tmp_path: Path) -> Callable[..., Any]:
    """Runs a coroutine function with an adapter of the server, which it opens and closes."""

    def run(work: Callable[[Supermemory], Awaitable[T]], **settings: object) -> T:
        async def whole() -> T:
            given = {"api_key": KEY, "base_url": server.url, "indexing_timeout": 20.0, **settings}
            memory = Supermemory(SupermemorySettings.model_validate(given), tmp_path)
            try:
                return await work(memory)
            finally:
                await memory.close()

        return asyncio.run(whole())

    return run


def session(name: str, *texts: str, date: datetime | None = DATE) -> Session:
    speakers = ("Caroline", "Melanie")
    messages = [
        Message(id=f"{name}:{place}", speaker=speakers[place % 2], role=("user", "assistant")[place % 2], text=text)
        for place, text in enumerate(texts)
    ]
    return Session(id=name, date=date, messages=tuple(messages))


async def ask(memory: Supermemory, text: str, container: str = CONTAINER, top_k: int = 10) -> Sequence[SearchResult]:
    return await memory.search(container, Question(id="q", text=text), top_k)


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """As the pipeline does it: again for as long as the error is transient, but without the pauses."""
    for _attempt in range(4):
        try:
            return await call()
        except ProviderError as error:
            if not error.transient:
                raise
    return await call()


def once(fault: str, method: str, path: str) -> Callable[[Recorded], str | None]:
    left = [fault]

    def decide(request: Recorded) -> str | None:
        return left.pop() if left and request.method == method and request.path.endswith(path) else None

    return decide


def posted(server: SupermemoryServer, ending: str = "/document") -> list[Recorded]:
    return [one for one in server.requests if one.method == "POST" and one.path.endswith(ending)]


def test_a_session_goes_in_and_comes_back_with_date_and_provenance(
    use: Callable[..., Any], server: SupermemoryServer
) -> None:
    async def work(memory: Supermemory) -> Sequence[SearchResult]:
        await memory.ingest(CONTAINER, session("s1", "I went to a support group.", "I painted a sunrise."))
        await memory.ingest(CONTAINER, session("s2", "My violin concert is on Friday.", date=datetime(2024, 1, 2)))
        await memory.await_indexing(CONTAINER)
        return await ask(memory, "Who painted a sunrise?")

    best, *_ = use(work)
    assert best.text == "Melanie: I painted a sunrise."
    assert best.session_ids == ("s1",)
    assert best.timestamp == DATE
    assert 0 < best.score < 1
    assert best.raw["system"]["createdAt"][:4] != "2023"  # when it was stored: not what it is dated by
    assert server.searches_too_early == 0

    first = posted(server)[0]
    assert first.path == f"/ns/{CONTAINER}/document"
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.body == {
        "content": "Caroline: I went to a support group.\nMelanie: I painted a sunrise.",
        "id": document_id(CONTAINER, "s1"),
        "metadata": {"session_id": "s1", "session_date": "2023-05-08T13:56:00Z"},
        "date": "2023-05-08T13:56:00Z",
        "taskType": "memory",
        "dreaming": "dynamic",
    }


def test_captions_go_along_and_what_is_empty_stays_away(use: Callable[..., Any], server: SupermemoryServer) -> None:
    messages = (
        Message(id="1", speaker="Caroline", role="user", text="Look", caption="a rainbow flag"),
        Message(id="2", speaker="Melanie", role="assistant", text="  "),
        Message(id="3", speaker="Melanie", role="assistant", text="", caption="a 🎻"),
    )

    async def work(memory: Supermemory) -> Sequence[SearchResult]:
        await memory.ingest(CONTAINER, Session(id="s1", date=None, messages=messages))
        await memory.ingest(CONTAINER, session("s2", "", " "))
        await memory.await_indexing(CONTAINER)
        return await ask(memory, "rainbow")

    (memory_found, chunk_found) = use(work)
    (sent,) = posted(server)
    assert sent.body["content"] == "Caroline: Look [shared image: a rainbow flag]\nMelanie:  [shared image: a 🎻]"
    assert "date" not in sent.body
    assert sent.body["metadata"] == {"session_id": "s1"}
    assert memory_found.timestamp is None
    assert chunk_found.timestamp is None


@pytest.mark.parametrize(
    ("mode", "texts"),
    [
        ("memories", ["Caroline mentioned that a violin"]),
        ("chunks", ["Caroline: a violin"]),
        ("hybrid", ["Caroline mentioned that a violin", "Caroline: a violin"]),
    ],
)
def test_each_search_mode_gives_texts_and_provenance(use: Callable[..., Any], mode: str, texts: list[str]) -> None:
    async def work(memory: Supermemory) -> Sequence[SearchResult]:
        await memory.ingest(CONTAINER, session("s1", "a violin", "a drum"))
        await memory.await_indexing(CONTAINER)
        return await ask(memory, "violin")

    found = use(work, search_mode=mode, include_documents=False)
    assert sorted(one.text for one in found) == sorted(texts)
    assert {one.session_ids for one in found} == {("s1",)}
    assert {one.timestamp for one in found} == {DATE}


@pytest.mark.parametrize("mode", ["hybrid", "memories", "chunks"])
def test_results_keep_the_order_in_which_the_service_found_them(
    use: Callable[..., Any], server: SupermemoryServer, mode: str
) -> None:
    async def work(memory: Supermemory) -> Sequence[SearchResult]:
        for number in range(1, 6):
            await memory.ingest(CONTAINER, session(f"s{number}", "a violin " * number, f"{number} drums and a violin"))
        await memory.await_indexing(CONTAINER)
        return await ask(memory, "violin or drums", top_k=8)

    found = use(work, search_mode=mode)
    ranked = server.rank(CONTAINER, "violin or drums", 8, mode)
    assert len(ranked) == 8
    assert [one.raw["id"] for one in found] == ranked
    assert [one.session_ids for one in found] == [(server.session_of(CONTAINER, item),) for item in ranked]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_long_texts_and_other_scripts_arrive_whole(use: Callable[..., Any]) -> None:
    long = "音楽 🎻 " * 16_000

    async def work(memory: Supermemory) -> Sequence[SearchResult]:
        await memory.ingest("a container / of ours", session("s1", long))
        await memory.await_indexing("a container / of ours")
        return await ask(memory, "音楽", "a container / of ours")

    found = use(work, search_mode="chunks")
    assert [one.text for one in found] == [f"Caroline: {long}".strip()]
    assert len(found[0].text) > 80_000


def test_results_without_text_are_left_out_and_both_kinds_in_one_are_kept(
    use: Callable[..., Any], server: SupermemoryServer
) -> None:
    def mangle(operation: str, reply: dict[str, Any]) -> dict[str, Any]:
        if operation == "search":
            one = reply["results"][0]
            bare = {name: value for name, value in one.items() if name not in ("memory", "chunk")}
            reply["results"] = [bare, {**bare, "chunk": " "}, {**bare, "memory": "A fact.", "chunk": "Ann: a fact"}]
        return reply

    async def work(memory: Supermemory) -> Sequence[SearchResult]:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await memory.await_indexing(CONTAINER)
        return await ask(memory, "violin")

    server.mangle = mangle
    assert [one.text for one in use(work)] == ["A fact.\nAnn: a fact"]


def test_provenance_is_read_from_the_included_document_where_a_memory_has_none(
    use: Callable[..., Any], server: SupermemoryServer
) -> None:
    def mangle(operation: str, reply: dict[str, Any]) -> dict[str, Any]:
        if operation == "search":
            reply["results"] = [{**one, "metadata": {}} for one in reply["results"]]
        return reply

    async def work(memory: Supermemory) -> Sequence[SearchResult]:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await memory.await_indexing(CONTAINER)
        return await ask(memory, "violin")

    server.mangle = mangle
    assert {(one.session_ids, one.timestamp) for one in use(work)} == {(("s1",), DATE)}


def test_settings_reach_the_search_and_nought_stays_nought(use: Callable[..., Any], server: SupermemoryServer) -> None:
    async def work(memory: Supermemory) -> None:
        await ask(memory, "violin", top_k=7)

    use(work)
    use(work, threshold="0", rerank="order", rewrite_query=True, search_mode="chunks", include_documents=False)
    plain, chosen = (one.body for one in posted(server, "/search"))
    assert plain == {
        "query": "violin",
        "searchMode": "hybrid",
        "limit": 7,
        "rerank": "none",
        "rewriteQuery": False,
        "include": {"documents": True},
    }
    assert chosen == {
        "query": "violin",
        "searchMode": "chunks",
        "limit": 7,
        "rerank": "order",
        "rewriteQuery": True,
        "threshold": 0,
    }


def test_settings_reach_the_documents(use: Callable[..., Any], server: SupermemoryServer) -> None:
    async def work(memory: Supermemory) -> None:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await memory.await_indexing(CONTAINER)

    use(work, dreaming="instant", task_type="superrag", search_mode="chunks", supporting_context="two friends")
    body = posted(server)[0].body
    assert (body["dreaming"], body["taskType"]) == ("instant", "superrag")
    assert body["supportingContext"] == "two friends"


def test_settings_that_find_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="superrag makes no memories"):
        SupermemorySettings.model_validate({"api_key": KEY, "task_type": "superrag", "search_mode": "memories"})


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPERMEMORY_API_KEY", KEY)
    monkeypatch.setenv("SUPERMEMORY_SEARCH_MODE", "chunks")
    settings = SupermemorySettings()
    assert settings.base_url == "https://api.supermemory.ai"
    assert settings.search_mode == "chunks"
    assert "key" not in str(settings.model_dump())


@pytest.mark.parametrize("top_k", [1, 3, 50, 150])
def test_top_k_holds(use: Callable[..., Any], top_k: int) -> None:
    async def work(memory: Supermemory) -> int:
        await memory.ingest(CONTAINER, session("s1", *(f"violin number {number}" for number in range(80))))
        await memory.await_indexing(CONTAINER)
        return len(await ask(memory, "violin", top_k=top_k))

    assert use(work) == min(top_k, 100)


def test_containers_do_not_see_each_other_and_unknown_ones_are_empty(use: Callable[..., Any]) -> None:
    async def work(memory: Supermemory) -> list[int]:
        await memory.ingest("a", session("s1", "a violin"))
        await memory.ingest("b", session("s1", "a drum"))
        await asyncio.gather(memory.await_indexing("a"), memory.await_indexing("b"))
        return [len(await ask(memory, "violin", name)) for name in ("a", "b", "c")]

    assert use(work) == [2, 0, 0]


def test_names_become_namespaces_without_collisions() -> None:
    assert namespace_of(CONTAINER) == CONTAINER
    names = ["a b", "a.b", "a/b", "a-b", "x" * 101, "x" * 102, "ä", ""]
    mapped = [namespace_of(name) for name in names]
    assert len(set(mapped)) == len(names)
    assert all(1 <= len(name) <= 100 and name.isascii() and "/" not in name for name in mapped)
    assert document_id("a", "s1") != document_id("b", "s1")


def test_readiness_waits_for_memories_and_not_only_for_the_index(
    use: Callable[..., Any], server: SupermemoryServer
) -> None:
    server.ready_after = 0.8
    seen: list[str] = []

    def mangle(operation: str, reply: dict[str, Any]) -> dict[str, Any]:
        if operation == "list":
            seen.extend(f"{one['system']['status']} {one['system']['dreamingStatus']}" for one in reply["documents"])
        return reply

    async def work(memory: Supermemory) -> int:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await memory.await_indexing(CONTAINER)
        return len(await ask(memory, "violin"))

    server.mangle = mangle
    assert use(work, search_mode="memories") == 1
    assert "done dreaming" in seen
    assert seen[-1] == "done done"
    assert server.searches_too_early == 0


@pytest.mark.parametrize(("stuck", "message"), [("indexing", "2 indexing"), ("dreaming", "2 dreaming")])
def test_a_wait_that_has_no_end_is_given_one(
    use: Callable[..., Any], server: SupermemoryServer, stuck: str, message: str
) -> None:
    server.ready_after, server.stuck = None, stuck

    async def work(memory: Supermemory) -> None:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await memory.ingest(CONTAINER, session("s2", "a drum"))
        await memory.await_indexing(CONTAINER)

    with pytest.raises(IndexingTimeoutError) as raised:
        use(work, indexing_timeout=3)
    assert CONTAINER in str(raised.value)
    waited = re.search(r"was not ready after (\d+\.\d) s", str(raised.value))
    assert waited
    assert float(waited[1]) >= 3
    assert f"2 of 2 documents outstanding: {message}" in str(raised.value)


@pytest.mark.parametrize("vanish", [False, True])
def test_a_document_that_fails_is_an_error_with_our_session_id(
    use: Callable[..., Any], server: SupermemoryServer, vanish: bool
) -> None:
    server.failing, server.failed_vanish = {"s2"}, vanish

    async def work(memory: Supermemory) -> None:
        for number in range(3):
            await memory.ingest(CONTAINER, session(f"s{number}", "a violin"))
        await memory.await_indexing(CONTAINER)

    with pytest.raises(ProviderError, match=r"1 of 3 documents .* sessions s2\.") as raised:
        use(work)
    assert not raised.value.transient


def test_more_documents_than_a_page_holds_are_all_waited_for(
    use: Callable[..., Any], server: SupermemoryServer
) -> None:
    server.failing = {"s104"}

    async def work(memory: Supermemory) -> None:
        for number in range(105):
            await memory.ingest(CONTAINER, session(f"s{number}", "a violin"))
        await memory.await_indexing(CONTAINER)

    with pytest.raises(ProviderError, match=r"1 of 105 documents .* sessions s104"):
        use(work)
    assert {dict(one.query)["page"] for one in posted(server, "/list/documents")} == {"1", "2"}
    assert server.counted("GET", f"/ns/{CONTAINER}/document/") == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_that_is_made_again_stores_nothing_twice(
    use: Callable[..., Any], server: SupermemoryServer, fault: str
) -> None:
    server.fault = once(fault, "POST", "/document")

    async def work(memory: Supermemory) -> int:
        for name in ("s1", "s2"):
            one = session(name, f"a violin of {name}")
            await insist(lambda one=one: memory.ingest(CONTAINER, one))  # type: ignore[misc]  # a default is no type
        await memory.await_indexing(CONTAINER)
        return len(await ask(memory, "violin"))

    assert use(work) == 4
    assert server.faults == {fault: 1}
    assert server.sessions_stored(CONTAINER) == {"s1": 1, "s2": 1}
    assert server.stored == 2


def test_a_session_that_is_ingested_again_is_not_doubled_by_whichever_process(
    use: Callable[..., Any], server: SupermemoryServer
) -> None:
    async def work(memory: Supermemory) -> None:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await memory.ingest(CONTAINER, session("s1", "a violin"))

    use(work)
    use(work)
    assert server.sessions_stored(CONTAINER) == {"s1": 1}
    assert len(posted(server, "/list/documents")) == 2  # one a process, not one a session


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_while_it_waits_are_not_readiness(
    use: Callable[..., Any], server: SupermemoryServer, fault: str
) -> None:
    server.ready_after = 0.4

    async def work(memory: Supermemory) -> int:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        server.fault = once(fault, "POST", "/list/documents")
        await memory.await_indexing(CONTAINER)
        return len(await ask(memory, "violin"))

    assert use(work) == 2
    assert server.faults == {fault: 1}
    assert server.searches_too_early == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_clear_waits_until_all_is_gone(use: Callable[..., Any], server: SupermemoryServer, fault: str) -> None:
    server.gone_after = 0.4
    server.fault = once(fault, "DELETE", CONTAINER)

    async def work(memory: Supermemory) -> tuple[bool, int]:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await memory.await_indexing(CONTAINER)
        await insist(lambda: memory.clear(CONTAINER))
        there = CONTAINER in server.spaces
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await memory.await_indexing(CONTAINER)
        return there, len(await ask(memory, "violin"))

    assert use(work) == (False, 2)
    assert server.sessions_stored(CONTAINER) == {"s1": 1}


def test_clear_of_nothing_does_nothing_and_of_what_stays_is_an_error(
    use: Callable[..., Any], server: SupermemoryServer
) -> None:
    async def work(memory: Supermemory) -> None:
        await memory.clear("unknown")
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await memory.clear(CONTAINER)

    server.gone_after = 60
    with pytest.raises(
        ProviderError, match=rf"container {CONTAINER} was not gone after \d+\.\d s\. Last status: 1 documents left"
    ):
        use(work, indexing_timeout=3)


def test_a_key_that_is_not_known_is_found_before_anything_is_stored(
    use: Callable[..., Any], server: SupermemoryServer
) -> None:
    use(Supermemory.check)
    assert [(one.method, one.path) for one in server.requests] == [("GET", "/ns")]
    with pytest.raises(ProviderError) as raised:
        use(Supermemory.check, api_key="sm-another-0123456789")
    assert raised.value.status == 401
    assert not raised.value.transient
    assert "sm-another" not in str(raised.value)


def test_a_server_of_an_older_generation_is_told_from_a_wrong_address(
    use: Callable[..., Any], server: SupermemoryServer
) -> None:
    with pytest.raises(ProviderError, match="no v5 interface: self-hosted servers speak v3 and v4 only"):
        use(Supermemory.check, base_url=f"{server.url}/v3")


@pytest.mark.parametrize("step", ["document", "search"])
def test_no_credits_left_is_said_and_not_tried_again(
    use: Callable[..., Any], server: SupermemoryServer, step: str
) -> None:
    async def work(memory: Supermemory) -> None:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await ask(memory, "violin")

    server.credits_left = {"document": 0, "search": 1}[step]
    with pytest.raises(ProviderError, match=f"/{step} answered 402.*no credits left") as raised:
        use(work)
    assert not raised.value.transient
    assert ("session s1 was not stored" in str(raised.value)) == (step == "document")


def test_a_rate_limit_is_told_and_obeyed(use: Callable[..., Any], server: SupermemoryServer) -> None:
    server.per_minute, server.window_seconds = 3, 30.0
    held: list[float] = []

    async def work(memory: Supermemory) -> ProviderError:
        memory.hold = held.append
        await memory.ingest(CONTAINER, session("s1", "a violin"))  # a list and a document
        await ask(memory, "violin")
        with pytest.raises(ProviderError) as raised:
            await ask(memory, "violin")
        return raised.value

    error = use(work)
    assert len(held) == 1
    assert 20 < held[0] <= 31
    assert error.transient
    assert error.retry_after is not None
    assert 20 < error.retry_after <= 31
    assert server.refused == 0  # it was not even sent


def test_retry_after_comes_through(use: Callable[..., Any], server: SupermemoryServer) -> None:
    server.fault = once("429", "POST", "/document")

    async def work(memory: Supermemory) -> None:
        await memory.ingest(CONTAINER, session("s1", "a violin"))

    with pytest.raises(ProviderError) as raised:
        use(work)
    assert raised.value.transient
    assert raised.value.retry_after == 1
    assert "session s1" in str(raised.value)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("operation", "reply", "message"),
    [
        ("add", {"ok": True}, "id: Field required"),
        ("add", {"id": "d", "status": "failed"}, "session s1 was not stored: .* failed"),
        (
            "list",
            {"documents": [{"id": "d"}], "pagination": {"totalPages": 1, "totalItems": 1}},
            "documents.0.metadata",
        ),
        ("search", {"results": [{"id": "r", "memory": "m"}]}, "results.0.metadata"),
        ("search", "what?", "Input should be an object"),
        (
            "search",
            {"results": [{"id": "r", "memory": "m", "metadata": {"session_date": "soon"}, "similarity": 1}]},
            "'soon' came back",
        ),
    ],
)
def test_replies_that_are_not_what_they_should_be_are_told_in_a_line(
    use: Callable[..., Any], server: SupermemoryServer, operation: str, reply: Any, message: str
) -> None:
    server.mangle = lambda asked, true: reply if asked == operation else true

    async def work(memory: Supermemory) -> None:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        await ask(memory, "violin")

    with pytest.raises(ProviderError, match=message) as raised:
        use(work)
    assert "\n" not in str(raised.value)


def test_a_service_that_says_nothing_of_dreaming_is_not_called_ready(
    use: Callable[..., Any], server: SupermemoryServer
) -> None:
    def mangle(operation: str, reply: dict[str, Any]) -> dict[str, Any]:
        for document in reply["documents"] if operation == "list" else ():
            del document["system"]["dreamingStatus"]
        return reply

    async def work(memory: Supermemory) -> None:
        await memory.ingest(CONTAINER, session("s1", "a violin"))
        server.mangle = mangle
        await memory.await_indexing(CONTAINER)

    with pytest.raises(ProviderError, match="session s1 has no dreamingStatus"):
        use(work)
