"""Memory engines on parts of real conversations, with several workers: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.locomo import LoCoMo
from providers.engines.environments import engine_folder
from tests.bench.plugin.suite import Suite, kill_group, wait
from tests.providers.engines.cognee_graph import graphs
from tests.providers.engines.engine_environments import known_server, need
from tests.providers.engines.extraction_server import ExtractionServer, serving
from tests.providers.engines.graph_extraction import graph
from tests.providers.engines.hindsight_facts import facts

CONVERSATIONS = ("conv-26", "conv-30", "conv-49")
SESSIONS = 2


def mem0_memories(folder: Path) -> Counter[str]:
    """What a store of mem0 holds, read by Qdrant itself."""
    from qdrant_client import QdrantClient

    with closing(QdrantClient(path=str(folder / "qdrant"))) as client:
        (collection,) = [one.name for one in client.get_collections().collections if not one.name.endswith("_entities")]
        points, _next = client.scroll(collection, limit=100_000)
    return Counter(str((point.payload or {})["data"]).strip() for point in points)


def graphiti_episodes(folder: Path) -> Counter[str]:
    """What a graph has been given, read by Kuzu itself."""
    import kuzu

    with (
        closing(kuzu.Database(folder / "graph.kuzu", max_db_size=1 << 36)) as database,
        kuzu.Connection(database) as at,
    ):
        rows: Any = at.execute("MATCH (e:Episodic) RETURN e.content")
        return Counter(str(row[0]).strip() for row in rows.get_all())


def hindsight_facts(provider: Path, models: ExtractionServer) -> dict[str, Counter[str]]:
    """What its banks hold, read by Hindsight itself."""
    server = known_server("hindsight", provider / "server", options("hindsight", models))
    url = asyncio.run(server.url())
    with httpx.Client(base_url=f"{url}/v1/default", timeout=60) as client:
        held = {}
        for bank in client.get("/banks").json()["banks"]:
            wanted = {"limit": "10000", "type": "world"}
            page = client.get(f"/banks/{bank['bank_id']}/memories/list", params=wanted).json()
            assert len(page["items"]) == page["total"]
            held[bank["bank_id"]] = Counter(str(item["text"]).strip() for item in page["items"])
    asyncio.run(server.close())
    return held


def cognee_chunks(provider: Path, models: ExtractionServer) -> dict[str, Counter[str]]:
    """What its datasets hold: their names from its database, their chunks from its search, which bounds nothing."""
    with closing(sqlite3.connect(provider / "server" / "system" / "databases" / "cognee_db")) as database:
        names = [name for (name,) in database.execute("SELECT name FROM datasets")]
    server = known_server("cognee", provider / "server", options("cognee", models))
    url = asyncio.run(server.url())
    held = {}
    for name in names:
        wanted = {"container": name, "query": "all", "kind": "chunks", "top_k": 10_000}
        chunks = httpx.post(f"{url}/search", json=wanted, timeout=60).json()["chunks"]
        held[name] = Counter(str(chunk["text"]).strip() for chunk in chunks)
    asyncio.run(server.close())
    return held


ENGINES: dict[str, tuple[str | None, int, Callable[[Path], Counter[str]] | None]] = {
    "cognee": (None, 20, None),
    "mem0-local": ("mem0", 3, mem0_memories),
    "graphiti": ("graphiti_core", 60, graphiti_episodes),
    "hindsight": (None, 4, None),
}
"""Of each the package, the requests to its model after which it is killed, and what reads a container's folder.

