"""Memory engines in this process, on real conversations and with several workers: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from suite import ROOT, Suite, kill_group, wait

sys.path.insert(0, str(ROOT / "tests" / "providers"))

from extraction_server import ExtractionServer, serving
from graph_extraction import graph

from bench.base import BenchmarkOptions
from bench.locomo import LoCoMo

DATA = Path(os.environ.get("MEMORYBENCH_DATA") or ROOT.parent / "shared" / "data")
CONVERSATIONS = ("conv-26", "conv-30", "conv-49")
KEYS = {"OPENAI_API_KEY": "a-key", "EMBEDDING_API_KEY": "a-key"}


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


ENGINES: dict[str, tuple[str, Callable[[Path], Counter[str]]]] = {
    "mem0-local": ("mem0", mem0_memories),
    "graphiti": ("graphiti_core", graphiti_episodes),
}


@pytest.fixture(scope="module")
def locomo() -> LoCoMo:
    if not (DATA / "locomo" / "locomo10.json").is_file():
        pytest.skip(f"no locomo/locomo10.json in {DATA}: set MEMORYBENCH_DATA")
    return LoCoMo(BenchmarkOptions(data=str(DATA)))


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    if find_spec(ENGINES[name][0]) is None:
        pytest.skip(f"the extra {name} is not installed")
    return name


@pytest.fixture
def server(engine: str) -> Iterator[ExtractionServer]:
    with serving(**({"reply": graph} if engine == "graphiti" else {})) as server:
        yield server


def command(engine: str, server: ExtractionServer) -> tuple[str, ...]:
    options = {"llm": "m", "llm_url": server.url, "embedder": "e", "embedder_url": server.url, "embedding_dims": "256"}
    return (
        *("bench", f"--provider={engine}", "-n3", "-k", f"locomo and ({' or '.join(CONVERSATIONS)})"),
        *(f"--provider-option={name}={value}" for name, value in options.items()),
    )


def stored(suite: Suite, engine: str) -> dict[str, Counter[str]]:
    """What each container's store holds, by its conversation."""
    (run_id,) = suite.run_ids
    _package, read = ENGINES[engine]
    stores = suite.runs / run_id / "providers" / engine / "stores"
    folders = [folder for folder in stores.iterdir() if not folder.name.startswith(".")]
    return {next(name for name in CONVERSATIONS if folder.name.startswith(name)): read(folder) for folder in folders}


def said(locomo: LoCoMo) -> dict[str, Counter[str]]:
    """What was said in each conversation, message by message."""
    haystacks = {case.cluster: case.haystack for case in locomo.cases()}
    whole = {}
    for name in CONVERSATIONS:
        sessions = list(locomo.haystack(haystacks[name]).sessions())
        pieces = [message.rendered() for one in sessions for message in one.messages]
        whole[name] = Counter(piece.strip() for piece in pieces)
    return whole


def check(suite: Suite, engine: str, locomo: LoCoMo) -> None:
    (result,) = suite.report()["results"]  # type: ignore[misc]  # parsed JSON
    assert result["questions"]["judged"] == result["questions"]["selected"] > 0
    kept, expected = stored(suite, engine), said(locomo)
    assert kept.keys() == expected.keys()
    for name, pieces in expected.items():
        assert kept[name].keys() == pieces.keys(), "nothing is lost, and nothing made up"
        assert all(number <= pieces[piece] for piece, number in kept[name].items()), "nothing is there twice"


def test_three_conversations_with_three_workers_killed_amidst_the_ingest_and_finished(
    suite: Suite, engine: str, server: ExtractionServer, locomo: LoCoMo
) -> None:
    process = suite.start(*command(engine, server), MEMORYBENCH_DATA=str(DATA), **KEYS)
    wait(lambda: server.counts["chat"] >= 60 or process.poll() is not None, seconds=200)
    kill_group(process, signal.SIGKILL)
    suite.end(process)
    resumed = suite.run("--lf", "-n3", seconds=400, MEMORYBENCH_DATA=str(DATA), **KEYS)
    assert process.returncode == -signal.SIGKILL
    assert "resuming run" in resumed.output
    check(suite, engine, locomo)
    (result,) = suite.report()["results"]  # type: ignore[misc]  # parsed JSON
    assert json.dumps(result["errors"]) == "[]"
