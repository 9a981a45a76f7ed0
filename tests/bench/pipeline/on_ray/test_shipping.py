"""What nodes are sent: the suite's code and the user's, without data, runs and environments; and keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.config import build_benchmark_config
from bench.pipeline import RunSession
from bench.pipeline.on_ray.shipping import Assignment, staged_code
from tests.repository import ROOT


def test_the_repository_goes_without_data_runs_and_environments() -> None:
    with staged_code() as staged:
        names = {path.name for path in staged.iterdir()}
        assert {"bench", "vocabulary", "tests", ".gitignore"} <= names
        assert not names & {".git", ".venv", "runs", "memorybench.egg-info"}
        assert {path.suffix for path in (staged / "datasets").iterdir()} == {".toml"}
        assert (staged / "bench" / "run.py").read_text() == (ROOT / "bench" / "run.py").read_text()
    assert not staged.exists()


def test_a_folder_elsewhere_goes_beside_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("")
    for folder in ("runs", ".hidden", "env", "mine.egg-info"):
        (tmp_path / folder).mkdir()
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    monkeypatch.chdir(tmp_path)
    with staged_code() as staged:
        names = {path.name for path in staged.iterdir()}
    assert {"bench", "providers", "mine.py", "datasets"} <= names
    assert not names & {"runs", ".hidden", "env", "mine.egg-info", "tests"}


def test_keys_and_addresses_are_sent_and_not_what_is_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {"MY_API_KEY": "1", "OPENAI_BASE_URL": "2", "PGPASSWORD": "3", "https_proxy": "4", "MEMORYBENCH_X": "5"}
    for name, value in {**sent, "MEMORYBENCH_RUNS_DIR": "here", "MEMORYBENCH_DATA": "there", "HOME": "/me"}.items():
        monkeypatch.setenv(name, value)
    session = RunSession(build_benchmark_config(runs_dir=tmp_path), "test")
    session.folder.mkdir(parents=True)
    found = Assignment.of(session, {})
    assert found.environment.items() >= sent.items()
    assert not found.environment.keys() & {"MEMORYBENCH_RUNS_DIR", "MEMORYBENCH_DATA", "HOME", "PATH", "PWD"}
    assert found.data == "/there" or Path(found.data).is_absolute()
