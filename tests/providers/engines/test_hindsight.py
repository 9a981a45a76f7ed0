from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from providers.engines.hindsight import Hindsight, HindsightSettings
from tests.providers.engines.engine_environments import need
from tests.providers.engines.engine_talk import JUNE, MAY, asking, looped, session
from tests.providers.engines.extraction_server import ExtractionServer, serving
from tests.providers.engines.hindsight_facts import facts
from vocabulary import ConfigurationError, ProviderError

KEY = "sk-a-key-that-nobody-must-see"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("hindsight")
    return tmp_path_factory.mktemp("hindsight")


@pytest.fixture(scope="module")
def models() -> Iterator[ExtractionServer]:
    with serving(reply=facts) as server:
        yield server


def hindsight(models: ExtractionServer, folder: Path, **more: Any) -> Hindsight:
    chosen = {"llm": "m", "llm_url": models.url, "embedder": "e", "embedder_url": models.url, **more}
    return Hindsight(HindsightSettings.model_validate(chosen), folder)


@looped
async def test_a_server_is_started_and_what_was_said_comes_back_with_dates_and_provenance(
    models: ExtractionServer, folder: Path
) -> None:
    first, second = hindsight(models, folder), hindsight(models, folder, items="message")
    await first.check()
    undated = session("undated", "Ann: The heron nests beside our pond.")
    for said in (MAY, JUNE, undated, MAY):  # the last one is there already
        await first.ingest("sessions", said)
    for said in (MAY, JUNE):
        await second.ingest("messages/of all", said)  # a name with what an address would take for its own
    await asyncio.gather(first.await_indexing("sessions"), second.await_indexing("messages/of all"))
    await first.close()  # the server goes on: the other one uses it
    tulips = await second.search("messages/of all", asking("Who planted tulips along the garden wall?"), 50)
    few = await second.search("messages/of all", asking("tulips boat violin"), 2)
    again = hindsight(models, folder)
    by_session = await again.search("sessions", asking("tulips boat violin heron"), 50)
    nothing = [
        await again.search("sessions", asking("🦔"), 5),
        await again.search("never was", asking("tulips"), 5),
    ]
    await again.clear("sessions")
    await again.clear("never was")
    nothing.append(await again.search("sessions", asking("tulips"), 5))
    await asyncio.gather(again.close(), second.close())
    assert tulips[0].text == "Ann: I planted tulips along the garden wall."
    assert (tulips[0].session_ids, tulips[0].message_ids) == (("may",), ("may-0",))
    assert tulips[0].timestamp == datetime(2023, 5, 8, 13, 56)
    kinds = Counter((one.raw["type"], one.text) for one in by_session if isinstance(one.raw, dict))
    assert set(kinds.values()) == {1}, "nothing is there twice"
    assert {kind for kind, _text in kinds} == {"world", "observation"}
    assert {(*one.session_ids, one.timestamp) for one in by_session if "heron" in one.text} == {("undated", None)}
    assert {one.session_ids for one in by_session} == {("may",), ("june",), ("undated",)}
    assert len(few) == 2
    assert nothing == [[], [], []]
    assert not (folder / "server" / "server.json").exists(), "the last one has stopped it"


@looped
async def test_what_a_model_does_wrong_is_an_error_without_its_key(
    models: ExtractionServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_KEY", KEY)
    provider = hindsight(models, folder, key_variable="MEMORY_KEY", embedder_key_variable="MEMORY_KEY")
    monkeypatch.setattr(models, "fault", lambda asked: 401 if asked.key == KEY else None)
    with pytest.raises(ProviderError, match=r"401.*check the key"):
        await provider.check()
    monkeypatch.setattr(models, "fault", lambda asked: 503 if asked.kind == "chat" else None)
    with pytest.raises(ProviderError, match="hindsight") as failed:
        await provider.ingest("c", MAY)
    monkeypatch.undo()
    await provider.ingest("c", MAY)
    await provider.await_indexing("c")
    found = await provider.search("c", asking("tulips boat"), 50)
    await provider.close()
    assert failed.value.transient
    assert KEY not in str(failed.value)
    assert Counter(one.text for one in found if "tulips" in one.text).total() == 2, "a fact, and its observation"


def test_what_is_not_installed_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORYBENCH_ENGINES", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"hindsight.*make engine-hindsight.*MEMORYBENCH_ENGINES"):
        HindsightSettings(llm_url="http://127.0.0.1:1/v1", embedder_url="http://127.0.0.1:1/v1")
