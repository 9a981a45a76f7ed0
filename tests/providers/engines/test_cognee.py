from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from providers.engines.cognee import Cognee, CogneeSettings
from tests.providers.engines.cognee_graph import graphs
from tests.providers.engines.engine_environments import need
from tests.providers.engines.engine_talk import JUNE, MAY, asking, looped, session
from tests.providers.engines.extraction_server import ExtractionServer, serving
from vocabulary import ProviderError

KEY = "sk-a-key-that-nobody-must-see"


@pytest.fixture(scope="module")
def models() -> Iterator[ExtractionServer]:
    with serving(reply=graphs) as server:
        yield server


def cognee(models: ExtractionServer, folder: Path, **more: Any) -> Cognee:
    chosen = {"llm": "m", "llm_url": models.url, "embedder": "e", "embedder_url": models.url, "embedding_dims": 256}
    return Cognee(CogneeSettings.model_validate({**chosen, **more}), folder)


@looped
async def test_what_was_said_comes_back_with_dates_and_provenance_and_a_failed_model_loses_nothing(
    models: ExtractionServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("cognee")
    monkeypatch.setenv("MEMORY_KEY", KEY)
    sessions = cognee(models, tmp_path, key_variable="MEMORY_KEY")
    messages, graph = cognee(models, tmp_path, items="message"), cognee(models, tmp_path, search="graph")
    await sessions.check()
    monkeypatch.setattr(models, "fault", lambda asked: 503 if asked.kind == "chat" else None)
    with pytest.raises(ProviderError) as failed:
        await sessions.ingest("sessions", MAY)
    monkeypatch.undo()
    for said in (MAY, JUNE, session("undated", "Ann: The heron nests beside our pond."), MAY):
        await sessions.ingest("sessions", said)
    for said in (MAY, JUNE):
        await messages.ingest("messages/of all.", said)
    by_session = await sessions.search("sessions", asking("tulips boat violin heron"), 50)
    by_message = await messages.search("messages/of all.", asking("Who planted tulips along the garden wall?"), 2)
    (context,) = await graph.search("sessions", asking("Who planted tulips?"), 5)
    nothing = [await sessions.search("never was", asking("tulips"), 5)]
    await sessions.clear("sessions")
    await sessions.clear("never was")
    nothing.append(await sessions.search("sessions", asking("tulips"), 5))
    for provider in (sessions, messages, graph):
        await provider.close()
    assert failed.value.transient
    assert KEY not in str(failed.value)
    dates = {one.session_ids: one.timestamp for one in by_session}
    assert dates == {("may",): datetime(2023, 5, 8, 13, 56), ("june",): datetime(2023, 6, 1, 9, 30), ("undated",): None}
    assert set(Counter(one.text for one in by_session).values()) == {1}, "nothing is there twice"
    assert len(by_message) == 2
    assert by_message[0].text == "Ann: I planted tulips along the garden wall."
    assert (by_message[0].session_ids, by_message[0].message_ids) == (("may",), ("may-0",))
    assert (by_message[0].score or 0) > (by_message[1].score or 0)
    assert "tulips" in context.text
    assert (context.session_ids, context.score) == ((), None)
    assert nothing == [[], []]
    assert not (tmp_path / "server" / "server.json").exists(), "the last one has stopped it"
