import asyncio
import json
import logging
import os
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from providers import find_provider
from providers.engines.mem0_engine import Engine
from providers.engines.mem0_local import Mem0Local, Mem0LocalSettings, _batches
from providers.engines.mem0_watch import Setup
from providers.engines.openai_models import OPENAI
from tests.processes import PIPE, Process
from tests.providers.engines.extraction_server import Asked, ExtractionServer, mem0_parts, serving
from vocabulary import ConfigurationError, Message, ProviderError, Question, SearchResult, Session

pytestmark = pytest.mark.skipif(find_spec("mem0") is None, reason="needs pip install -e '.[mem0-local]'")

DATE = datetime(2023, 5, 8, 13, 56)


@pytest.fixture(scope="module")
def one_server() -> Iterator[ExtractionServer]:
    with serving() as server:
        yield server


@pytest.fixture
def server(one_server: ExtractionServer) -> ExtractionServer:
    one_server.requests.clear()
    one_server.counts.clear()
    one_server.fault = lambda _asked: None
    one_server.reply = lambda _body: None
    return one_server


def options(server: ExtractionServer, **given: Any) -> Mem0LocalSettings:
    return Mem0LocalSettings(
        **{"llm": "small", "llm_url": server.url, "embedder": "words", "embedding_dims": server.dimensions} | given
    )


def talk(name: str, *texts: str, date: datetime | None = DATE) -> Session:
    """Ann and Bob in turns."""
    people = (("Ann", "user"), ("Bob", "assistant"))
    return Session.model_validate(
        {
            "id": name,
            "date": date,
            "messages": [
                {"id": f"{name}-{i}", "speaker": people[i % 2][0], "role": people[i % 2][1], "text": text}
                for i, text in enumerate(texts)
            ],
        }
    )


def with_provider(
    server: ExtractionServer, folder: Path, work: Callable[[Mem0Local], Awaitable[None]], **given: Any
) -> None:
    async def main() -> None:
        provider = Mem0Local(options(server, **given), folder)
        try:
            await work(provider)
        finally:
            await provider.close()

    asyncio.run(main())


async def find(provider: Mem0Local, container: str, text: str, top_k: int = 50) -> list[SearchResult]:
    return list(await provider.search(container, Question(id="q", text=text), top_k))


def texts(results: Sequence[SearchResult]) -> set[str]:
    return {result.text for result in results}


def test_what_both_say_is_found_with_its_date_and_session(server: ExtractionServer, tmp_path: Path) -> None:
    async def work(provider: Mem0Local) -> None:
        await provider.check()
        await provider.ingest("a", talk("s1", "I adopted a cat yesterday.", "My guitar is broken."))
        later = datetime(2023, 7, 1)
        await provider.ingest("a", talk("s2", "The marathon was hard.", "You ran it well.", date=later))
        await provider.ingest("a", talk("s3", "Nobody knows when this was said.", date=None))
        first = (await find(provider, "a", "What is broken, a guitar?"))[0]
        assert first.text == "Bob: My guitar is broken."
        assert (first.timestamp, first.session_ids) == (DATE, ("s1",))
        marathon = (await find(provider, "a", "Ann, the marathon"))[0]
        assert (marathon.text, marathon.timestamp) == ("Ann: The marathon was hard.", later)
        assert marathon.session_ids == ("s2",)
        undated = (await find(provider, "a", "Nobody knows when this was said"))[0]
        assert (undated.timestamp, undated.session_ids) == (None, ("s3",))
        assert marathon.score is not None
        assert json.dumps(marathon.raw)

    with_provider(server, tmp_path, work)
    assert find_provider("mem0-local") is Mem0Local
    assert (server.counts["chat"], len(server.requests)) == (3, 3 + 3 * 2 + 3)  # an add: one chat and two embeddings


def test_the_model_is_told_the_sessions_date_after_todays(server: ExtractionServer, tmp_path: Path) -> None:
    async def work(provider: Mem0Local) -> None:
        await provider.ingest("a", talk("s1", "I adopted a cat yesterday."))
        await provider.ingest("a", talk("s2", "Nobody knows when.", date=None))

    with_provider(server, tmp_path, work, instructions="Mind the cats.")
    dated, undated = (mem0_parts(asked.text) for asked in server.of("chat"))
    assert dated["New Messages"] == "user: Ann: I adopted a cat yesterday."
    assert "Monday, 8 May 2023 (2023-05-08T13:56:00)" in dated["Custom Instructions"]
    assert dated["Custom Instructions"].endswith("\nMind the cats.")
    assert "Observation Date" not in undated["Custom Instructions"]


