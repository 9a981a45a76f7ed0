"""Dense and hybrid in a run of pytest: with options, with workers, remembered, and refused in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from embedding_loopback import EmbeddingLoopback, serving

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-0123456789abcdef"
SMALL = ("-k", "synthetic", "--synthetic-sessions=20", "--synthetic-questions=20", "--until=search", "--top-k=10")


@pytest.fixture
def server() -> Iterator[EmbeddingLoopback]:
    with serving() as started:
        yield started


def pytest_run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MEMORYBENCH"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-o", f"cache_dir={folder / 'cache'}", *arguments],
        cwd=ROOT,
        env={**kept, "MEMORYBENCH_RUNS_DIR": str(folder / "runs"), "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def report(folder: Path, run_id: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((folder / "runs" / run_id / "report.json").read_text())
    return parsed


def test_options_reach_workers_the_report_and_lf_and_the_key_reaches_the_server_alone(
    server: EmbeddingLoopback, tmp_path: Path
) -> None:
    options = (
        f"--provider-option=embedder={server.address}",
        "--provider-option=embedding_model=words",
        "--provider-option=hybrid.rrf_k=7",
    )
    chosen = ("--provider=bm25", "--provider=dense", "--provider=hybrid", *options)
    ended = pytest_run(tmp_path, "bench", *SMALL, *chosen, "-n2", "--run-id=one", EMBEDDING_API_KEY=KEY)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "60 searched" in ended.stdout
    first = report(tmp_path, "one")
    settings = {result["provider"]["name"]: result["provider"]["settings"] for result in first["results"]}
    assert settings["bm25"] == {}
    assert settings["dense"]["embedding_model"] == settings["hybrid"]["embedding_model"] == "words"
    assert settings["hybrid"]["rrf_k"] == 7
    assert "rrf_k" not in settings["dense"]
    assert [result["questions"]["errors"] for result in first["results"]] == [0, 0, 0]

    said = [text for text in server.texts if ": " in text]
    assert len(said) < 2.2 * len(set(said)), "dense and hybrid embed each text once, but for two workers' races"
    assert set(server.keys) == {f"Bearer {KEY}"}
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path

    again = pytest_run(tmp_path, "bench", *SMALL, *chosen, "--run-id=one", "--provider-option=hybrid.depth=20")
    assert again.returncode == 4
    assert "hybrid" in again.stdout + again.stderr


def test_lf_goes_on_with_the_same_settings(server: EmbeddingLoopback, tmp_path: Path) -> None:
    options = (f"--provider-option=embedder={server.address}", "--provider-option=embedding_model=words")
    server.reply = (400, b"no such model")
    ended = pytest_run(tmp_path, "bench", *SMALL, "--provider=hybrid", *options, "--run-id=one")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert report(tmp_path, "one")["results"][0]["questions"]["errors"] == 20
    server.reply = None
    ended = pytest_run(tmp_path, "--lf")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (result,) = report(tmp_path, "one")["results"]
    assert result["questions"]["errors"] == 0
    assert result["provider"]["settings"]["embedding_model"] == "words"


def test_workers_in_any_order_find_the_same(server: EmbeddingLoopback, tmp_path: Path) -> None:
    found = []
    for run_id, workers in (("alone", "0"), ("three", "3")):
        options = (f"--provider-option=embedder={server.address}", "--provider-option=embedding_model=words")
        ended = pytest_run(
            tmp_path, "bench", *SMALL, "--provider=hybrid", *options, f"-n{workers}", f"--run-id={run_id}"
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        (result,) = report(tmp_path, run_id)["results"]
        lines = (tmp_path / "runs" / run_id / "results.jsonl").read_text().splitlines()
        results = {line["question_id"]: line["results"] for line in map(json.loads, lines)}
        found.append((result["retrieval"], results))
    assert found[0] == found[1]
    assert len(found[0][1]) == 20


@pytest.mark.parametrize("provider", ["dense", "hybrid"])
def test_without_the_extra_nothing_is_begun(tmp_path: Path, provider: str) -> None:
    (tmp_path / "without_dense.py").write_text(
        "from providers import packaged_model\npackaged_model._PACKAGES = ('not_installed',)\n"
    )
    ended = pytest_run(tmp_path, "-p", "without_dense", "bench", *SMALL, f"--provider={provider}", "-n2")
    assert ended.returncode == 4
    told = [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
    assert told == [
        f"ERROR: provider {provider}: the packaged embedder needs not_installed, which is not installed. Run "
        "`pip install -e '.[dense]'`, or name an embedder by its address, as in --provider-option "
        "embedder=http://localhost:11434/v1 --provider-option embedding_model=NAME."
    ]
    assert not (tmp_path / "runs").exists()


def test_a_setting_that_nobody_has_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    ended = pytest_run(tmp_path, "bench", *SMALL, "--provider=bm25", "--provider-option=rrf_k=10")
    assert ended.returncode == 4
    assert "--provider-option rrf_k=10: there is no 'rrf_k'. bm25 has nothing to set." in ended.stderr
    assert not (tmp_path / "runs").exists()
