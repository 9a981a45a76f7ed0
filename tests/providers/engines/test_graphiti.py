from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from providers.engines.graphiti import Graphiti, GraphitiSettings
from providers.engines.openai_models import require
from tests.processes import PIPE, Process
from tests.processes import run as run_process
from tests.providers.engines.engine_talk import JUNE, MAY, asking, looped, session
from tests.providers.engines.extraction_server import Asked, ExtractionServer, serving
from tests.providers.engines.graph_extraction import graph
from tests.repository import ROOT
from vocabulary import ConfigurationError, Message, ProviderError, SearchResult

pytestmark = pytest.mark.skipif(
    not (find_spec("graphiti_core") and find_spec("kuzu")), reason="needs pip install -e '.[graphiti]'"
)

WORKER = (sys.executable, "-W", "error", "-m", "tests.providers.engines.engine_worker")
KEY = "sk-a-key-that-nobody-must-see"


@pytest.fixture(scope="module")
def model_server() -> Iterator[ExtractionServer]:
    with serving(reply=graph) as server:
        yield server


@pytest.fixture
def server(model_server: ExtractionServer) -> Iterator[ExtractionServer]:
    model_server.requests.clear()
    model_server.counts.clear()
    yield model_server
    model_server.fault = lambda _asked: None


def settings(server: ExtractionServer, **more: Any) -> GraphitiSettings:
    return GraphitiSettings(llm="m", llm_url=server.url, embedder="e", embedder_url=server.url, **more)