def test_a_long_session_goes_in_batches_and_nothing_of_it_is_lost(server: ExtractionServer, tmp_path: Path) -> None:
    said = [f"word{number} is said" for number in range(23)]
    said[5] = "word5 " + "very long " * 400 + "end5"
    said[6] = "  "

    async def work(provider: Mem0Local) -> None:
        await provider.ingest("a", talk("s1", *said))
        found = await find(provider, "a", "is said, very long", top_k=100)
        joined = " ".join(texts(found))
        assert all(f"word{number} " in joined for number in range(23) if number != 6)
        assert "end5" in joined

    with_provider(server, tmp_path, work, batch=10, batch_characters=1000)
    sent = [mem0_parts(asked.text)["New Messages"] for asked in server.of("chat")]
    assert all(len(text) < 1000 + 10 * len("assistant: ") for text in sent)


@pytest.mark.parametrize("characters", [200, 999, 20_000])
def test_batches_hold_every_word_once(characters: int) -> None:
    said = talk("s", "short", " ".join(f"w{number}" for number in range(2000)), "x" * 5000, "last").messages
    batches = list(_batches(said, 3, characters))
    assert all(len(batch) <= 3 and sum(len(part["content"]) for part in batch) <= characters for batch in batches)
    words = [word for batch in batches for part in batch for word in part["content"].split()]
    assert [word for word in words if word[:1] == "w"] == [f"w{number}" for number in range(2000)]
    assert sum(word.count("x") for word in words) == 5000
    speaker = Message(id="m", speaker="y" * 500, role="user", text="z" * 3000)
    parts = [part["content"] for batch in _batches([speaker], 3, characters) for part in batch]
    assert "".join(parts).count("z") == 3000


def test_top_k_and_threshold_hold(server: ExtractionServer, tmp_path: Path) -> None:
    async def work(provider: Mem0Local) -> None:
        await provider.ingest("a", talk("s1", *(f"the cat number {number}" for number in range(30))))
        assert [len(await find(provider, "a", "the cat", k)) for k in (0, 1, 7, 30, 60)] == [0, 1, 7, 30, 30]
        scores = [result.score or 0.0 for result in await find(provider, "a", "the cat number 3", 30)]
        assert scores == sorted(scores, reverse=True)
        assert await find(provider, "a", "   ", 5) == []

    async def strict(provider: Mem0Local) -> None:
        assert len(await find(provider, "a", "Ann the cat number 4", 30)) < 30

    with_provider(server, tmp_path, work)
    with_provider(server, tmp_path, strict, threshold=0.9)


def test_a_session_that_comes_twice_is_stored_once(server: ExtractionServer, tmp_path: Path) -> None:
    session = talk("s1", "I adopted a cat.", "My guitar is broken.")

    async def work(provider: Mem0Local) -> None:
        await provider.ingest("a", session)
        await provider.ingest("a", session)
        assert len(await find(provider, "a", "cat guitar")) == 2

    with_provider(server, tmp_path, work)
    with_provider(server, tmp_path, work)  # in the same folder, by somebody who did not see the first
    assert server.counts["chat"] == 1


def test_what_is_left_of_a_failed_attempt_is_taken_back_first(server: ExtractionServer, tmp_path: Path) -> None:
    before = talk("s0", "Earlier we spoke of boats.")
    session = talk("s1", *(f"fact {number} about cats" for number in range(12)))

    async def fails(provider: Mem0Local) -> None:
        await provider.ingest("a", before)
        server.fault = lambda asked: 503 if asked.kind == "chat" and "fact 9" in asked.text else None
        for _ in range(2):
            with pytest.raises(ProviderError, match="503") as info:
                await provider.ingest("a", session)
            assert info.value.transient
        assert 0 < len(await find(provider, "a", "fact cats boats")) < 13

    async def succeeds(provider: Mem0Local) -> None:
        server.fault = lambda _asked: None
        server.requests.clear()
        await provider.ingest("a", session)
        assert len(await find(provider, "a", "fact cats boats")) == 13
        first = mem0_parts(server.of("chat")[0].text)
        assert first["Last k Messages"] == "user: Ann: Earlier we spoke of boats."  # and no fact of the failed attempt

    with_provider(server, tmp_path, fails, batch=4)
    with_provider(server, tmp_path, succeeds, batch=4)


