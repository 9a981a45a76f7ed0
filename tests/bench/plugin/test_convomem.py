"""ConvoMem's excerpts, asked as a user asks them: the haystack that two files share is ingested once."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.bench.plugin.suite import WATCHED, Suite
from tests.repository import DATA

SEARCH = ("bench", "-k", "convomem", "--until=search")


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A folder with a copy of the excerpts."""
    excerpts = DATA / "convomem"
    if not excerpts.is_dir():
        pytest.skip(f"no ConvoMem excerpts: {excerpts} does not exist; set MEMORYBENCH_DATA to a folder that has them")
    for file in excerpts.rglob("*.json"):
        copy = tmp_path / "data" / "convomem" / file.relative_to(excerpts)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return str(tmp_path / "data")


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_a_shared_haystack_is_ingested_once(suite: Suite, data: str, workers: tuple[str, ...]) -> None:
    ended = suite.run(*SEARCH, *WATCHED, *workers, MEMORYBENCH_DATA=data)
    assert ended.counted["searched"] == 41
    ingested = suite.calls("ingest")
    assert set(ingested.values()) == {1}, "each session once"
    per_haystack = Counter(message.split()[0] for message in ingested)
    assert sorted(per_haystack.values()) == [1, 1, 1, 1, 1, 2, 19]
    assert suite.calls("search").total() == 41


def test_bm25_over_the_excerpts(suite: Suite, data: str) -> None:
    ended = suite.run(*SEARCH, "--provider=bm25", "-n2", MEMORYBENCH_DATA=data)
    assert ended.counted["searched"] == 41
    report: Any = suite.report()
    notes = [note for result in report["results"] for note in result["benchmark"]["notes"]]
    assert any("by equality 56, as part 0" in note for note in notes)
    assert any("unverified data: of 2 files" in note for note in notes)


def test_a_context_size_chooses_test_cases_and_leaves_items_out(suite: Suite, data: str) -> None:
    ended = suite.run(*SEARCH, "--collect-only", "-q", "--context-size=19", MEMORYBENCH_DATA=data)
    assert ended.output.count("::test_convomem[bm25-category") == 35
    assert ended.output.count("::test_convomem_evidence[data-missing]") == 1
    ended = suite.run(*SEARCH, "--context-size=30", MEMORYBENCH_DATA=data)
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "no haystack of 30 conversations is here, only of 19" in ended.about("ERROR: ")
    assert not suite.runs.exists()
