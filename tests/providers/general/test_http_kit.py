"""The shipped examples of ``http`` pass the conformance kit against servers that speak the documented interfaces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.plugin.suite import Suite
from tests.providers.general.documented_servers import HindsightServer, LettaServer, RedisServer
from tests.providers.general.memory_server import MemoryServer, sometimes
from tests.providers.general.rest_server import RestServer
from tests.providers.hosted.vendors.vendor_server import serving_vendor

SERVERS: dict[str, type[MemoryServer]] = {
    "rest": RestServer,
    "hindsight": HindsightServer,
    "letta": LettaServer,
    "redis-agent-memory": RedisServer,
}
KEYS = {"MEMORY_API_KEY": "a-key", "LETTA_API_KEY": "a-key"}


@pytest.mark.parametrize("name", SERVERS)
def test_an_example_passes_the_kit_while_calls_fail(suite: Suite, name: str) -> None:
    ready_after = 0.0 if name == "letta" else 0.1  # which embeds a passage before it answers
    with serving_vendor(SERVERS[name](ready_after=ready_after, fault=sometimes(0.02))) as server:
        suite.seconds = 300
        asked = ("bench", "-k", "conformance", "--conformance-sessions=6", "-n3", f"--provider=http:{name}")
        ended = suite.run(*asked, f"--provider-option=base_url={server.url}", **KEYS)
    (file,) = (suite.runs / "conformance").glob(f"http-{name}*.json")
    checks = json.loads(Path(file).read_text())["checks"]
    assert [(one["name"], one["message"]) for one in checks if one["outcome"] == "failed"] == [], ended.output
    assert len(checks) == 17
    declared = {one["name"] for one in checks if one["outcome"] == "declared"}
    assert declared == (set() if name in ("rest", "letta") else {"key"})
    assert server.faults, "no fault was injected"
    assert not server.kept, "all of it was cleared"
