from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from providers.engines.langmem import LangMem, LangMemSettings
from tests.processes import PIPE, Process
from tests.providers.engines.engine_talk import JUNE, MAY, asking, looped, session
from tests.providers.engines.extraction_server import ExtractionServer, prompt_of, serving
from tests.providers.engines.graph_extraction import memories
from tests.repository import ROOT
from vocabulary import ConfigurationError, ProviderError

pytestmark = pytest.mark.skipif(
    not (find_spec("langmem") and find_spec("langchain_openai")), reason="needs pip install -e '.[langmem]'"
)

KEY = "sk-a-key-that-nobody-must-see"


@pytest.fixture
def server() -> Iterator[ExtractionServer]:
    with serving(reply=memories) as server:
        yield server


def settings(server: ExtractionServer, **more: Any) -> LangMemSettings:
    return LangMemSettings(llm="m", llm_url=server.url, embedder="e", embedder_url=server.url, **more)


@looped
async def test_memories_of_both_speakers_come_back_with_their_dates_and_sessions(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = LangMem(settings(server), tmp_path)
    for said in (MAY, JUNE):
        await provider.ingest("c", said)
    await provider.close()
    again = LangMem(settings(server), tmp_path)  # what search needs is found in the workspace
    tulips = (await again.search("c", asking("Who planted tulips along the garden wall?"), 5))[0]
    boat = (await again.search("c", asking("Whose sister sails a wooden boat?"), 5))[0]
    violin = (await again.search("c", asking("When did the violin lessons begin?"), 5))[0]
    few = await again.search("c", asking("tulips boat violin"), 2)
    await again.close()
    assert (tulips.text, tulips.session_ids, tulips.timestamp) == (
        "Ann: I planted tulips along the garden wall.",
        ("may",),
        datetime(2023, 5, 8, 13, 56),
    )
    assert (boat.session_ids, boat.message_ids) == (("may",), ())
    assert (violin.session_ids, violin.timestamp) == (("june",), datetime(2023, 6, 1, 9, 30))
    assert tulips.score is not None
    assert len(few) == 2


@looped
async def test_the_model_is_told_who_speaks_and_on_what_day(server: ExtractionServer, tmp_path: Path) -> None:
    provider = LangMem(settings(server), tmp_path)
    await provider.ingest("c", MAY)
    await provider.ingest("c", session("undated", "Ann: The heron nests beside our pond."))
    (heron, *_others) = await provider.search("c", asking("Where does the heron nest?"), 5)
    await provider.close()
    dated, undated = (asked.text for asked in server.of("chat"))
    assert "This conversation took place on Monday, 8 May 2023, at 13:56." in dated
    assert "Ann: I planted tulips" in dated
    assert "Bob: My sister" in dated
    assert "took place" not in undated
    assert heron.timestamp is None


@looped
async def test_a_memory_that_is_rewritten_comes_from_both_sessions(server: ExtractionServer, tmp_path: Path) -> None:
    provider = LangMem(settings(server), tmp_path)
    await provider.ingest("c", JUNE)
    (before,) = await provider.search("c", asking("violin"), 5)
    server.reply = rewriting("Ann: The violin lessons ended.")
    later = session("july", "Ann: The violin lessons ended.", date=datetime(2023, 7, 1))
    await provider.ingest("c", later)
    (after,) = await provider.search("c", asking("violin"), 5)
    await provider.close()
    assert before.session_ids == ("june",)
    assert (after.text, after.session_ids) == ("Ann: The violin lessons ended.", ("june", "july"))
    assert after.timestamp == datetime(2023, 7, 1)


@looped
async def test_a_memory_may_be_deleted_where_that_is_allowed(server: ExtractionServer, tmp_path: Path) -> None:
    provider = LangMem(settings(server, deletes=True), tmp_path)
    await provider.ingest("c", JUNE)
    server.reply = deleting
    await provider.ingest("c", session("july", "Ann: Forget the violin."))
    results = await provider.search("c", asking("violin"), 5)
    await provider.close()
    assert results == []


@looped
async def test_a_session_that_is_ingested_again_asks_no_model_and_stores_nothing(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = LangMem(settings(server), tmp_path)
    await provider.ingest("c", MAY)
    before = dict(server.counts)
    await provider.ingest("c", MAY)
    after = dict(server.counts)
    results = await provider.search("c", asking("tulips sister"), 50)
    await provider.close()
    assert after == before
    assert len(results) == 2


@looped
async def test_a_session_whose_memories_cannot_be_embedded_is_not_there_by_half(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = LangMem(settings(server), tmp_path)
    server.fault = lambda asked: 503 if asked.kind == "embeddings" else None
    with pytest.raises(ProviderError) as failed:
        await provider.ingest("c", MAY)
    server.fault = lambda _asked: None
    nothing = await provider.search("c", asking("tulips"), 50)
    await provider.ingest("c", MAY)
    results = await provider.search("c", asking("tulips sister"), 50)
    await provider.close()
    assert failed.value.transient
    assert nothing == []
    assert len(results) == 2


@looped
async def test_containers_do_not_know_of_each_other_and_an_unknown_one_is_empty(
    server: ExtractionServer, tmp_path: Path
) -> None:
    provider = LangMem(settings(server), tmp_path)
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


@pytest.mark.parametrize("known_already", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("fault", [429, 500, "cut"])
@looped
async def test_what_a_model_does_wrong_is_an_error_worth_another_attempt(
    server: ExtractionServer, tmp_path: Path, fault: int | str, known_already: bool
) -> None:
    provider = LangMem(settings(server), tmp_path)
    if known_already:
        await provider.ingest("c", JUNE)
        server.counts.clear()
    server.fault = lambda asked: fault if asked.kind == "chat" else None
    with pytest.raises(ProviderError, match="langmem") as failed:
        await provider.ingest("c", MAY)
    await provider.close()
    assert failed.value.transient
    assert failed.value.retry_after == (1.0 if fault == 429 else None)
    assert server.counts["chat"] == 1  # nobody asked again


@looped
async def test_a_key_that_is_not_known_is_found_before_anything_is_stored_and_never_shown(
    server: ExtractionServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_KEY", KEY)
    chosen = settings(server, key_variable="MEMORY_KEY", embedder_key_variable="MEMORY_KEY")
    provider = LangMem(chosen, tmp_path)
    await provider.check()
    server.fault = lambda asked: 401 if asked.key == KEY else None
    with pytest.raises(ProviderError, match=r"401.*check the key") as failed:
        await provider.check()
    await provider.close()
    assert KEY not in str(failed.value)
    assert KEY not in chosen.model_dump_json()
    assert server.counts == {}


def test_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        LangMemSettings()


def test_two_processes_ingest_two_containers_at_once_and_send_nothing_elsewhere(
    server: ExtractionServer, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LANGSMITH_API_KEY": "x",
        "LANGSMITH_TRACING": "true",  # nothing goes there, whatever the environment says
    }
    processes = [
        Process(
            [
                sys.executable,
                "-W",
                "error",
                "-m",
                "tests.providers.engines.engine_worker",
                "langmem",
                server.url,
                str(tmp_path),
                name,
            ],
            env=environment,
            cwd=tmp_path,
            stdout=PIPE,
            stderr=PIPE,
        )
        for name in ("one", "two")
    ]
    message = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], message
    assert [json.loads(out) for out, _err in message] == [{"found": ["s"], "looked_up": []}] * 2
    assert [err for _out, err in message] == ["", ""]


def rewriting(content: str) -> Callable[[dict[str, Any]], str]:
    """A model that rewrites the one memory that it is shown."""

    def reply(body: dict[str, Any]) -> str:
        patch = [{"op": "replace", "path": "/content", "value": content}]
        return calling("PatchDoc", json_doc_id=known(body), planned_edits="it changed", patches=patch)

    return reply


def deleting(body: dict[str, Any]) -> str:
    """A model that deletes the one memory that it is shown."""
    return calling("RemoveDoc", json_doc_id=known(body))


def calling(tool: str, **arguments: Any) -> str:
    return json.dumps({"tool_calls": [{"name": tool, "arguments": arguments}]})


def known(body: dict[str, Any]) -> str:
    (key,) = re.findall(r"<instance id=(\S+) schema_type", prompt_of(body))
    return str(key)