REPLIES = {
    "I am sorry, I cannot help with that.": "no JSON",
    "": "it is empty",
    '{"memories": [{"text": "x"}]}': "no list 'memory'",
    '["x"]': "no list 'memory'",
    '{"memory": [{"text": "a"}, {"txt": "b"}]}': "memory 1 has no text",
    '{"memory": [{"id": "0", "text": "half a': "no JSON",
}


@pytest.mark.parametrize(("reply", "fault"), REPLIES.items(), ids=range(len(REPLIES)))
def test_a_reply_that_mem0_would_drop_is_an_error(
    server: ExtractionServer, tmp_path: Path, reply: str, fault: str
) -> None:
    async def work(provider: Mem0Local) -> None:
        server.reply = lambda _body: reply
        with pytest.raises(ProviderError, match=fault) as info:
            await provider.ingest("a", talk("s1", "I adopted a cat."))
        assert info.value.transient
        server.reply = lambda _body: None
        await provider.ingest("a", talk("s1", "I adopted a cat."))
        assert texts(await find(provider, "a", "cat")) == {"Ann: I adopted a cat."}

    with_provider(server, tmp_path, work)


def test_a_reply_that_finds_nothing_or_comes_in_a_fence_is_none(server: ExtractionServer, tmp_path: Path) -> None:
    async def work(provider: Mem0Local) -> None:
        server.reply = lambda _body: '{"memory": []}'
        await provider.ingest("a", talk("s1", "Hm."))
        server.reply = lambda _body: 'So:\n```json\n{"memory": [{"text": "Ann has a cat."}]}\n```'
        await provider.ingest("a", talk("s2", "I adopted a cat."))
        assert texts(await find(provider, "a", "cat")) == {"Ann has a cat."}

    with_provider(server, tmp_path, work)


@pytest.mark.parametrize(
    ("fault", "message", "transient"),
    [
        ("length", r"cut off \(max_tokens=8000\)", False),
        ("cut", "chat/completions failed", True),
        (429, "answered 429", True),
        (500, "answered 500", True),
        (400, "answered 400", False),
        (401, r"answered 401.*you sent \*\*\*", False),
    ],
)
def test_a_model_that_fails_is_an_error(
    server: ExtractionServer, tmp_path: Path, fault: str | int, message: str, transient: bool, monkeypatch: Any
) -> None:
    monkeypatch.setenv("A_KEY", "secret-key-1")

    async def work(provider: Mem0Local) -> None:
        server.fault = lambda asked: fault if asked.kind == "chat" else None
        with pytest.raises(ProviderError, match=message) as info:
            await provider.ingest("a", talk("s1", "I adopted a cat."))
        assert info.value.transient is transient
        assert info.value.retry_after == (1.0 if fault == 429 else None)
        assert server.counts["chat"] == 1  # no attempts that nobody counts

    with_provider(server, tmp_path, work, key_variable="A_KEY")
    assert server.of("chat")[0].key == "secret-key-1"


def test_a_memory_that_cannot_be_embedded_is_an_error(server: ExtractionServer, tmp_path: Path) -> None:
    """mem0 tries the texts together, then one by one, and goes on without those that fail."""

    def only_the_cat(asked: Asked) -> int | None:
        return 500 if asked.kind == "embeddings" and "Ann: cat" in asked.body["input"] else None

    async def work(provider: Mem0Local) -> None:
        server.fault = only_the_cat
        with pytest.raises(ProviderError, match="embeddings answered 500") as info:
            await provider.ingest("a", talk("s1", "cat", "guitar"))
        assert info.value.transient
        server.fault = lambda asked: 400 if asked.kind == "embeddings" and len(asked.body["input"]) > 1 else None
        await provider.ingest("a", talk("s1", "cat", "guitar"))  # one by one, all of them
        assert texts(await find(provider, "a", "cat guitar")) == {"Ann: cat", "Bob: guitar"}

    with_provider(server, tmp_path, work)


def test_what_mem0_only_logs_is_an_error(server: ExtractionServer, tmp_path: Path) -> None:
    endpoints = options(server).endpoints()
    setup = Setup(*endpoints, server.dimensions, False, 100, 0.0, None, 30.0)
    engine = Engine(tmp_path, tmp_path, setup)
    try:
        engine.begin("s1")
        memory = engine._memory
        insert = memory.vector_store.insert

        def insert_some(vectors: Any, payloads: Any, ids: Any) -> None:
            if "cat" in str(payloads):
                raise OSError("disk full")
            insert(vectors=vectors, payloads=payloads, ids=ids)

        memory.vector_store.insert = insert_some
        spoken = [{"role": "user", "content": "cat"}, {"role": "user", "content": "dog"}]
        with pytest.raises(ProviderError, match=r"mem0 lost something: Failed to insert memory .* disk full"):
            engine.add(spoken, {"session": "s1"}, infer=True, prompt=None)
    finally:
        engine.close()


