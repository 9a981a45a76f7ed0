"""The files of published answers that tests import, and the run that judges them all offline."""

from __future__ import annotations

from pathlib import Path

from bench.__main__ import main
from bench.config import build_benchmark_config
from bench.run import run_benchmark
from reports.report import Report
from tests.repository import DATA

PUBLISHED = DATA / "published"
FILES = (
    PUBLISHED / "mem0" / "locomo_top50_results.json",
    PUBLISHED / "mem0" / "longmemeval_top50_results.json",
    PUBLISHED / "locomo-audit" / "ap_v1_scored.json",
    PUBLISHED / "locomo-audit" / "fc_gpt-4.1-mini-cot.json",
    PUBLISHED / "amb" / "locomo_cognee_rag.json.gz",
    DATA / "judge" / "zep_locomo_grades.json",
)


def import_files(runs_dir: Path, *files: Path | str, run_id: str = "published") -> int:
    """``python -m bench import FILES``: its exit status."""
    return main(["import", *map(str, files), "--run-id", run_id, "--runs-dir", str(runs_dir)])


def judge(runs_dir: Path, *benchmarks: str, **options: object) -> Report:
    """Judge the import `published` offline."""
    config = build_benchmark_config(answers="published", runs_dir=runs_dir, data=str(DATA), **options)
    return run_benchmark(config, *benchmarks).report
