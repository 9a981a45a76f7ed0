"""The memory systems of this repository pass its own kit: services on loopback, engines in this process."""

from __future__ import annotations

import asyncio
import json
from importlib.util import find_spec

import pytest

from providers.engines.environments import engine_folder
from tests.bench.plugin.suite import Ended, Suite
from tests.providers.engines.cognee_graph import graphs
from tests.providers.engines.engine_environments import known_server, need
from tests.providers.engines.extraction_server import Handler, serving
from tests.providers.engines.graph_extraction import graph, memories
from tests.providers.engines.hindsight_facts import facts
from tests.providers.hosted.vendors.mem0_server import Mem0Server
from tests.providers.hosted.vendors.supermemory_server import SupermemoryServer
from tests.providers.hosted.vendors.vendor_server import VendorServer, serving_vendor
from tests.providers.hosted.vendors.zep_server import ZepServer

SERVICES = {"mem0": Mem0Server, "supermemory": SupermemoryServer, "zep": ZepServer}
ENGINES = {"mem0-local": ("mem0", None), "graphiti": ("graphiti_core", graph), "langmem": ("langmem", memories)}
SERVERS: dict[str, tuple[Handler, dict[str, object], str, int]] = {
    # each of its containers has databases of its own, and all checks would take minutes
    "cognee": (graphs, {"embedding_dims": 256}, "conformance and (dates or provenance or repeats or clear)", 4),
    "hindsight": (facts, {"observations": False}, "conformance", 17),
}
KIT = ("bench", "-k", "conformance", "--conformance-sessions=6")


def check(suite: Suite, name: str, ended: Ended, *, declared: int, number: int = 17) -> None:
    kept = json.loads((suite.runs / "conformance" / f"{name}.json").read_text())
    detail = [(one["name"], one["message"]) for one in kept["checks"] if one["outcome"] == "failed"]
    assert detail == [], ended.output
    assert len(kept["checks"]) == number
    assert sum(one["outcome"] == "declared" for one in kept["checks"]) == declared
    assert ended.status == pytest.ExitCode.OK


@pytest.mark.parametrize("name", SERVICES)
def test_a_hosted_service(suite: Suite, name: str) -> None:
    service: VendorServer = SERVICES[name](ready_after=0.2)
    with serving_vendor(service) as server:
        access = {f"{name.upper()}_API_KEY": server.key, f"{name.upper()}_BASE_URL": server.url, "MEM0_SETTLE": "0"}
        suite.seconds = 300
        ended = suite.run(*KIT, f"--provider={name}", **access)
    check(suite, name, ended, declared=0)


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine(suite: Suite, name: str) -> None:
    package, reply = ENGINES[name]
    if find_spec(package) is None:
        pytest.skip(f"the extra {name} is not installed")
    with serving(**({"reply": reply} if reply else {})) as server:
        options = {"llm": "m", "llm_url": server.url, "embedder": "e", "embedder_url": server.url}
        if name != "langmem":
            options["embedding_dims"] = "256"
        given = [f"--provider-option={option}={value}" for option, value in options.items()]
        keys = {"OPENAI_API_KEY": "a-key", "EMBEDDING_API_KEY": "a-key"}
        suite.seconds = 400
        ended = suite.run(*KIT, f"--provider={name}", *given, **keys)
    check(suite, name, ended, declared=1)


@pytest.mark.parametrize("name", SERVERS)
def test_an_engine_on_a_server_that_all_checks_share(suite: Suite, name: str) -> None:
    need(name)
    reply, chosen, checks, number = SERVERS[name]
    suite.seconds = 600
    with serving(reply=reply) as models:
        options = {
            "llm": "m",
            "llm_url": models.url,
            "embedder": "e",
            "embedder_url": models.url,
            **chosen,
        }
        shared = suite.folder / "server"
        holder = known_server(name, shared, options)
        asyncio.run(holder.url())
        given = [f"--provider-option={option}={value}" for option, value in {**options, "server": shared}.items()]
        ended = suite.run(
            *KIT, "-k", checks, f"--provider={name}", *given, MEMORYBENCH_ENGINES=str(engine_folder(name).parent)
        )
        asyncio.run(holder.close())
    check(suite, name, ended, declared=number // 17, number=number)
