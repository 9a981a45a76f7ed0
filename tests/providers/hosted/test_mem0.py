"""The mem0 adapter against a server on loopback that speaks mem0's documented REST v3."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from providers import find_provider
from providers.hosted.mem0 import Mem0
from providers.hosted.mem0_wire import Mem0Settings
from tests.known import fields, known
from tests.providers.hosted.vendors.mem0_server import Mem0Server
from tests.providers.hosted.vendors.vendor_server import FAULTS, Recorded, answer, serving_vendor
from vocabulary import IndexingTimeoutError, Message, ProviderError, Question, Session

KEY = "m0-UNMISTAKABLE-key"
CONTAINER = "conv-26-a1b2c3-20261122-0101"
MAY = datetime(2023, 5, 8, 13, 56)
T = TypeVar("T")


def session(name: str, *texts: str, date: datetime | None = MAY, speakers: tuple[str, str] = ("Ann", "Bob")) -> Session:
    messages = (
        Message(
            id=f"{name}-{index}",
            speaker=speakers[index % 2],
            role="assistant" if index % 2 else "user",
            text=text,
            caption="a red kite" if text == "look" else None,
        )
        for index, text in enumerate(texts)
    )
    return Session(id=name, date=date, messages=tuple(messages))


FIRST = session("s1", "My kayak is called Heron.", "I moved to Lisbon.", "look", "")
SECOND = session("s2", "The kayak was sold.", "Lisbon is hot.", date=MAY + timedelta(days=9))


def question(text: str, date: datetime | None = None) -> Question:
    return Question(id="q", text=text, date=date)


@pytest.fixture
def server() -> Iterator[Mem0Server]:
    with serving_vendor(Mem0Server(key=KEY)) as running:
        yield running


@pytest.fixture
def use(server: Mem0Server, tmp_path: Path) -> Callable[..., Any]:
    """Runs a coroutine function with an adapter, which it opens and closes."""

    def run(work: Callable[[Mem0], Awaitable[T]], **settings: object) -> T:
        async def whole() -> T:
            given = {"api_key": KEY, "base_url": server.url, "settle": 0, **settings}
            memory = Mem0(Mem0Settings.model_validate(given), tmp_path)
            try:
                return await work(memory)
            finally:
                await memory.close()

        return asyncio.run(whole())

    return run


async def insist(call: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """As the pipeline does: made again whole while it fails in a way that may pass; without the pauses."""
    for _attempt in range(4):
        try:
            return await call(*arguments)
        except ProviderError as error:
            if not error.transient:
                raise
    return await call(*arguments)


async def fill(memory: Mem0, *sessions: Session, container: str = CONTAINER) -> None:
    for one in sessions:
        await insist(memory.ingest, container, one)
    await memory.await_indexing(container)


def adds(server: Mem0Server) -> list[Recorded]:
    return [one for one in server.requests if one.path == "/v3/memories/add/"]


def once(path: str, fault: str, method: str = "POST") -> Callable[[Recorded], str | None]:
    left = [fault]
    return lambda request: left.pop() if left and request.path.startswith(path) and request.method == method else None


def test_it_is_found_by_its_name() -> None:
    assert find_provider("mem0") is Mem0
    assert Mem0.api == "REST v3"


def test_what_was_said_is_found_with_its_session_and_date(use: Any, server: Mem0Server) -> None:
    async def work(memory: Mem0) -> None:
        await memory.check()
        await fill(memory, FIRST, SECOND)
        results = await memory.search(CONTAINER, question("Which kayak?"), 10)
        assert [result.text for result in results] == ["Ann: The kayak was sold.", "Ann: My kayak is called Heron."]
        assert [result.session_ids for result in results] == [("s2",), ("s1",)]
        assert [result.timestamp for result in results] == [SECOND.date, FIRST.date]
        assert [result.score for result in results] == sorted((known(result.score) for result in results), reverse=True)
        assert [fields(result.raw)["id"] for result in results] == server.rank(CONTAINER, "Which kayak?", 10)

    use(work)
    assert server.sessions_stored(CONTAINER) == {"s1": 1, "s2": 1}
    assert server.stored == 5


def test_nothing_is_ready_before_the_last_event_is(use: Any, server: Mem0Server) -> None:
    server.ready_after = 0.4

    async def work(memory: Mem0) -> None:
        await memory.ingest(CONTAINER, FIRST)
        assert await memory.search(CONTAINER, question("kayak"), 5) == ()
        await memory.await_indexing(CONTAINER)
        assert len(await memory.search(CONTAINER, question("kayak"), 5)) == 1

    use(work)
    assert server.counted("GET", "/v1/event/") >= 3


def test_speakers_dates_and_captions_go_into_the_fields_that_mem0_reads(use: Any, server: Mem0Server) -> None:
    use(lambda memory: fill(memory, FIRST))
    (add,) = adds(server)
    assert add.headers["authorization"] == f"Token {KEY}"
    assert add.body["user_id"] == CONTAINER
    assert add.body["timestamp"] == 1683554160  # 2023-05-08T13:56:00Z
    assert add.body["infer"] is True
    assert add.body["metadata"]["session_id"] == "s1"
    assert add.body["messages"] == [
        {"role": "user", "content": "Ann: My kayak is called Heron."},
        {"role": "user", "content": "Bob: I moved to Lisbon."},
        {"role": "user", "content": "Ann: look [shared image: a red kite]"},
    ]


@pytest.mark.parametrize(
    ("settings", "speakers", "turn"),
    [
        ({}, ("User", "Assistant"), {"role": "assistant", "content": "Assistant: Yes."}),
        ({"roles": "given"}, ("Ann", "Bob"), {"role": "assistant", "content": "Bob: Yes."}),
        ({"roles": "user"}, ("User", "Assistant"), {"role": "user", "content": "Assistant: Yes."}),
        ({"speaker": "name"}, ("Ann", "Bob"), {"role": "user", "content": "Yes.", "name": "Bob"}),
        ({"speaker": "both"}, ("Ann", "Bob"), {"role": "user", "content": "Bob: Yes.", "name": "Bob"}),
    ],
)
def test_roles_and_names_can_be_sent_otherwise(
    use: Any, server: Mem0Server, settings: dict[str, str], speakers: tuple[str, str], turn: dict[str, str]
) -> None:
    use(lambda memory: fill(memory, session("s", "Is it?", "Yes.", speakers=speakers)), **settings)
    assert adds(server)[0].body["messages"][1] == turn


def test_without_a_date_none_is_sent_and_none_comes_back(use: Any, server: Mem0Server) -> None:
    async def work(memory: Mem0) -> None:
        await fill(memory, session("s", "My kayak is called Heron.", date=None))
        (result,) = await memory.search(CONTAINER, question("kayak"), 5)
        assert result.timestamp is None  # mem0's own created_at is the day of the run
        assert fields(result.raw)["created_at"]

    use(work, observation_date=True)
    assert not {"timestamp", "observation_datetime"} & set(adds(server)[0].body)


def test_a_long_session_goes_in_parts_and_in_order(use: Any, server: Mem0Server) -> None:
    long = session("s", "one", "two", "x" * 300, "three", "four")

    async def work(memory: Mem0) -> None:
        await fill(memory, long, long)

    use(work, batch_messages=2, batch_characters=200)
    contents = [[message["content"] for message in add.body["messages"]] for add in adds(server)]
    assert contents == [["Ann: one", "Bob: two"], ["Ann: " + "x" * 300], ["Bob: three", "Ann: four"]]
    assert len({add.body["metadata"]["part"] for add in adds(server)}) == 3


def test_a_session_that_says_nothing_is_not_sent(use: Any, server: Mem0Server) -> None:
    use(lambda memory: fill(memory, session("s", "", "  ")))
    assert not adds(server)


def test_in_turn_waits_for_a_part_before_the_next(use: Any, server: Mem0Server) -> None:
    use(lambda memory: fill(memory, FIRST, SECOND), in_turn=True)
    order = [
        one.path.split("/")[2] for one in server.requests if one.path.startswith(("/v3/memories/add", "/v1/event/"))
    ]
    second = len(order) - 1 - order[::-1].index("memories")
    assert "event" in order[1:second]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("infer", [True, False])
def test_an_add_that_is_made_again_stores_nothing_twice(use: Any, server: Mem0Server, fault: str, infer: bool) -> None:
    server.fault = once("/v3/memories/add/", fault)
    use(lambda memory: fill(memory, FIRST, SECOND), infer=infer)
    assert server.faults[fault] == 1
    assert server.sessions_stored(CONTAINER) == {"s1": 1, "s2": 1}
    assert server.stored == 5


def test_an_add_that_is_found_again_is_waited_for(use: Any, server: Mem0Server) -> None:
    server.ready_after = 0.3
    server.fault = once("/v3/memories/add/", "cut-after")

    async def work(memory: Mem0) -> int:
        await fill(memory, FIRST)
        return len(await memory.search(CONTAINER, question("kayak"), 5))

    assert use(work) == 1
    assert server.sessions_stored(CONTAINER) == {"s1": 1}


def test_an_add_is_looked_for_again_if_the_first_look_fails(use: Any, server: Mem0Server) -> None:
    faults = {"/v3/memories/add/": "500-after", "/v1/events/": "503"}
    server.fault = lambda request: faults.pop(request.path, None)
    use(lambda memory: fill(memory, FIRST))
    assert not faults
    assert server.sessions_stored(CONTAINER) == {"s1": 1}


def test_an_add_is_known_by_its_memories_where_events_do_not_tell(use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    detail = Mem0Server._told
    monkeypatch.setattr(Mem0Server, "_told", lambda server, event: {**detail(server, event), "payload": None})
    with serving_vendor(Mem0Server(key=KEY, ready_after=0.0)) as server:
        server.fault = once("/v3/memories/add/", "cut-after")
        use(lambda memory: fill(memory, FIRST), base_url=server.url)
    assert server.sessions_stored(CONTAINER) == {"s1": 1}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/event/"), ("POST", "/v3/memories/search/"), ("POST", "/v3/memories/"), ("DELETE", "/")],
)
def test_a_fault_anywhere_else_passes(use: Any, server: Mem0Server, fault: str, method: str, path: str) -> None:
    server.fault = once(path, fault, method)

    async def work(memory: Mem0) -> None:
        await fill(memory, FIRST)
        assert len(await insist(memory.search, CONTAINER, question("kayak"), 5)) == 1
        await insist(memory.clear, CONTAINER)

    use(work)
    assert server.faults[fault] == 1
    assert server.sessions_stored(CONTAINER) == {"s1": 1}
    assert server.stored == 0


def test_another_process_stores_a_session_no_second_time(use: Any, server: Mem0Server) -> None:
    use(lambda memory: fill(memory, FIRST))
    use(lambda memory: fill(memory, FIRST, SECOND))
    assert server.sessions_stored(CONTAINER) == {"s1": 1, "s2": 1}


def test_never_ready_is_an_error_with_container_seconds_and_status(use: Any, server: Mem0Server) -> None:
    server.ready_after = None
    detail = rf"container {CONTAINER} was not ready after \d\.\d s\. .*2 of 2 events outstanding: RUNNING"
    with pytest.raises(IndexingTimeoutError, match=detail):
        use(lambda memory: fill(memory, FIRST, SECOND), indexing_timeout=3)


def test_a_failed_event_names_the_session(use: Any, server: Mem0Server) -> None:
    server.fails = lambda body: "extraction broke" if body["metadata"]["session_id"] == "s2" else None
    with pytest.raises(ProviderError, match=rf"1 sessions of {CONTAINER} .* session s2: extraction broke") as detail:
        use(lambda memory: fill(memory, FIRST, SECOND))
    assert not detail.value.transient


def test_a_failed_import_names_the_session(use: Any, server: Mem0Server) -> None:
    server.fails = lambda _body: "no"
    with pytest.raises(ProviderError, match=r"could not store what it was sent .*session s1, part 1"):
        use(lambda memory: fill(memory, FIRST), infer=False)


def test_a_refused_add_names_the_session_and_is_not_looked_for(use: Any, server: Mem0Server) -> None:
    server.fault = once("/v3/memories/add/", "429")

    async def work(memory: Mem0) -> None:
        with pytest.raises(ProviderError, match=r"429.*session s1, part 1") as detail:
            await memory.ingest(CONTAINER, FIRST)
        assert detail.value.transient
        assert detail.value.retry_after == 1.0
        await memory.ingest(CONTAINER, FIRST)

    use(work)
    assert not server.counted("GET", "/v1/events/")


def test_clear_waits_until_all_is_gone(use: Any, server: Mem0Server) -> None:
    server.delete_after = 0.4

    async def work(memory: Mem0) -> None:
        await fill(memory, FIRST)
        await fill(memory, SECOND, container="another")
        await memory.clear(CONTAINER)
        assert server.stored == 2
        assert await memory.search(CONTAINER, question("kayak"), 5) == ()
        assert len(await memory.search("another", question("kayak"), 5)) == 1
        await fill(memory, FIRST)
        assert len(await memory.search(CONTAINER, question("kayak"), 5)) == 1

    use(work)
    assert server.counted("DELETE", f"/v2/entities/user/{CONTAINER}/") == 1


def test_clear_waits_for_what_a_dead_process_had_sent(use: Any, server: Mem0Server) -> None:
    server.ready_after = 0.4
    use(lambda memory: memory.ingest(CONTAINER, FIRST))

    async def work(memory: Mem0) -> None:
        await memory.clear(CONTAINER)
        await fill(memory, SECOND)

    use(work)
    assert server.stored == 2


def test_clear_of_what_is_not_there_deletes_nothing(use: Any, server: Mem0Server) -> None:
    use(lambda memory: memory.clear(CONTAINER))
    assert not server.counted("DELETE", "/")


def test_clear_has_an_end(use: Any, server: Mem0Server) -> None:
    async def work(memory: Mem0) -> None:
        await fill(memory, FIRST)
        server.delete_after = 60
        with pytest.raises(IndexingTimeoutError, match="3 memories are still there after the deletion"):
            await memory.clear(CONTAINER)

    use(work, indexing_timeout=3)


def test_search_before_ingest_finds_nothing(use: Any) -> None:
    assert use(lambda memory: memory.search("nobody", question("kayak"), 5)) == ()


def test_top_k_threshold_rerank_and_the_date_are_sent(use: Any, server: Mem0Server) -> None:
    many = session("s", *(f"kayak number {number}" for number in range(12)))

    async def work(memory: Mem0) -> int:
        await fill(memory, many)
        return len(await memory.search(CONTAINER, question("kayak", MAY), 7))

    assert use(work, threshold=0, rerank=True) == 7
    body = server.requests[-1].body
    assert body == {
        "query": "kayak",
        "filters": {"user_id": CONTAINER},
        "top_k": 7,
        "threshold": 0.0,
        "rerank": True,
        "reference_date": 1683554160,
    }


def test_more_results_than_were_asked_for_are_cut(use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def generous(_server: Mem0Server, _request: object) -> Any:
        return answer(200, {"results": [{"id": str(n), "memory": "m", "created_at": None} for n in range(9)]})

    monkeypatch.setattr(Mem0Server, "_search", generous)
    with serving_vendor(Mem0Server(key=KEY)) as server:
        results = use(lambda memory: memory.search(CONTAINER, question("m"), 4), base_url=server.url)
    assert len(results) == 4
    assert results[0].session_ids == ()


def test_a_container_can_be_another_kind_of_entity(use: Any, server: Mem0Server) -> None:
    async def work(memory: Mem0) -> None:
        await fill(memory, FIRST)
        assert len(await memory.search(CONTAINER, question("kayak"), 5)) == 1
        await memory.clear(CONTAINER)

    use(work, entity="run")
    assert server.sessions_stored(CONTAINER, "run_id") == {"s1": 1}
    assert server.counted("DELETE", "/v2/entities/run/") == 1
    assert server.stored == 0


def test_an_unknown_key_is_told_at_once_and_never_shown(use: Any) -> None:
    wrong = "m0-another-UNMISTAKABLE-key"
    with pytest.raises(ProviderError, match=r"/v1/ping/ answered 401: .*check the key") as detail:
        use(lambda memory: memory.check(), api_key=wrong)
    assert detail.value.status == 401
    assert wrong not in str(detail.value)


def test_a_rate_limit_is_passed_on(use: Any, server: Mem0Server) -> None:
    server.per_minute, server.window_seconds = 2, 30.0
    held: list[float] = []

    async def work(memory: Mem0) -> None:
        memory.hold = held.append
        await memory.check()
        await memory.check()
        with pytest.raises(ProviderError) as detail:
            await memory.check()
        assert detail.value.transient
        assert 25 < (detail.value.retry_after or 0) < 32

    use(work)
    assert len(held) == 1
    assert 25 < held[0] < 32
    assert server.refused == 0


@pytest.mark.parametrize(
    ("handler", "reply", "detail"),
    [
        ("_search", {"memories": []}, r"POST /v3/memories/search/ answered 200 .*results: Field required"),
        ("_search", {"results": [{"id": "1"}]}, r"results\.0\.memory: Field required"),
        ("_add", {"event_id": "e"}, r"status: Field required.*session s1, part 1"),
        ("_add", {"status": "PENDING"}, r"without saying by which event.*session s1, part 1"),
        ("_event", {"state": "done"}, r"GET /v1/event/.*status: Field required"),
        ("_list", {"results": []}, r"count: Field required"),
    ],
)
def test_a_reply_of_another_shape_is_one_clear_line(
    use: Any, monkeypatch: pytest.MonkeyPatch, handler: str, reply: dict[str, Any], detail: str
) -> None:
    async def malformed(_server: Mem0Server, _request: object) -> Any:
        return answer(200, reply)

    async def work(memory: Mem0) -> None:
        await memory.search(CONTAINER, question("m"), 4)
        await fill(memory, FIRST)

    monkeypatch.setattr(Mem0Server, handler, malformed)
    with serving_vendor(Mem0Server(key=KEY)) as server, pytest.raises(ProviderError, match=detail) as error:
        use(work, base_url=server.url)
    assert "\n" not in str(error.value)


def test_no_setting_of_the_account_is_touched(use: Any, server: Mem0Server) -> None:
    async def work(memory: Mem0) -> None:
        await memory.check()
        await fill(memory, FIRST)
        await memory.clear(CONTAINER)

    use(work)
    seen = {(one.method, "/".join(one.path.split("/")[:4])) for one in server.requests}
    assert seen == {
        ("GET", "/v1/ping/"),
        ("POST", "/v3/memories/"),
        ("POST", "/v3/memories/add"),
        ("GET", "/v1/events/"),
        ("DELETE", "/v2/entities/user"),
    } | {one for one in seen if one[1].startswith("/v1/event/")}
