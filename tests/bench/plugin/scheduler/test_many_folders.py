"""pytest-xdist over machines: workers in folders of their own, which have nothing in common but a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reports.store import Checkpoint, read_progress
from tests.bench.plugin.suite import Suite
from tests.reports.store.postgres_server import PostgresServer
from tests.repository import ROOT

SYNTHETIC = ("-o", "testpaths=bench", "-k", "synthetic", "--synthetic-sessions=10", "--synthetic-questions=20")


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """The database of all machines."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def workers(suite: Suite, tmp_path: Path) -> list[str]:
    """Options for two workers in folders that have what the repository has, as the folder of `suite` does."""
    suite.place, *folders = (tmp_path / name for name in ("here", "one", "two"))
    for folder in (suite.place, *folders):
        folder.mkdir()
        for entry in ROOT.iterdir():
            if not entry.name.startswith(".") and entry.name != "runs":
                (folder / entry.name).symlink_to(entry)
    suite.runs = suite.place / "runs"
    suite.environment["MEMORYBENCH_RUNS_DIR"] = "runs"
    return ["--dist=load", *(f"--tx=popen//chdir={folder}" for folder in folders)]


def test_they_ask_each_question_once(suite: Suite, postgres: PostgresServer, workers: list[str]) -> None:
    url = postgres.database()
    several = ("--provider=none", "--provider=oracle", *workers, "--run-id=spread", f"--checkpoint-url={url}")
    spread = suite.run(*SYNTHETIC, *several)
    assert spread.counted.keys() <= {"correct", "wrong", "abstained"}
    assert sum(spread.counted.values()) == 40
    assert [result["questions"]["errors"] for result in suite.report("spread")["results"]] == [0, 0]
    assert [result["calls"]["search"] for result in suite.report("spread")["results"]] == [20, 20]
    assert suite.report("spread")["run"]["settings"]["workers"] == 2
    with closing(Checkpoint(url, "spread")) as checkpoint:
        assert read_progress(checkpoint, "judge") == (40, 40, 0)
    assert all((suite.folder / name / "runs" / "spread").is_dir() for name in ("one", "two"))


def test_without_anything_in_common_they_are_refused(suite: Suite, workers: list[str]) -> None:
    ended = suite.run(*SYNTHETIC, "--provider=none", *workers)
    assert ended.status == 4
    assert ended.about("--tx: workers in other folders need --checkpoint-url, or an absolute --runs-dir")