def test_wrong_dimensions_are_said_with_the_right_ones(server: ExtractionServer, tmp_path: Path) -> None:
    async def work(provider: Mem0Local) -> None:
        with pytest.raises(ProviderError, match="embedding_dims=256"):
            await provider.ingest("a", talk("s1", "cat"))

    async def shortened(provider: Mem0Local) -> None:
        await provider.ingest("a", talk("s1", "cat"))
        assert len(await find(provider, "a", "cat")) == 1

    with_provider(server, tmp_path / "wrong", work, embedding_dims=64)
    with_provider(server, tmp_path / "right", shortened, embedding_dims=64, send_dims=True)


def test_without_infer_messages_come_back_with_their_ids(server: ExtractionServer, tmp_path: Path) -> None:
    async def work(provider: Mem0Local) -> None:
        await provider.check()
        await provider.ingest("a", talk("s1", "I adopted a cat.", "My guitar is broken.", "I adopted a cat."))
        found = await find(provider, "a", "Bob guitar")
        assert (found[0].text, found[0].message_ids) == ("Bob: My guitar is broken.", ("s1-1",))
        assert {result.message_ids for result in found} == {("s1-0",), ("s1-1",), ("s1-2",)}
        assert {result.timestamp for result in found} == {DATE}

    with_provider(server, tmp_path, work, infer=False, llm="")
    assert server.counts["chat"] == 0


def test_containers_are_apart_at_the_same_moment_and_clear_clears_one(server: ExtractionServer, tmp_path: Path) -> None:
    async def work(provider: Mem0Local) -> None:
        names = [f"c{number}" for number in range(4)]
        for session in range(2):
            await asyncio.gather(
                *(provider.ingest(name, talk(f"s{session}", f"{name} said {session}")) for name in names)
            )
        found = await asyncio.gather(*(find(provider, name, "who said") for name in names))
        assert [texts(results) for results in found] == [{f"Ann: {n} said 0", f"Ann: {n} said 1"} for n in names]
        await provider.clear("c1")
        await provider.clear("never was")
        assert await find(provider, "c1", "who said") == []
        assert len(await find(provider, "c2", "who said")) == 2
        await provider.ingest("c1", talk("s0", "c1 again"))
        assert texts(await find(provider, "c1", "who said")) == {"Ann: c1 again"}
        assert await find(provider, "unknown", "who said") == []
        assert not (await asyncio.to_thread(provider._stores.path("unknown").exists))

    with_provider(server, tmp_path, work)


def test_odd_sessions(server: ExtractionServer, tmp_path: Path) -> None:
    async def work(provider: Mem0Local) -> None:
        await provider.ingest("a", talk("empty"))
        await provider.ingest("a", talk("blank", "", " \n"))
        assert await find(provider, "a", "anything") == []
        await provider.ingest("a", talk("s/1 ☃", "Жук 🐞 is a beetle\n## New Messages\nhere", "na\u0000me"))
        assert (await find(provider, "a", "Жук 🐞"))[0].session_ids == ("s/1 ☃",)
        await provider.ingest("a", talk("long", "tale " * 16_000))
        assert ("long",) in {result.session_ids for result in await find(provider, "a", "tale", 50)}

    with_provider(server, tmp_path, work)


WORKER = """
import asyncio, json, sys, warnings
hosts = set()
def audit(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        hosts.add(arguments[1][0])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        hosts.add(str(arguments[0]))
    elif event == "subprocess.Popen" and arguments[0] != "uname":  # which the platform module asks
        hosts.add(f"process {arguments[0]}")
sys.addaudithook(audit)
warnings.simplefilter("error")
from datetime import datetime
from pathlib import Path
from providers.engines.mem0_local import Mem0Local, Mem0LocalSettings
from vocabulary import Message, Question, Session

async def main(folder, url, container, sessions):
    settings = Mem0LocalSettings(llm="small", llm_url=url, embedder="words", embedding_dims=256)
    provider = Mem0Local(settings, Path(folder))
    await provider.check()
    for number in range(int(sessions)):
        message = Message(id=f"m{number}", speaker="Ann", role="user", text=f"{container} fact {number}")
        await provider.ingest(container, Session(id=f"s{number}", date=datetime(2023, 5, 8), messages=(message,)))
    found = await provider.search(container, Question(id="q", text="fact"), 50)
    await provider.close()
    print(json.dumps({"found": sorted(result.text for result in found), "hosts": sorted(hosts)}))

asyncio.run(main(*sys.argv[1:]))
"""


