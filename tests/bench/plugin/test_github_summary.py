"""``--github-summary``: the run stands in the summary of its job, and a job without one is refused."""

from __future__ import annotations

import pytest

from tests.bench.plugin.suite import SMALL, Suite


def test_pytest_appends_it_and_says_where_it_cannot(suite: Suite) -> None:
    summary = suite.folder / "summary.md"
    bench = ("bench/benchmarks/test_synthetic.py", *SMALL, "--provider=bm25", "--max-errors=0", "--github-summary")
    refused = suite.run(*bench, GITHUB_STEP_SUMMARY="")
    assert refused.status == pytest.ExitCode.USAGE_ERROR
    assert "GITHUB_STEP_SUMMARY is not set" in refused.output
    assert not suite.runs.exists()
    summary.write_text("what another step wrote\n", encoding="utf-8")
    ended = suite.run(*bench, "-n2", "--run-id=summed", GITHUB_STEP_SUMMARY=str(summary))
    assert ended.status == 0, ended.output
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("what another step wrote\n## Memory benchmark `summed`\n")
    assert "**✅ Gate met**" in text
    assert "### Newest failures" in text
    assert text.count("## Memory benchmark") == 1
