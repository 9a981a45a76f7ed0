"""Settings that declare that ingest does not read them: a container is the same, whatever they are."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Awaitable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bench.cache.keys import searched_settings
from providers import Provider, find_provider
from registry import known_classes
from tests.providers.hosted.vendors.mem0_server import Mem0Server
from tests.providers.hosted.vendors.supermemory_server import SupermemoryServer
from tests.providers.hosted.vendors.vendor_server import VendorServer, serving_vendor
from tests.providers.hosted.vendors.zep_server import ZepServer
from vocabulary import Message, Question, Session

SAID = {1: ("My dog Rex is three.", "He likes the lake."), 2: ("Rex is ill.", "The vet lives near the lake.")}


def session(day: int) -> Session:
    messages = [
        Message(id=f"s{day}-m{number}", speaker="Ann", role="user", text=text) for number, text in enumerate(SAID[day])
    ]
    return Session(id=f"s{day}", date=datetime(2024, 3, day), messages=tuple(messages))


ASKED = Question(id="q1", text="Where does the dog like to be?")
WORDS: dict[str, object] = {"stop_words": False, "k1": 3.0, "b": 0.0}
EMBEDDED: dict[str, dict[str, object]] = {
    "bm25": WORDS,
    "dense": {"query_prefix": "passage: "},
    "hybrid": {
        **WORDS, "query_prefix": "passage: ", "rrf_k": 1.0, "depth": 1, "words_weight": 0.9, "least_words": 0.01,
        "least_similarity": 0.1, "rerank": "late-interaction", "rerank_depth": 3,
    },
}  # fmt: skip
HOSTED: dict[str, tuple[type[VendorServer], dict[str, object]]] = {
    "mem0": (Mem0Server, {"threshold": 0.9, "rerank": True}),
    "zep": (
        ZepServer,
        {
            "scopes": ("nodes",), "reranker": "mmr", "mmr_lambda": 0.5, "expired_facts": "drop", "query_characters": 50,
        },
    ),
    "supermemory": (
        SupermemoryServer,
        {
            "search_mode": "chunks", "threshold": 0.9, "rerank": "order", "rewrite_query": True,
            "include_documents": False,
        },
    ),
}  # fmt: skip
ENGINES = ("mem0-local", "graphiti", "hindsight", "cognee")


def test_every_such_setting_is_tried_here() -> None:
    declared = {
        name: set(searched_settings(found.Settings)) for name, found in known_classes(Provider, "providers").items()
    }
    tried = {name: set(changed) for name, changed in EMBEDDED.items()}
    tried |= {name: set(changed) for name, (_server, changed) in HOSTED.items()}
    assert {name: names for name, names in declared.items() if names and name not in ENGINES} == tried


async def filled(provider: Provider, container: str) -> None:
    for day in SAID:
        await done(provider.ingest(container, session(day)))
    await done(provider.await_indexing(container))


async def done(value: Any) -> Any:  # Any: a provider's methods are plain or not
    return await value if isinstance(value, Awaitable) else value


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_container_is_searched_alike_whatever_it_was_ingested_with(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    found = find_provider(name)
    plain, changed = found.Settings(), found.Settings.model_validate(EMBEDDED[name])

    async def results(ingested: object, searched: object, where: str) -> list[Any]:
        folder = made(tmp_path / where)
        for settings, step in ((ingested, "ingest"), (searched, "search")):
            provider = found(settings, folder)  # type: ignore[arg-type]  # its own
            if step == "ingest":
                await filled(provider, "c")
            else:
                given = list(await done(provider.search("c", ASKED, 4)))
            await done(provider.close())
        return given

    fresh = asyncio.run(results(changed, changed, "fresh"))
    assert asyncio.run(results(plain, changed, "shared")) == fresh
    assert asyncio.run(results(changed, plain, "other")) != fresh, "the settings change nothing at all"


@pytest.mark.parametrize("name", HOSTED)
def test_a_service_is_sent_the_same(name: str, tmp_path: Path) -> None:
    kind, changed = HOSTED[name]
    found = find_provider(name)

    async def sent(settings: dict[str, object], where: str) -> list[tuple[str, str, object]]:
        with serving_vendor(kind(ready_after=0.0)) as server:
            more = {"settle": 0.0} if name == "mem0" else {}
            access = {"base_url": server.url, "api_key": server.key}
            provider = found(found.Settings.model_validate({**access, **more, **settings}), made(tmp_path / where))
            await filled(provider, "c")
            await done(provider.close())
            writes = [request for request in server.requests if request.method != "GET"]
        return [(request.method, _without_ids(request.path), request.body) for request in writes]

    plain = asyncio.run(sent({}, "plain"))
    assert plain
    assert asyncio.run(sent(changed, "changed")) == plain


def _without_ids(path: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", path)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_reads_it_in_its_search_alone(name: str) -> None:
    found = find_provider(name)
    tree = ast.parse(inspect.getsource(inspect.getmodule(found) or found))
    searches = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef) and node.name == "search"]
    inside = {node for function in searches for node in ast.walk(function)}
    read = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _of_settings(node)]
    settings = set(searched_settings(found.Settings))
    assert {node.attr for node in read} >= settings
    assert {node for node in read if node.attr in settings} <= inside


def _of_settings(node: ast.Attribute) -> bool:
    return ast.unparse(node.value).endswith(("settings", "_options"))
