"""What an ``http`` provider sends and reads: values keep to their places, nothing is sent twice, errors name lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from providers import find_provider
from providers.base import Provider
from providers.general import EXAMPLES
from tests.providers.general.documented_servers import HindsightServer, LettaServer
from tests.providers.general.memory_server import MemoryServer
from tests.providers.general.rest_server import RestServer
from tests.providers.hosted.vendors.vendor_server import Recorded, serving_vendor
from vocabulary import IndexingTimeoutError, Message, ProviderError, Question, SearchResult, Session

T = TypeVar("T")
DATE = datetime(2023, 5, 8, 13, 56)
REST = (EXAMPLES / "http" / "rest.toml").read_text()


@pytest.fixture
def rest(monkeypatch: pytest.MonkeyPatch) -> Iterator[RestServer]:
    monkeypatch.setenv("MEMORY_API_KEY", "a-secret-key")
    with serving_vendor(RestServer(key="a-secret-key", ready_after=0.0)) as server:
        yield server


def using(server: MemoryServer, folder: Path, work: Callable[[Any], Awaitable[T]], text: str = REST) -> T:
    """Run `work` with a provider by the file `text`."""
    file = folder / "mine.toml"
    file.write_text(text)
    found = find_provider(f"http:{file}")

    async def whole() -> T:
        provider: Provider = found(found.Settings.model_validate({"base_url": server.url}), folder)
        try:
            return await work(provider)
        finally:
            await provider.close()  # type: ignore[misc]  # a coroutine

    return asyncio.run(whole())


def session(*texts: str, name: str = "s1", date: datetime | None = DATE, ids: Sequence[str] = ()) -> Session:
    messages = [
        Message(id=ids[place] if ids else f"{name}:{place}", speaker="Ann", role="user", text=text)
        for place, text in enumerate(texts)
    ]
    return Session(id=name, date=date, messages=tuple(messages))


def asked(text: str) -> Question:
    return Question(id="q", text=text)


def once(fault: str, number: int, method: str = "PUT") -> Callable[[Recorded], str | None]:
    """That fault at the request of that number of its method."""
    seen: list[Recorded] = []

    def decide(request: Recorded) -> str | None:
        seen.extend([request] if request.method == method else [])
        return fault if request.method == method and len(seen) == number else None

    return decide


def test_what_went_in_comes_back_with_score_date_and_ids(rest: RestServer, tmp_path: Path) -> None:
    async def work(memory: Any) -> Sequence[SearchResult]:
        await memory.check()
        await memory.ingest("c", session("The lake is cold.", "", "Rex is three."))
        await memory.await_indexing("c")
        found: Sequence[SearchResult] = await memory.search("c", asked("How old is Rex?"), 5)
        return found

    best, *_others = using(rest, tmp_path, work)
    assert (best.text, best.session_ids, best.message_ids, best.timestamp) == (
        "Ann: Rex is three.",
        ("s1",),
        ("s1:2",),
        DATE,
    )
    assert best.score
    assert best.score > 0
    sent = [one for one in rest.requests if one.method == "PUT"]
    assert [one.path for one in sent] == ["/containers/c/messages/s1:0", "/containers/c/messages/s1:2"]
    assert sent[0].body == {"text": "Ann: The lake is cold.", "session": "s1", "date": "2023-05-08T13:56:00Z"}
    assert sent[0].headers["authorization"] == "Bearer a-secret-key"
    assert len({one.headers["idempotency-key"] for one in sent}) == 2
    (search,) = [one for one in rest.requests if one.path.endswith("/search")]
    assert search.body == {"query": "How old is Rex?", "limit": 5}, "a number stays one"


STRANGE = (
    "a/b",
    "a?b=c",
    "a#b",
    "a%2Fb",
    "../../admin",
    "a\r\nX-Evil: 1",
    'a"},{"b',
    "{session.text}",
    "ä 🦔",
    "a b+c",
)


@pytest.mark.parametrize("strange", STRANGE)
def test_a_value_stays_in_its_place(rest: RestServer, tmp_path: Path, strange: str) -> None:
    async def work(memory: Any) -> None:
        await memory.ingest(strange, session(f"Rex {strange}", ids=[strange]))
        await memory.search(strange, asked(f"Rex {strange}"), 5)
        await memory.clear(strange)

    using(rest, tmp_path, work)
    put, search, clear = rest.requests
    assert put.path.count("/") == 4
    assert rest.added == 1
    assert (put.body["text"], put.query) == (f"Ann: Rex {strange}", [])
    assert search.body["query"] == f"Rex {strange}"
    assert clear.method == "DELETE"
    assert not rest.kept, "what was cleared is the container that was filled"
    assert not any("evil" in name for one in rest.requests for name in one.headers)


@pytest.mark.parametrize("climbing", ["..", ".", ""])
def test_a_value_that_is_no_part_of_a_path_is_an_error(rest: RestServer, tmp_path: Path, climbing: str) -> None:
    async def work(memory: Any) -> None:
        await memory.clear(climbing)

    with pytest.raises(ProviderError, match=r"mine\.toml:\d+: clear\.path: \{container\} has no value"):
        using(rest, tmp_path, work)
    assert not rest.requests


def test_half_a_session_is_not_sent_again(rest: RestServer, tmp_path: Path) -> None:
    rest.fault = once("500", 3)

    async def work(memory: Any) -> None:
        said = session("one", "two", "three", "four")
        with pytest.raises(ProviderError, match="session s1 was not stored") as failed:
            await memory.ingest("c", said)
        assert failed.value.transient
        await memory.ingest("c", said)

    using(rest, tmp_path, work)
    assert [one.path[-1] for one in rest.requests] == ["0", "1", "2", "2", "3"]


def test_what_a_service_keeps_by_its_own_ids_is_listed_before_it_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LETTA_API_KEY", "a-key")
    letta = (EXAMPLES / "http" / "letta.toml").read_text().replace('key = "after', 'size = 2\nkey = "after')
    said = session("one", "two", "three", "four", "five")
    with serving_vendor(LettaServer(ready_after=0.0)) as server:
        server.fault = once("500-after", 4, "POST")  # the first makes the agent

        async def work(memory: Any) -> Sequence[SearchResult]:
            with pytest.raises(ProviderError):
                await memory.ingest("c", said)
            await memory.ingest("c", said)
            found: Sequence[SearchResult] = await memory.search("c", asked("three"), 3)
            return found

        (found,) = using(server, tmp_path, work, letta)
        using(server, tmp_path, lambda memory: memory.ingest("c", said), letta)
        assert (server.added, len(server.agents)) == (5, 1)
        assert not server.doubles
    assert (found.message_ids, found.session_ids, found.timestamp, found.score) == (("s1:2",), ("s1",), DATE, None)


def test_a_wait_ends_and_says_what_it_waited_for(rest: RestServer, tmp_path: Path) -> None:
    rest.ready_after = None
    text = REST.replace("timeout = 600", "timeout = 3").replace("poll = 2", "poll = 0.1")

    async def work(memory: Any) -> None:
        await memory.ingest("c", session("Rex is three."))
        await memory.await_indexing("c")

    with pytest.raises(IndexingTimeoutError, match=r"container c was not ready after .*'pending': 1"):
        using(rest, tmp_path, work, text)


def test_what_failed_is_an_error_and_no_wait(tmp_path: Path) -> None:
    text = (EXAMPLES / "http" / "hindsight.toml").read_text().replace("status == 'failed'", "status == 'processing'")
    with serving_vendor(HindsightServer(ready_after=None)) as server:

        async def work(memory: Any) -> None:
            await memory.ingest("c", session("Rex is three."))
            await memory.await_indexing("c")

        with pytest.raises(ProviderError, match=r"mine\.toml:\d+: ready\.failed: the service says .*processing"):
            using(server, tmp_path, work, text)


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ('items = "results"', 'items = "hits"', "items", "is to be a list, and is None"),
        ('text = "text"', 'text = "content"', "text", "no text is there in any of 1 results"),
        ('score = "score"', 'score = "session"', "score", "is to be a number, and is s1"),
        ('time = "date"', 'time = "text"', "time", "is to be an ISO date or a Unix time"),
        ('session_ids = "session"', "session_ids = \"after('a', score)\"", "session_ids", "cannot be followed"),
    ],
)
def test_a_reply_that_is_not_as_the_file_says_names_its_line(
    rest: RestServer, tmp_path: Path, old: str, new: str, key: str, message: str
) -> None:
    text = REST.replace(old, new, 1) if "body" not in old else REST

    async def work(memory: Any) -> None:
        await memory.ingest("c", session("Rex is three."))
        await memory.search("c", asked("Rex"), 5)

    with pytest.raises(ProviderError) as failed:
        using(rest, tmp_path, work, text)
    line = text.splitlines().index(new) + 1
    assert f"mine.toml:{line}: search.{key}: " in str(failed.value)
    assert message in str(failed.value)


def test_a_wrong_key_is_refused_and_stands_in_no_error(rest: RestServer, tmp_path: Path) -> None:
    rest.key = "another"
    with pytest.raises(ProviderError) as refused:
        using(rest, tmp_path, lambda memory: memory.check())
    assert refused.value.status == 401
    assert "a-secret-key" not in str(refused.value)


def test_settings_of_the_file_are_options_that_requests_hold(tmp_path: Path) -> None:
    hindsight = find_provider("http:hindsight")
    settings = hindsight.Settings.model_validate_strings({"budget": "high", "max_tokens": "512"})
    assert json.loads(settings.model_dump_json()) == {
        "base_url": "http://localhost:8888", "budget": "high", "max_tokens": 512,
    }  # fmt: skip
    with serving_vendor(HindsightServer(ready_after=0.0)) as server:
        using(server, tmp_path, lambda memory: memory.search("c", asked("Rex"), 5),
              (EXAMPLES / "http" / "hindsight.toml").read_text().replace('"mid"', '"low"'))  # fmt: skip
        assert server.requests[0].body == {"query": "Rex", "budget": "low", "max_tokens": 8192}