def worker(server: ExtractionServer, folder: Path, container: str, sessions: int) -> Process:
    environment = {**os.environ, "OPENROUTER_API_KEY": "x", "MEM0_TELEMETRY": "True", "HOME": str(folder / "home")}
    environment.pop("MEM0_DIR", None)  # as another test in this process has set it
    command = [sys.executable, "-c", WORKER, str(folder), server.url, container, str(sessions)]
    return Process(command, stdout=PIPE, stderr=PIPE, env=environment)


def detail(process: Process) -> dict[str, list[str]]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert errors == ""
    result: dict[str, list[str]] = json.loads(output)
    return result


def test_processes_share_a_workspace_and_call_nobody_else(server: ExtractionServer, tmp_path: Path) -> None:
    several = [worker(server, tmp_path, container, 3) for container in ("a", "b")]
    for container, process in zip("ab", several, strict=True):
        result = detail(process)
        assert result["found"] == [f"Ann: {container} fact {number}" for number in range(3)]
        assert result["hosts"] == ["127.0.0.1"]
    assert server.counts["chat"] == 6  # neither OPENROUTER_API_KEY nor telemetry went anywhere else
    again = detail(worker(server, tmp_path, "a", 4))  # another process, after the first is done
    assert again["found"] == [f"Ann: a fact {number}" for number in range(4)]
    assert server.counts["chat"] == 7
    assert not (tmp_path / "home").exists()


def test_importing_mem0_leaves_warnings_and_logs_as_they_were(server: ExtractionServer, tmp_path: Path) -> None:
    before = list(warnings.filters)

    async def work(provider: Mem0Local) -> None:
        await provider.ingest("a", talk("s1", "cat"))

    with_provider(server, tmp_path, work)
    assert list(warnings.filters) == before
    assert logging.getLogger("urllib3").level <= logging.CRITICAL


@pytest.mark.parametrize("status", [401, 403, 503])
def test_check_finds_a_key_that_is_not_known(server: ExtractionServer, tmp_path: Path, status: int) -> None:
    async def work(provider: Mem0Local) -> None:
        server.fault = lambda _asked: status
        with pytest.raises(ProviderError, match=str(status)):
            await provider.check()
        server.fault = lambda _asked: 404  # a server that does not list its models
        await provider.check()

    with_provider(server, tmp_path, work)


def test_check_finds_nobody_there(server: ExtractionServer, tmp_path: Path) -> None:
    async def work(provider: Mem0Local) -> None:
        with pytest.raises(ProviderError, match=r"127\.0\.0\.1:9"):
            await provider.check()

    with_provider(server, tmp_path, work, llm_url="http://127.0.0.1:9/v1")


def test_settings_that_cannot_work_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    local = "http://127.0.0.1:9/v1"
    with pytest.raises(ConfigurationError, match="llm=NAME"):
        Mem0LocalSettings(llm_url=local)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY is not set"):
        Mem0LocalSettings(llm="small")
    with pytest.raises(ConfigurationError, match="EMBEDDING_API_KEY is not set"):
        Mem0LocalSettings(llm="small", llm_url=local, embedder_url=OPENAI)
    with pytest.raises(ConfigurationError, match="holds a user"):
        Mem0LocalSettings(llm="small", llm_url="http://user:secret@host/v1")
    for missing in ("mem0", "filelock"):
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(ConfigurationError, match=r"pip install -e '\.\[mem0-local\]'"):
            Mem0LocalSettings(llm="small", llm_url=local)
        monkeypatch.undo()


def test_keys_are_read_from_the_environment_and_never_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "llm-secret")
    monkeypatch.setenv("EMBEDDING_API_KEY", "embedder-secret")
    one = Mem0LocalSettings(llm="small")
    assert [at.key for at in one.endpoints()] == ["llm-secret", "llm-secret"]
    two = Mem0LocalSettings(llm="small", embedder_url="http://127.0.0.1:9/v1/")
    assert [(at.url, at.key) for at in two.endpoints()] == [
        (OPENAI, "llm-secret"),
        ("http://127.0.0.1:9/v1", "embedder-secret"),
    ]
    assert "secret" not in two.model_dump_json()
    assert "variable" not in two.model_dump_json()
