"""Two real MCP servers pass the conformance kit: the reference server (npm, stdio) and one in Python (HTTP)."""

from __future__ import annotations

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from providers.general import EXAMPLES
from tests.bench.plugin.suite import Suite
from tests.providers.general.mcp_server import McpMemory, serving_mcp
from tests.repository import ROOT

pytestmark = pytest.mark.skipif(find_spec("mcp") is None, reason="the extra mcp is not installed")

KIT = ("bench", "-k", "conformance", "--conformance-sessions=6", "-n3")
NPM = Path(os.environ.get("MEMORYBENCH_NPM", ROOT / ".venv" / "npm"))
REFERENCE = NPM / "node_modules" / "@modelcontextprotocol" / "server-memory" / "dist" / "index.js"


def outcomes(suite: Suite) -> tuple[list[tuple[str, str]], set[str]]:
    """The checks that failed, and those that were declared."""
    (file,) = (suite.runs / "conformance").glob("mcp-*.json")
    checks = json.loads(file.read_text())["checks"]
    assert len(checks) == 17
    failed = [(one["name"], one["message"]) for one in checks if one["outcome"] == "failed"]
    return failed, {one["name"] for one in checks if one["outcome"] == "declared"}


def test_the_reference_server_over_stdio(suite: Suite, tmp_path: Path) -> None:
    if not (REFERENCE.is_file() and shutil.which("node")):
        pytest.skip(f"needs node and {REFERENCE}: make test installs it where npm is there")
    file = tmp_path / "memory.toml"
    command = 'command = ["npx", "-y", "@modelcontextprotocol/server-memory"]'
    shipped = (EXAMPLES / "mcp" / "server-memory.toml").read_text()
    assert command in shipped
    file.write_text(shipped.replace(command, f"command = {json.dumps(['node', str(REFERENCE)])}"))
    suite.seconds = 300
    ended = suite.run(*KIT, f"--provider=mcp:{file}")
    assert outcomes(suite) == ([], {"key"}), ended.output


def test_a_python_server_over_http_whose_tools_are_told_by_their_schemas(suite: Suite, tmp_path: Path) -> None:
    with serving_mcp(McpMemory(key="a-key")) as memory:
        file = tmp_path / "memory.toml"
        declared = '[capabilities]\nprovenance = "message"\ndates = true\n'
        file.write_text(f'url = "{memory.url}"\n[auth]\nenv = "MCP_KEY"\n{declared}')
        suite.seconds = 300
        ended = suite.run(*KIT, f"--provider=mcp:{file}", MCP_KEY="a-key")
    assert outcomes(suite) == ([], set()), ended.output
    assert not memory.store.kept, "all of it was cleared"