@looped
async def test_facts_of_both_speakers_come_back_with_their_dates_and_messages(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = Graphiti(settings(server), tmp_path)
    for said in (MAY, JUNE):
        await provider.ingest("c", said)
    await provider.close()
    again = Graphiti(settings(server), tmp_path)  # what search needs is found in the workspace
    tulips = (await again.search("c", asking("Who planted tulips along the garden wall?"), 5))[0]
    boat = (await again.search("c", asking("Whose sister sails a wooden boat?"), 5))[0]
    violin = (await again.search("c", asking("When did the violin lessons begin?"), 5))[0]
    few = await again.search("c", asking("tulips boat violin garden sister lessons"), 2)
    await again.close()
    assert [where(result) for result in (tulips, boat, violin)] == [
        (("may",), ("may-0",), datetime(2023, 5, 8, 13, 56)),
        (("may",), ("may-1",), datetime(2023, 5, 8, 13, 56)),
        (("june",), ("june-0",), datetime(2023, 6, 1, 9, 30)),
    ]
    assert tulips.text == "Ann: I planted tulips along the garden wall."
    assert tulips.score is not None
    assert len(few) == 2


@looped
async def test_a_question_is_found_by_its_words_though_kuzu_takes_its_mark_for_a_wildcard(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = Graphiti(settings(server), tmp_path)
    await provider.ingest(
        "c", session("s", "Ann: Our neighbour Casimir breeds alpacas, does he not? All of them *white*.")
    )
    found = await provider.search("c", asking("Which animals does the neighbour Casimir breed?"), 5)
    await provider.close()
    assert [result.message_ids for result in found] == [("s-0",)]


@looped
async def test_a_session_that_is_ingested_again_asks_no_model_and_stores_nothing(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = Graphiti(settings(server), tmp_path)
    await provider.ingest("c", MAY)
    before = dict(server.counts)
    await provider.ingest("c", MAY)
    after = dict(server.counts)
    results = await provider.search("c", asking("tulips garden wall sister wooden boat islands"), 50)
    await provider.close()
    assert after == before
    assert sorted(result.message_ids for result in results) == [("may-0",), ("may-1",)]


@looped
async def test_an_ingest_that_failed_midway_goes_on_after_the_last_message_that_was_stored_whole(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = Graphiti(settings(server), tmp_path)
    server.fault = lambda asked: 503 if "sails" in asked.text and asked.kind == "chat" else None
    with pytest.raises(ProviderError) as failed:
        await provider.ingest("c", MAY)
    server.fault = lambda _asked: None
    server.requests.clear()
    await provider.ingest("c", MAY)
    results = await provider.search("c", asking("tulips garden wall sister wooden boat islands"), 50)
    await provider.close()
    assert failed.value.transient
    assert failed.value.status == 503
    assert not [asked for asked in server.of("chat") if "CURRENT MESSAGE>\nAnn: I planted" in asked.text]
    assert sorted(result.message_ids for result in results) == [("may-0",), ("may-1",)]


@looped
async def test_what_an_attempt_left_half_written_is_removed_before_the_next(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = Graphiti(settings(server), tmp_path)
    await provider.ingest("c", MAY)
    await provider.close()
    forget_last_episode(tmp_path)  # as if it had ended while that was written
    again = Graphiti(settings(server), tmp_path)
    await again.ingest("c", MAY)
    results = await again.search("c", asking("tulips garden wall sister wooden boat islands"), 50)
    await again.close()
    assert sorted(result.message_ids for result in results) == [("may-0",), ("may-1",)]


@looped
async def test_containers_do_not_know_of_each_other_and_an_unknown_one_is_empty(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = Graphiti(settings(server), tmp_path)
    await asyncio.gather(provider.ingest("one", MAY), provider.ingest("two", JUNE))
    one = await provider.search("one", asking("violin lessons tulips"), 10)
    two = await provider.search("two", asking("violin lessons tulips"), 10)
    nobody = await provider.search("three", asking("violin"), 10)
    silent = await provider.search("one", asking("  "), 10)
    await provider.clear("one")
    await provider.clear("never was")
    cleared = await provider.search("one", asking("tulips"), 10)
    kept = await provider.search("two", asking("violin lessons"), 10)
    await provider.close()
    assert {result.session_ids for result in one} == {("may",)}
    assert {result.session_ids for result in two} == {("june",)}
    assert (nobody, silent, cleared) == ([], [], [])
    assert len(kept) == 1


@looped
async def test_a_session_without_a_date_has_none_in_results(server: ExtractionServer, tmp_path: Path) -> None:
    provider = Graphiti(settings(server), tmp_path)
    await provider.ingest("c", session("undated", "Ann: The heron nests beside our pond."))
    (result,) = await provider.search("c", asking("Where does the heron nest?"), 5)
    await provider.close()
    assert where(result) == (("undated",), ("undated-0",), None)


@looped
async def test_a_session_may_be_one_episode_and_entities_and_episodes_be_found(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = Graphiti(settings(server, episodes="session", search="combined"), tmp_path)
    await provider.ingest("c", MAY)
    results = await provider.search("c", asking("Who planted tulips along the garden wall?"), 50)
    await provider.close()
    entities = [asked for asked in server.of("chat") if schema(asked) == "ExtractedEntities"]
    assert len(entities) == 1
    assert {result.message_ids for result in results} == {("may-0", "may-1")}
    assert "\n".join(message.rendered() for message in MAY.messages) in {result.text for result in results}
    assert any(result.text.startswith("Ann: Ann: I planted") for result in results)  # the entity's summary


@looped
async def test_a_message_that_says_nothing_is_left_out(server: ExtractionServer, tmp_path: Path) -> None:
    provider = Graphiti(settings(server), tmp_path)
    await provider.ingest("c", session("s", "Ann: ", "Bob:  "))
    results = await provider.search("c", asking("anything"), 5)
    await provider.close()
    assert results == []
    assert server.counts["chat"] == 0


@pytest.mark.parametrize("fault", [429, 500, "cut", "length"])
@looped
async def test_what_a_model_does_wrong_is_an_error_worth_another_attempt(
    server: ExtractionServer, tmp_path: Path, fault: int | str
) -> None:
    server.fault = lambda _asked: fault
    provider = Graphiti(settings(server), tmp_path)
    with pytest.raises(ProviderError, match="graphiti") as failed:
        await provider.ingest("c", MAY)
    await provider.close()
    assert failed.value.transient
    assert failed.value.retry_after == (1.0 if fault == 429 else None)
    assert server.counts["chat"] == 1  # neither OpenAI's client nor graphiti asked again


@looped
async def test_an_embedder_that_fails_fails_the_search(server: ExtractionServer, tmp_path: Path) -> None:
    provider = Graphiti(settings(server), tmp_path)
    await provider.ingest("c", JUNE)
    server.fault = lambda _asked: 400
    with pytest.raises(ProviderError, match="400") as failed:
        await provider.search("c", asking("violin"), 5)
    await provider.close()
    assert not failed.value.transient


@looped
async def test_a_key_that_is_not_known_is_found_before_anything_is_stored_and_never_shown(
    server: ExtractionServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPH_KEY", KEY)
    chosen = settings(server, key_variable="GRAPH_KEY", embedder_key_variable="GRAPH_KEY")
    provider = Graphiti(chosen, tmp_path)
    await provider.check()
    server.fault = lambda asked: 401 if asked.key == KEY else None
    with pytest.raises(ProviderError, match=r"401.*check the key") as failed:
        await provider.check()
    await provider.close()
    assert KEY not in str(failed.value)
    assert not failed.value.transient
    assert KEY not in chosen.model_dump_json()
    assert server.counts == {}


def test_a_small_model_is_asked_the_simple_things(server: ExtractionServer, tmp_path: Path) -> None:
    async def run() -> None:
        provider = Graphiti(settings(server, small_llm="tiny"), tmp_path)
        for said in (MAY, session("again", "Ann: I planted roses along the garden wall.")):
            await provider.ingest("c", said)
        await provider.close()

    asyncio.run(run())
    models = {(schema(asked), asked.body["model"]) for asked in server.of("chat")}
    assert ("ExtractedEntities", "m") in models
    assert ("EdgeDuplicate", "tiny") in models


OPEN_TWO = """
import resource, sys, warnings
from pathlib import Path
from providers.engines.graphiti_store import open_driver
warnings.simplefilter("ignore")
resource.setrlimit(resource.RLIMIT_AS, (2 * 2**47 // 17,) * 2)
opened = [open_driver(folder) for folder in map(Path, sys.argv[1:])]
for driver in opened:
    driver.client.close()
    driver.db.close()
"""


def test_more_containers_can_be_open_at_once_than_kuzu_has_addresses_for(tmp_path: Path) -> None:
    """By its own default each takes 8 TiB of 128 TiB, enough for fifteen: here two have as many as two of seventeen."""
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        folder.mkdir()
    run_process([sys.executable, "-c", OPEN_TWO, *folders], check=True)


def test_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        GraphitiSettings()


def test_an_address_with_a_key_in_it_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="reports would show"):
        GraphitiSettings(llm_url="http://user:secret@localhost/v1")


def test_two_processes_ingest_two_containers_at_once_and_send_nothing_elsewhere(
    server: ExtractionServer, tmp_path: Path
) -> None:
    """No pytest in them, where graphiti would turn its telemetry off by itself, nor any name but this computer's."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".env").write_text("SECRET_OF_A_FILE=1\n", encoding="utf-8")
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    processes = [
        Process(
            [*WORKER, "graphiti", server.url, str(tmp_path), name],
            env=environment,
            cwd=home,
            stdout=PIPE,
            stderr=PIPE,
        )
        for name in ("one", "two")
    ]
    detail = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], detail
    assert [json.loads(out) for out, _err in detail] == [{"found": ["s-0"], "looked_up": []}] * 2
    assert [err for _out, err in detail] == ["", ""]
    assert sorted(path.name for path in home.iterdir()) == [".env"]


def test_what_a_process_ingested_is_found_after_it_was_killed(server: ExtractionServer, tmp_path: Path) -> None:
    command = [*WORKER, "graphiti", server.url, str(tmp_path), "c", "die"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = run_process(command, env=environment, seconds=60)

    async def search() -> Sequence[SearchResult]:
        provider = Graphiti(settings(server), tmp_path)
        results = await provider.search("c", asking("Where does the lighthouse stand?"), 5)
        await provider.close()
        return results

    assert killed.returncode == 9
    assert [result.message_ids for result in asyncio.run(search())] == [("s-0",)]


@looped
async def test_long_strange_and_many_lined_messages_are_stored(server: ExtractionServer, tmp_path: Path) -> None:
    said = session("s", "Zoë 🦊: Ça va? 東京で会いましょう 🎉", "Ann: " + "a word and another, " * 4000 + "pelican")
    lines = Message(id="lines", speaker="Ann", role="user", text="The recipe:\n- saffron\n- rice\n\nThat is all.")
    provider = Graphiti(settings(server), tmp_path)
    await provider.ingest("c", said.model_copy(update={"messages": (*said.messages, lines)}))
    results = await provider.search("c", asking("saffron rice recipe"), 50)
    everything = await provider.search("c", asking("word another pelican 東京で会いましょう saffron"), 50)
    await provider.close()
    assert results[0].message_ids == ("lines",)
    assert {one for result in everything for one in result.message_ids} >= {"s-1", "lines"}


def test_what_is_not_installed_is_told_with_the_command_that_installs_it() -> None:
    with pytest.raises(ConfigurationError, match=r"no_such_engine.*pip install -e '\.\[graphiti\]'"):
        require("graphiti", "json", "no_such_engine")


def where(result: SearchResult) -> tuple[tuple[str, ...], tuple[str, ...], datetime | None]:
    return result.session_ids, result.message_ids, result.timestamp


def schema(asked: Asked) -> str:
    return str(asked.body["response_format"]["json_schema"]["name"])


def forget_last_episode(workspace: Path) -> None:
    (ledger,) = workspace.rglob("episodes.jsonl")
    lines = ledger.read_text(encoding="utf-8").splitlines(keepends=True)
    ledger.write_text("".join(lines[:-1]), encoding="utf-8")
