"""Dense and hybrid in a run of pytest: with options, with workers, remembered, and refused in time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.report import read_lines
from tests.prepared_python import run_prepared
from tests.processes import Finished
from tests.providers.baselines.embedding_loopback import EmbeddingLoopback, serving

KEY = "sk-0123456789abcdef"
pytestmark = pytest.mark.long

SMALL = ("-k", "synthetic", "--synthetic-sessions=20", "--synthetic-questions=20", "--until=search", "--top-k=10")

UNNEEDED = [f"-pno:{plugin}" for plugin in ("hypothesispytest", "benchmark", "syrupy", "anyio")]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddingLoopback]:
    with serving() as started:
        yield started


def pytest_run(folder: Path, *arguments: str, **environment: str) -> Finished:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "MEMORYBENCH"))}
    own = {"MEMORYBENCH_RUNS_DIR": str(folder / "runs"), "PYTHONPATH": str(folder)}
    return run_prepared(
        "pytest", *UNNEEDED, "-o", f"cache_dir={folder / 'cache'}", *arguments, env={**kept, **own, **environment}
    )


def report(folder: Path, run_id: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((folder / "runs" / run_id / "report.json").read_text())
    return parsed


def options(server: EmbeddingLoopback) -> tuple[str, ...]:
    given = {"embedder": server.address, "embedding_model": "words", "hybrid.rrf_k": "7"}
    return tuple(f"--provider-option={name}={value}" for name, value in given.items())


@pytest.fixture(scope="module")
def divided(server: EmbeddingLoopback, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of all three providers with two workers, which has embedded everything."""
    folder = tmp_path_factory.mktemp("divided")
    server.keys.clear()
    server.texts.clear()
    chosen = ("--provider=bm25", "--provider=dense", "--provider=hybrid", *options(server))
    ended = pytest_run(folder, "bench", *SMALL, *chosen, "-n2", "--run-id=one", EMBEDDING_API_KEY=KEY)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "60 searched" in ended.stdout
    said = [text for text in server.texts if ": " in text]
    assert len(said) < 2.2 * len(set(said)), "dense and hybrid embed each text once, but for two workers' races"
    assert set(server.keys) == {f"Bearer {KEY}"}
    return folder


def test_options_reach_workers_the_report_and_lf_and_the_key_reaches_the_server_alone(
    divided: Path, server: EmbeddingLoopback
) -> None:
    first = report(divided, "one")
    settings = {result["provider"]["name"]: result["provider"]["settings"] for result in first["results"]}
    assert settings["bm25"]["k1"] == 1.2
    assert settings["dense"]["embedding_model"] == settings["hybrid"]["embedding_model"] == "words"
    assert settings["hybrid"]["rrf_k"] == 7
    assert "rrf_k" not in settings["dense"]
    assert [result["questions"]["errors"] for result in first["results"]] == [0, 0, 0]
    for path in divided.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path

    chosen = ("--provider=bm25", "--provider=dense", "--provider=hybrid", *options(server))
    again = pytest_run(divided, "bench", *SMALL, *chosen, "--run-id=one", "--provider-option=hybrid.depth=20")
    assert again.returncode == 4
    assert "hybrid" in again.stdout + again.stderr


def test_workers_in_any_order_find_the_same(divided: Path, server: EmbeddingLoopback, tmp_path: Path) -> None:
    ended = pytest_run(tmp_path, "bench", *SMALL, "--provider=hybrid", *options(server), "--run-id=alone")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = []
    for folder, run_id in ((divided, "one"), (tmp_path, "alone")):
        (result,) = [one for one in report(folder, run_id)["results"] if one["provider"]["name"] == "hybrid"]
        lines = [line for line in read_lines(folder / "runs" / run_id) if line["provider"] == "hybrid"]
        found.append((result["retrieval"], {line["question_id"]: line["results"] for line in lines}))
    assert found[0] == found[1]
    assert len(found[0][1]) == 20


def test_lf_goes_on_with_the_same_settings(server: EmbeddingLoopback, tmp_path: Path) -> None:
    server.reply = (400, b"no such model")
    ended = pytest_run(tmp_path, "bench", *SMALL, "--provider=hybrid", *options(server), "--run-id=one")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert report(tmp_path, "one")["results"][0]["questions"]["errors"] == 20
    server.reply = None
    ended = pytest_run(tmp_path, "--lf")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (result,) = report(tmp_path, "one")["results"]
    assert result["questions"]["errors"] == 0
    assert result["provider"]["settings"]["embedding_model"] == "words"


@pytest.mark.parametrize("provider", ["dense", "hybrid"])
def test_without_the_extra_nothing_is_begun(tmp_path: Path, provider: str) -> None:
    (tmp_path / "without_dense.py").write_text(
        "from providers.baselines import packaged_model\npackaged_model._PACKAGES = ('not_installed',)\n"
    )
    ended = pytest_run(tmp_path, "-p", "without_dense", "bench", *SMALL, f"--provider={provider}", "-n2")
    assert ended.returncode == 4
    message = [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
    assert message == [
        f"ERROR: provider {provider}: the packaged embedder needs not_installed, which is not installed. Run "
        "`pip install -e '.[dense]'`, or name an embedder by its address, as in --provider-option "
        "embedder=http://localhost:11434/v1 --provider-option embedding_model=NAME."
    ]
    assert not (tmp_path / "runs").exists()


def test_a_setting_that_nobody_has_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    ended = pytest_run(tmp_path, "bench", *SMALL, "--provider=none", "--provider-option=rrf_k=10")
    assert ended.returncode == 4
    assert "--provider-option rrf_k=10: there is no 'rrf_k'. none has nothing to set." in ended.stderr
    assert not (tmp_path / "runs").exists()
