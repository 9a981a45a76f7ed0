"""Models asked through batch endpoints, over the vendors' SDKs and a server that speaks their protocols."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from llms.clients import BatchedChat, BatchFile, ChatMessage, Completion, open_chat
from llms.clients.batch_endpoints import OpenAIBatches
from llms.clients.sdk_chat import SdkChat
from tests.llms.clients.asking import KEY, Place
from tests.llms.clients.batch_server import BatchServer
from tests.llms.clients.model_server import serving_as
from vocabulary import ConfigurationError, ModelError, ReplyError

EVERY_FORM = pytest.mark.parametrize("form", ["openai", "anthropic"])
QUIET = 0.05


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(variable, KEY)
    with serving_as(BatchServer(reply=lambda asked: json.dumps({"kind": "city", "why": asked.text}))) as server:
        yield server


def message(text: str) -> list[ChatMessage]:
    return [ChatMessage(role="system", content="Say where."), ChatMessage(role="user", content=text)]


def ask(
    server: BatchServer, form: str, record: Path, texts: Sequence[str], repeat: int = 0
) -> list[Completion[Place] | BaseException]:
    """All of `texts` at once, as a process would that begins and ends with them."""

    async def run() -> list[Completion[Place] | BaseException]:
        chat = BatchedChat(open_chat(server.name(form)), BatchFile(record), quiet_seconds=QUIET)
        try:
            asked = (chat.for_repeat(repeat).complete(message(text), max_tokens=64, reply=Place) for text in texts)
            return await asyncio.gather(*asked, return_exceptions=True)
        finally:
            await chat.close()

    return asyncio.run(run())


def whys(ended: Sequence[Completion[Place] | BaseException]) -> list[str]:
    parsed = [one.parsed for one in ended if isinstance(one, Completion)]
    assert len(parsed) == len(ended), ended
    return [place.why for place in parsed if place is not None]


@EVERY_FORM
def test_many_requests_are_one_batch_and_each_gets_its_own_reply(
    server: BatchServer, form: str, tmp_path: Path
) -> None:
    texts = [f"question {number}" for number in range(300)]
    ended = ask(server, form, tmp_path / "record", texts)
    assert whys(ended) == texts
    assert [len(lines) for lines in server.batches.values()] == [300]
    first = ended[0]
    assert isinstance(first, Completion)
    assert (first.usage.input_tokens, first.usage.calls, first.usage.batched) == (100, 1, 1)
    assert first.model == "served-model-1"
    assert {asked.key for asked in server.requests} == {KEY}


@EVERY_FORM
def test_the_request_is_the_same_as_without_a_batch(server: BatchServer, form: str, tmp_path: Path) -> None:
    ask(server, form, tmp_path / "record", ["where?"])

    async def plainly() -> None:
        chat = open_chat(server.name(form))
        assert isinstance(chat, SdkChat)
        await chat.complete(message("where?"), max_tokens=64, reply=Place)
        await chat.close()

    asyncio.run(plainly())
    in_batch, alone = server.requests
    assert in_batch.body == alone.body


@EVERY_FORM
def test_what_was_sent_is_not_sent_again_by_the_next_process(server: BatchServer, form: str, tmp_path: Path) -> None:
    record, texts = tmp_path / "record", ["one", "two", "three"]
    server.held.set()

    async def killed() -> None:
        chat = BatchedChat(open_chat(server.name(form)), BatchFile(record), quiet_seconds=QUIET)
        waiting = [asyncio.ensure_future(chat.complete(message(text), max_tokens=64, reply=Place)) for text in texts]
        async with asyncio.timeout(20):
            while not any(server.looks.values()):  # noqa: ASYNC110  set from another thread
                await asyncio.sleep(0.01)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await chat.close()

    asyncio.run(killed())
    server.held.clear()
    assert whys(ask(server, form, record, [*texts, "four"])) == [*texts, "four"]
    assert [len(lines) for lines in server.batches.values()] == [3, 1]
    assert whys(ask(server, form, record, texts)) == texts  # as often as they are asked for
    assert len(server.batches) == 2
    BatchFile(record).forget_all()
    assert whys(ask(server, form, record, texts)) == texts
    assert len(server.batches) == 3


@EVERY_FORM
def test_repeats_are_requests_of_their_own_and_the_same_request_is_sent_once(
    server: BatchServer, form: str, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    assert whys(ask(server, form, record, ["same", "same"])) == ["same", "same"]
    ask(server, form, record, ["same"], repeat=1)
    assert [len(lines) for lines in server.batches.values()] == [1, 1]
    ask(server, form, record, ["same"], repeat=1)
    assert len(server.batches) == 2


@EVERY_FORM
@pytest.mark.parametrize(
    ("fault", "kind", "transient", "says"),
    [
        ("500", ModelError, True, "refused with 500"),
        ("400", ModelError, False, "refused with 400"),
        ("expired", ModelError, False, "expired"),
        ("missing", ModelError, False, "nothing for this request"),
        ("length", ModelError, False, "cut off"),
        ("withheld", ModelError, False, "withheld"),
        ("not-json", ReplyError, False, "I would rather not"),
    ],
)
def test_a_request_that_fails_stops_no_other_and_is_sent_anew(
    server: BatchServer, form: str, fault: str, kind: type[ModelError], transient: bool, says: str, tmp_path: Path
) -> None:
    server.fault = lambda asked: fault if asked.text == "bad" else None
    good, bad = ask(server, form, tmp_path / "record", ["good", "bad"])
    assert whys([good]) == ["good"]
    assert type(bad) is kind
    assert (bad.transient, says in str(bad)) == (transient, True), str(bad)
    if isinstance(bad, ReplyError):
        assert bad.usage is not None
        assert bad.usage.batched == 1
    server.fault = lambda _asked: None
    assert whys(ask(server, form, tmp_path / "record", ["good", "bad"])) == ["good", "bad"]
    assert [[one["asked"].text for one in lines] for lines in server.batches.values()] == [["good", "bad"], ["bad"]]


@EVERY_FORM
def test_a_look_that_fails_is_made_again(server: BatchServer, form: str, tmp_path: Path) -> None:
    server.never_whole = 3
    assert whys(ask(server, form, tmp_path / "record", ["one"])) == ["one"]
    assert len(server.batches) == 1


def test_a_batch_that_is_refused_as_a_whole(server: BatchServer, tmp_path: Path) -> None:
    server.refused = True
    ended = ask(server, "openai", tmp_path / "record", ["one", "two"])
    assert all("Enqueued token limit reached" in str(error) for error in ended)
    server.refused = False
    assert whys(ask(server, "openai", tmp_path / "record", ["one", "two"])) == ["one", "two"]


@EVERY_FORM
def test_waiting_has_an_end(server: BatchServer, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llms.clients.batches.LONGEST_SECONDS", 0.2)
    server.held.set()
    (error,) = ask(server, form, tmp_path / "record", ["one"])
    assert isinstance(error, ModelError)
    assert "has not ended" in str(error)


def test_a_full_batch_is_sent_and_another_begun(
    server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenAIBatches, "most_requests", 4)
    texts = [str(number) for number in range(10)]
    assert whys(ask(server, "openai", tmp_path / "record", texts)) == texts
    assert sorted(len(lines) for lines in server.batches.values()) == [2, 4, 4]


@EVERY_FORM
def test_a_server_without_batches_says_so_and_no_key(server: BatchServer, form: str, tmp_path: Path) -> None:
    name = server.name(form).replace("/v1", "") + "/nowhere"

    async def run() -> None:
        chat = BatchedChat(open_chat(name), BatchFile(tmp_path / "record"), quiet_seconds=QUIET)
        try:
            await chat.complete(message("one"), max_tokens=64, reply=Place)
        finally:
            await chat.close()

    with pytest.raises(ModelError, match="answered 404") as caught:
        asyncio.run(run())
    assert KEY not in str(caught.getrepr(style="long", showlocals=True, chain=True))


def test_models_and_settings_that_cannot_be(
    server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match=r"gemini-3.5-flash cannot be asked in batches"):
        BatchedChat(open_chat("gemini-3.5-flash"), BatchFile(tmp_path / "record"))
    for wrong in ("soon", "0", "-1", "nan"):
        monkeypatch.setenv("MEMORYBENCH_BATCH_QUIET_SECONDS", wrong)
        with pytest.raises(ConfigurationError, match=f"SECONDS='{wrong}'"):
            BatchedChat(open_chat(server.name("openai")), BatchFile(tmp_path / "record"))