None where it has an environment of its own, and where all containers are in one place.
"""
REPLIES = {"cognee": graphs, "graphiti": graph, "hindsight": facts}
BESIDES = {"cognee": {"items": "message"}, "hindsight": {"items": "message", "observations": "false"}}
TOGETHER = {"cognee": cognee_chunks, "hindsight": hindsight_facts}


@pytest.fixture
def locomo(data_folder: Path, tmp_path: Path) -> LoCoMo:
    """The first sessions of three conversations, and what is asked about these sessions."""
    samples = json.loads((data_folder / "locomo" / "locomo10.json").read_text())
    parts = [shortened(sample) for sample in samples if sample["sample_id"] in CONVERSATIONS]
    (tmp_path / "locomo10.json").write_text(json.dumps(parts))
    return LoCoMo(BenchmarkOptions(data=str(tmp_path)))


def shortened(sample: dict[str, Any]) -> dict[str, Any]:
    within = {f"session_{number}" for number in range(1, SESSIONS + 1)}
    talk = {
        key: value
        for key, value in sample["conversation"].items()
        if key in within or not re.fullmatch(r"session_\d+", key)
    }
    said = {turn["dia_id"] for session in within for turn in talk[session]}
    return {
        **sample,
        "conversation": talk,
        "qa": [asked for asked in sample["qa"] if said.issuperset(asked["evidence"])],
    }


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    package, _requests, _read = ENGINES[name]
    if package is None:
        need(name)
    elif find_spec(package) is None:
        pytest.skip(f"the extra {name} is not installed")
    return name


@pytest.fixture
def server(engine: str) -> Iterator[ExtractionServer]:
    with serving(**({"reply": REPLIES[engine]} if engine in REPLIES else {})) as server:
        yield server


def options(engine: str, server: ExtractionServer) -> dict[str, str]:
    given = {"llm": "m", "llm_url": server.url, "embedder": "e", "embedder_url": server.url, "embedding_dims": "256"}
    return given | BESIDES.get(engine, {})


def command(engine: str, server: ExtractionServer) -> tuple[str, ...]:
    return (
        *("bench", f"--provider={engine}", "-n2", "-k", "locomo"),
        *(f"--provider-option={name}={value}" for name, value in options(engine, server).items()),
    )


def stored(suite: Suite, engine: str, server: ExtractionServer) -> dict[str, Counter[str]]:
    """What each container's store holds, by its conversation."""
    (run_id,) = suite.run_ids
    _package, _requests, read = ENGINES[engine]
    provider = suite.runs / run_id / "providers" / engine
    if read is None:
        held = TOGETHER[engine](provider, server)
    else:
        folders = [folder for folder in (provider / "stores").iterdir() if not folder.name.startswith(".")]
        held = {folder.name: read(folder) for folder in folders}
    return {next(name for name in CONVERSATIONS if container.startswith(name)): one for container, one in held.items()}


def said(locomo: LoCoMo) -> dict[str, Counter[str]]:
    """What was said in each conversation, message by message."""
    haystacks = {case.cluster: case.haystack for case in locomo.cases()}
    whole = {}
    for name in CONVERSATIONS:
        sessions = list(locomo.haystack(haystacks[name]).sessions())
        pieces = [message.rendered() for one in sessions for message in one.messages]
        whole[name] = Counter(piece.strip() for piece in pieces)
    return whole


def check(suite: Suite, engine: str, server: ExtractionServer, locomo: LoCoMo) -> None:
    (result,) = suite.report()["results"]
    assert result["questions"]["judged"] == result["questions"]["selected"] > 0
    kept, expected = stored(suite, engine, server), said(locomo)
    assert kept.keys() == expected.keys()
    for name, pieces in expected.items():
        assert kept[name].keys() == pieces.keys(), "nothing is lost, and nothing made up"
        assert all(number <= pieces[piece] for piece, number in kept[name].items()), "nothing is there twice"


def test_three_conversations_with_two_workers_killed_amidst_the_ingest_and_finished(
    suite: Suite, engine: str, server: ExtractionServer, locomo: LoCoMo, tmp_path: Path
) -> None:
    surroundings = {
        "MEMORYBENCH_DATA": str(tmp_path),
        "MEMORYBENCH_ENGINES": str(engine_folder(engine).parent),
        "OPENAI_API_KEY": "a-key",
        "EMBEDDING_API_KEY": "a-key",
    }
    process = suite.start_fresh(*command(engine, server), **surroundings)
    _package, requests, _read = ENGINES[engine]
    wait(lambda: server.counts["chat"] >= requests or process.poll() is not None, seconds=200)
    kill_group(process, signal.SIGKILL)
    suite.end(process)
    suite.seconds = 400
    resumed = suite.run("--lf", "-n2", **surroundings)
    assert process.returncode == -signal.SIGKILL
    assert "resuming run" in resumed.output
    check(suite, engine, server, locomo)
    (result,) = suite.report()["results"]
    assert json.dumps(result["errors"]) == "[]"
