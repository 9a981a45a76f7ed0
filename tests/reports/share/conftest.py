"""One small run that the tests of sharing read, and copies of it that they may change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.config import build_benchmark_config
from bench.run import run_benchmark


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of two providers."""
    runs = tmp_path_factory.mktemp("runs")
    options = build_benchmark_config(
        runs_dir=runs, run_id="made", provider=("bm25", "none"), synthetic_sessions=10, synthetic_questions=10
    )
    run_benchmark(options, "synthetic")
    return runs / "made"


@pytest.fixture
def own_run(made_run: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made_run, tmp_path / "runs" / "made"))
