"""A run in a database is found again by its folder, and its password is in no file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from reports.store import (
    Lead,
    list_runs,
    mark_finished,
    newest_run,
    open_run,
    read_run,
    replace_file,
    without_password,
    write_place,
)
from tests.reports import made_records
from tests.reports.store.checkpoint_workers import make_run
from tests.reports.store.postgres_server import PASSWORD
from vocabulary import CheckpointError, ConfigurationError


@pytest.fixture
def place(postgres_url: str, tmp_path: Path) -> Path:
    make_run(postgres_url, "one", [made_records.case()]).close()
    (tmp_path / "one").mkdir()
    write_place(tmp_path / "one", "one", postgres_url)
    return tmp_path


@pytest.mark.parametrize("source", ["MEMORYBENCH_CHECKPOINT_URL", "PGPASSWORD", "PGPASSFILE"])
def test_a_run_in_a_database_is_opened_with_the_password_from_outside(
    place: Path, postgres_url: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "pgpass").write_text(f"*:*:*:*:{PASSWORD}\n")
    (place / "pgpass").chmod(0o600)
    values = {"MEMORYBENCH_CHECKPOINT_URL": postgres_url, "PGPASSWORD": PASSWORD, "PGPASSFILE": str(place / "pgpass")}
    monkeypatch.setenv(source, values[source])
    assert list_runs(place) == ["one"]
    assert newest_run(place) == "one"
    checkpoint = open_run(place, "one")
    assert read_run(checkpoint).id
    checkpoint.close()
    assert PASSWORD not in (place / "one" / "run.json").read_text()


def test_a_run_that_is_opened_to_be_read_cannot_be_changed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(url, "one", [made_records.case()]).close()
    (tmp_path / "one").mkdir()
    write_place(tmp_path / "one", "one", url)
    files = {path.name for path in tmp_path.iterdir()}
    monkeypatch.setenv("MEMORYBENCH_CHECKPOINT_URL", url)
    with closing(open_run(tmp_path, "one")) as writing, closing(open_run(tmp_path, "one", read_only=True)) as reading:
        assert len(reading.selected()) == 1
        with pytest.raises(CheckpointError, match="cannot be written"):
            mark_finished(reading)
        mark_finished(writing)
        assert read_run(reading).finished is not None
    assert {path.name for path in tmp_path.iterdir()} == files


def test_without_a_password_it_says_where_one_is_looked_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", str(place / "none"))
    with pytest.raises(CheckpointError, match=r"PGPASSWORD, in ~/.pgpass") as refused:
        open_run(place, "one")
    assert PASSWORD not in str(refused.value)


def test_a_damaged_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "run.json").write_text("[]")
    with pytest.raises(CheckpointError, match="does not say where"):
        open_run(tmp_path, "one")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("postgresql+psycopg://me:secret@host:5/db", "postgresql+psycopg://me@host:5/db"),
        ("postgresql://me@host/db?password=secret&sslmode=require", "postgresql://me@host/db?sslmode=require"),
        ("postgresql://me:p%40'ss@host/db", "postgresql://me@host/db"),
        ("sqlite:////tmp/checkpoint.sqlite", "sqlite:////tmp/checkpoint.sqlite"),
        ("postgresql://me:sec@ret@host/db", "postgresql://..."),
    ],
)
def test_an_address_without_its_password(url: str, kept: str) -> None:
    assert without_password(url) == kept


def test_a_folder_has_one_invocation_and_a_database_many_unless_one_wants_to_be_alone(
    tmp_path: Path, postgres_url: str
) -> None:
    for name in ("here", "there", "beside"):
        (tmp_path / name).mkdir()
    lead = Lead(tmp_path / "here", "run", postgres_url)
    with pytest.raises(ConfigurationError, match=r"being worked on by process \d+ on"):
        Lead(tmp_path / "here", "run", None)
    Lead(tmp_path / "there", "run", postgres_url).close()
    with pytest.raises(ConfigurationError, match="another folder or machine, and this one has to be alone"):
        Lead(tmp_path / "there", "run", postgres_url, exclusive=True)
    Lead(tmp_path / "there", "other", postgres_url, exclusive=True).close()
    lead.close()
    alone = Lead(tmp_path / "there", "run", postgres_url, exclusive=True)
    with pytest.raises(ConfigurationError, match=r"another folder or machine, and that one \(--retry-from"):
        Lead(tmp_path / "beside", "run", postgres_url)
    alone.close()


def test_a_file_that_cannot_be_replaced_stays_and_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path / "run.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
