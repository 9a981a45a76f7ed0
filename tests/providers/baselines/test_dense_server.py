"""Dense retrieval with an embedder by its address, against a server on loopback that speaks the protocol."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from providers.base import MaybeAwaitable
from providers.baselines.dense import Dense, DenseSettings
from tests.providers.baselines.embedding_loopback import DIMENSION, EmbeddingLoopback, serving, words_vector
from tests.providers.baselines.said import ids, session
from vocabulary import ConfigurationError, ProviderError, Question, SearchResult

KEY = "sk-0123456789abcdef"
T = TypeVar("T")


async def settled(value: MaybeAwaitable[T]) -> T:
    return await value if isinstance(value, Awaitable) else value


@pytest.fixture
def server() -> Iterator[EmbeddingLoopback]:
    with serving() as started:
        yield started


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBEDDING_API_KEY", raising=False)


@pytest.fixture
def use(server: EmbeddingLoopback, tmp_path: Path) -> Callable[..., T]:
    """Runs a coroutine function with a provider, which it opens and closes."""

    def run(work: Callable[[Dense], Awaitable[T]], workspace: str = "w", **settings: object) -> T:
        async def whole() -> T:
            memory = Dense(
                DenseSettings.model_validate({"embedder": server.address, "embedding_model": "m", **settings}),
                tmp_path / workspace,
            )
            try:
                return await work(memory)
            finally:
                await settled(memory.close())

        return asyncio.run(whole())

    return run


async def ask(memory: Dense, text: str, container: str = "c", top_k: int = 10) -> Sequence[SearchResult]:
    return await settled(memory.search(container, Question(id="q", text=text), top_k))


def test_what_is_near_is_found(use: Callable[..., list[str]], server: EmbeddingLoopback) -> None:
    async def work(memory: Dense) -> list[str]:
        await settled(memory.ingest("c", session("s1", "tea with milk", "a violin concert", "tea with a violin")))
        found = await ask(memory, "Ann: a violin concert")
        assert found[0].score == pytest.approx(1, abs=1e-6)
        return ids(found)

    assert use(work) == ["s1-1", "s1-2", "s1-0"]
    assert set(server.paths) == {"/v1/embeddings"}
    assert server.requests[0] == {
        "model": "m",
        "input": ["Ann: tea with milk", "Ann: a violin concert", "Ann: tea with a violin"],
        "encoding_format": "float",
    }


def test_many_texts_come_back_in_order_whatever_the_batch(
    use: Callable[..., list[float | None]], server: EmbeddingLoopback
) -> None:
    texts = [f"word{n} and word{n + 1}" for n in range(23)]

    async def work(memory: Dense) -> list[float | None]:
        await settled(memory.ingest("c", session("s", *texts)))
        best = [(await ask(memory, f"Ann: {text}", top_k=1))[0] for text in texts]
        assert ids(best) == [f"s-{n}" for n in range(23)]
        return [result.score for result in await ask(memory, "word3 and word4", top_k=23)]

    scores = [use(work, str(batch), embedding_batch=batch) for batch in (5, 100)]
    assert scores[0] == scores[1]
    sizes = [len(request["input"]) for request in server.requests if len(request["input"]) > 1]
    assert sizes == [5, 5, 5, 5, 3, 23]


def test_a_text_is_embedded_once_wherever_it_is_said(use: Callable[..., None], server: EmbeddingLoopback) -> None:
    async def work(memory: Dense) -> None:
        for container in ("c", "d", "e"):
            await settled(memory.ingest(container, session("s1", "tea", "milk", "tea", "")))
        await settled(memory.ingest("c", session("s1", "milk", "sugar")))
        memory.clear("d")
        await settled(memory.ingest("d", session("s2", "sugar", "milk")))

    use(work)
    assert sorted(server.texts) == ["Ann: milk", "Ann: sugar", "Ann: tea"]
    use(work)
    assert len(server.texts) == 3, "another process with the same workspace finds them"
    use(work, embedding_model="another")
    assert len(server.texts) == 6, "another model's vectors are others"


def test_nothing_said_asks_nothing(use: Callable[..., None], server: EmbeddingLoopback) -> None:
    async def work(memory: Dense) -> None:
        await settled(memory.ingest("c", session("s1", "", " ")))
        assert await ask(memory, " ") == []

    use(work)
    assert server.requests == []


def test_prefixes_are_put_before_questions_and_messages(use: Callable[..., None], server: EmbeddingLoopback) -> None:
    async def work(memory: Dense) -> None:
        await settled(memory.ingest("c", session("s1", "tea")))
        await ask(memory, "what?")

    use(work, query_prefix="query: ", document_prefix="passage: ")
    assert server.texts == ["passage: Ann: tea", "query: what?"]


def test_the_key_is_sent_and_shown_nowhere(
    use: Callable[..., Dense], server: EmbeddingLoopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDDING_API_KEY", "another")
    monkeypatch.setenv("MY_KEY", KEY)

    async def work(memory: Dense) -> Dense:
        await settled(memory.ingest("c", session("s1", "tea")))
        return memory

    memory = use(work, key_variable="MY_KEY")
    assert server.keys == [f"Bearer {KEY}"]
    for shown in (memory.settings, vars(memory), memory.server, memory.settings.model_dump_json()):
        assert KEY not in repr(shown)
    assert "key_variable" not in memory.settings.model_dump()


def test_without_a_key_none_is_sent(use: Callable[..., None], server: EmbeddingLoopback) -> None:
    async def work(memory: Dense) -> None:
        await settled(memory.ingest("c", session("s1", "tea")))

    use(work)
    assert server.keys == [None]


def fault(use: Callable[..., ProviderError], **settings: object) -> ProviderError:
    async def work(memory: Dense) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            await settled(memory.ingest("c", session("s1", "tea", "milk")))
        assert "\n" not in str(caught.value)
        return caught.value

    return use(work, **settings)


def test_a_refused_key_says_where_it_came_from(
    use: Callable[..., ProviderError], server: EmbeddingLoopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = (401, f'{{"error": "bad key {KEY}"}}'.encode())
    message = str(fault(use))
    assert "embedder m (key: none: EMBEDDING_API_KEY is not set)" in message
    monkeypatch.setenv("EMBEDDING_API_KEY", KEY)
    error = fault(use)
    assert "embedder m (key: EMBEDDING_API_KEY)" in str(error)
    assert "check the key" in str(error)
    assert KEY not in str(error)
    assert not error.transient


def test_a_busy_server_is_worth_another_attempt(use: Callable[..., ProviderError], server: EmbeddingLoopback) -> None:
    server.reply = (503, b"loading the model")
    error = fault(use)
    assert error.transient
    assert "loading the model" in str(error)


def test_nobody_there(use: Callable[..., ProviderError]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = fault(use, embedder=f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
    assert error.transient


def reply(*rows: tuple[int, object]) -> bytes:
    return json.dumps({"data": [{"index": index, "embedding": row} for index, row in rows]}).encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "something else than it should (its answer: Invalid JSON"),
        (b'{"embeddings": [[1, 2]]}', "something else than it should (data: Field required)"),
        (reply((0, "AACAPwAA"), (1, "AACAPwAA")), "something else than it should (data.0.embedding: Input should be"),
        (reply((0, [1.0])), "2 texts were sent, and embeddings came back for 1"),
        (reply((0, [1.0]), (0, [2.0])), "2 texts were sent, and embeddings came back for 2 with the indexes [0, 0]"),
        (reply((0, [1.0]), (2, [2.0])), "with the indexes [0, 2]"),
        (reply((0, [1.0, 0.0]), (1, [2.0])), "vectors of different lengths: [1, 2]"),
        (reply((0, [0.0, 0.0]), (1, [2.0, 1.0])), "vectors without a direction"),
        (reply((0, [1.0, float("nan")]), (1, [2.0, 1.0])), "vectors without a direction"),
    ],
)
def test_an_answer_that_is_none_is_refused(
    use: Callable[..., ProviderError], server: EmbeddingLoopback, body: bytes, message: str
) -> None:
    server.reply = (200, body)
    error = fault(use)
    assert message in str(error)
    assert error.transient is (body == b"<html>")  # which may be a reply that was cut off on its way


def test_a_model_that_changes_its_dimension_is_noticed(
    use: Callable[..., ProviderError], server: EmbeddingLoopback
) -> None:
    async def work(memory: Dense) -> ProviderError:
        await settled(memory.ingest("c", session("s1", "tea")))
        server.dimension = DIMENSION * 2
        with pytest.raises(ProviderError, match=rf"vectors of {DIMENSION * 2} numbers, .* have {DIMENSION}:"):
            await settled(memory.ingest("c", session("s2", "milk")))
        with pytest.raises(ProviderError, match=f"the question {DIMENSION * 2} numbers"):
            await ask(memory, "sugar")
        server.dimension = DIMENSION
        assert ids(await ask(memory, "sugar")) == ["s1-0"], "the session that was refused left nothing"
        return ProviderError("")

    use(work)


def test_many_questions_are_under_way_at_once(use: Callable[..., None], server: EmbeddingLoopback) -> None:
    async def work(memory: Dense) -> None:
        assert memory.limits.concurrency is None
        await settled(memory.ingest("c", session("s1", *(f"word{n}" for n in range(30)))))
        found = await asyncio.gather(*(ask(memory, f"Ann: word{n}", top_k=1) for n in range(30)))
        assert [ids(results) for results in found] == [[f"s1-{n}"] for n in range(30)]

    use(work)
    assert len(server.requests) == 31


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embedder": "ollama"}, "embedder 'ollama' is not an address such as http://"),
        ({"embedder": "localhost:11434/v1"}, "nor 'packaged'"),
        ({"embedder": "http:///v1"}, "is not an address"),
        ({"embedder": "http://host/v1"}, "needs the name of its model: --provider-option embedding_model=NAME"),
        ({"embedder": f"http://me:{KEY}@host/v1", "embedding_model": "m"}, "holds a user, a password or a query"),
        ({"embedder": f"http://host/v1?key={KEY}", "embedding_model": "m"}, "holds a user, a password or a query"),
        ({"embedding_model": "m"}, "is for an embedder by its address: add --provider-option embedder=http://"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_a_line(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        DenseSettings.model_validate(settings)
    assert message in str(refused.value)
    assert KEY not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("address", ["http://host/v1", "http://host/v1/", "http://host/v1/embeddings"])
def test_an_address_may_be_written_in_several_ways(address: str) -> None:
    assert DenseSettings(embedder=address, embedding_model="m").embedder == "http://host/v1"


def test_the_loopback_is_no_trivial_embedder() -> None:
    assert words_vector("tea") != words_vector("milk")
    assert words_vector("tea milk") == pytest.approx(words_vector("milk tea"))
