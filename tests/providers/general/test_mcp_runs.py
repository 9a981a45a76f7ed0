"""LoCoMo through ``mcp``, and what a run says of tools that are found and of results without ids."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.bench.plugin.suite import SMALL, Suite
from tests.perf.asked_directly import compare, mcp_search
from tests.providers.general.mcp_server import McpMemory, serving_mcp

pytestmark = pytest.mark.skipif(find_spec("mcp") is None, reason="the extra mcp is not installed")


def written(folder: Path, memory: McpMemory) -> str:
    file = folder / "memory.toml"
    file.write_text(f'url = "{memory.url}"\n')
    return f"--provider=mcp:{file}"


def test_two_conversations_are_found_as_the_server_itself_finds_them(
    suite: Suite, tmp_path: Path, data_folder: Path
) -> None:
    with serving_mcp(McpMemory()) as memory:
        asked = ("bench", "-k", "locomo and (conv-26 or conv-30)", "--until=search", "--run-id=two", "-n2")
        ended = suite.run(*asked, written(tmp_path, memory), MEMORYBENCH_DATA=str(data_folder))
        compared = compare(suite.runs / "two", mcp_search(memory.store))
    assert compared.recall == compared.direct > 0.5, ended.output
    assert (compared.questions, compared.ingests, compared.different) == (304, 38, [])
    assert len(memory.store.kept) == 2
    assert not memory.store.doubles


def test_prose_is_unattributed_and_the_report_says_so(suite: Suite, tmp_path: Path) -> None:
    with serving_mcp(McpMemory(prose=True)) as memory:
        asked = ("bench", "-k", "synthetic", *SMALL, "--until=search", "--run-id=prose")
        ended = suite.run(*asked, written(tmp_path, memory))
    (section,) = suite.report("prose")["results"]
    assert section["retrieval"] == {"message": None, "session": None}
    assert "no result says which message it comes from: retrieval of messages cannot be measured" in ended.output
    assert (
        "search: search_memories(query={question.text}, user_id={container}, limit={top_k}), by its schema"
        in ended.output
    )
