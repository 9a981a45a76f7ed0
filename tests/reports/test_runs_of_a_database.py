"""Runs that another folder or machine has made, read with ``--checkpoint-url``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bench.__main__ import main as bench
from bench.config import build_benchmark_config
from bench.run import run_benchmark
from reports.__main__ import main
from reports.serve.runs import Runs
from reports.store import Lead, begin_invocation, open_run
from tests.reports.store.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    """A database with one finished run."""
    return postgres.database()


@pytest.fixture(scope="module", autouse=True)
def made(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the machine that made the run."""
    folder = tmp_path_factory.mktemp("elsewhere")
    options = build_benchmark_config(
        runs_dir=folder, run_id="remote", checkpoint_url=url, synthetic_sessions=10, synthetic_questions=10
    )
    run_benchmark(options, "synthetic")
    return folder


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test's command leaves there ends with the test."""
    monkeypatch.setenv("MEMORYBENCH_CHECKPOINT_URL", "")


def printed(capsys: pytest.CaptureFixture[str], url: str, runs: Path, *arguments: str) -> str:
    assert main([*arguments, "--runs-dir", str(runs), "--checkpoint-url", url]) == 0
    return capsys.readouterr().out


def test_it_is_listed_and_shown_from_an_empty_folder(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    assert "remote" in printed(capsys, url, runs, "list")
    assert "run remote: finished" in printed(capsys, url, runs, "status", "last")
    assert "syn-q" in printed(capsys, url, runs, "show-failures", "remote")
    assert [path.name for path in (runs / "remote").iterdir()] == ["run.json"]
    assert "not-for-any-message" not in (runs / "remote" / "run.json").read_text()


def test_its_page_is_that_of_who_made_it(
    url: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Path(printed(capsys, url, tmp_path, "html", "remote").strip())
    assert page == tmp_path / "remote" / "report.html"
    assert page.read_bytes() == (made / "remote" / "report.html").read_bytes()
    for name in ("report.json", "results.jsonl"):
        assert (page.parent / name).read_bytes() == (made / "remote" / name).read_bytes()


def test_the_site_finds_runs_that_come_later(url: str, tmp_path: Path) -> None:
    (row,) = Runs(tmp_path, url).rows()
    assert (row.id, row.state, row.problem) == ("remote", "finished", "")


def test_who_works_on_it_elsewhere_is_seen(
    url: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, url, tmp_path, "list")
    with closing(open_run(made, "remote")) as checkpoint:
        begin_invocation(checkpoint, "working", "pytest bench")
    with closing(Lead(made / "remote", "remote", url)):
        assert "run remote: running" in printed(capsys, url, tmp_path, "status", "remote")
        assert Runs(tmp_path, url).state("remote") == "running"
        assert bench(["clear", "remote", "--runs-dir", str(tmp_path), "--checkpoint-url", url]) == 2
        assert "remote is being worked on" in capsys.readouterr().err
    assert "run remote: finished" in printed(capsys, url, tmp_path, "status", "remote")


def test_a_database_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = "postgresql+psycopg://me:secret@127.0.0.1:1/runs"
    assert main(["list", "--runs-dir", str(tmp_path), "--checkpoint-url", address]) == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m reports: the checkpoint at postgresql+psycopg://me:***@127.0.0.1:1/runs cannot")
    assert error.count("\n") == 1


def test_a_store_in_a_folder_is_cleared_there(
    url: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def clear(runs: Path) -> str:
        assert bench(["clear", "remote", "--runs-dir", str(runs), "--checkpoint-url", url]) == 0
        return capsys.readouterr().out

    assert "bm25: 1 containers are in other folders of the run: clear them there" in clear(tmp_path)
    assert "bm25: 1 of 1 containers cleared" in clear(made)
    assert "bm25: nothing to clear" in clear(tmp_path)
