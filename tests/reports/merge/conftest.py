"""A run over nine haystacks as one, and as eight shards: made once, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.config import BenchmarkConfig, build_benchmark_config
from bench.run import run_benchmark

MANY = "tests.subjects.many_haystacks:Many"
COUNT = 8
SHARDS = [f"s{index}" for index in range(1, COUNT + 1)]


def config(runs_dir: Path, run_id: str, shard: object = None, **options: object) -> BenchmarkConfig:
    """45 questions over nine haystacks, for each of two providers unless `options` name others."""
    settings: dict[str, object] = {"provider": ("bm25", "none"), "synthetic_sessions": 10, "synthetic_questions": 5}
    return build_benchmark_config(runs_dir=runs_dir, run_id=run_id, shard=shard, **{**settings, **options})


@pytest.fixture(scope="package")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the run `whole` and its shards `s1` to `s8`; no test changes them."""
    folder = tmp_path_factory.mktemp("runs")
    run_benchmark(config(folder, "whole"), MANY)
    for index, name in enumerate(SHARDS, 1):
        run_benchmark(config(folder, name, f"{index}/{COUNT}"), MANY)
    return folder
