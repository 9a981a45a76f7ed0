"""Where runs lie, from any folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.repository import ROOT
from vocabulary import default_runs_dir, runs_dir_option, usual_runs_dir


@pytest.mark.parametrize(("place", "folder"), [("", "runs"), ("docs", "../runs"), ("bench/plugin", "../../runs")])
def test_runs_of_the_repository_are_found_from_its_folders(
    monkeypatch: pytest.MonkeyPatch, place: str, folder: str
) -> None:
    monkeypatch.chdir(ROOT / place)
    monkeypatch.delenv("MEMORYBENCH_RUNS_DIR", raising=False)
    assert default_runs_dir() == usual_runs_dir() == Path(folder)
    assert runs_dir_option(ROOT / "runs") == ""


def test_elsewhere_they_are_in_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEMORYBENCH_RUNS_DIR", raising=False)
    assert usual_runs_dir() == Path("runs")
    assert runs_dir_option(tmp_path / "runs") == ""
    assert runs_dir_option(tmp_path / "my runs") == f" --runs-dir '{tmp_path / 'my runs'}'"


def test_the_variable_comes_before_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEMORYBENCH_RUNS_DIR", str(tmp_path))
    assert usual_runs_dir() == tmp_path
    assert runs_dir_option(tmp_path) == ""
