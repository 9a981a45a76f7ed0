"""``python -m bench``: what it shows, what it fetches, and what it says if it cannot."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench.data.manifests
from bench.__main__ import main
from tests.bench.data.file_server import CONTENT, FileServer, Page, serve_files, start_command, write_manifest
from tests.repository import ROOT


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as server:
        yield server


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of manifests that takes the place of the repository's."""
    monkeypatch.delenv("MEMORYBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bench.data.manifests, "DATASETS", tmp_path)
    for path in (ROOT / "datasets").glob("*.toml"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def own(datasets: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own."""
    folder = datasets / "own"
    folder.mkdir()
    monkeypatch.setenv("MEMORYBENCH_DATA", str(folder))
    return folder


def _row(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The line of ``list`` about a benchmark, with single blanks."""
    assert main(["list"]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{name} "))
    return " ".join(row.split())


# --- download -------------------------------------------------------------------------------------------------------


def test_download_puts_files_where_it_is_told(
    server: FileServer, datasets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.pages |= {"/a": Page(), "/b": Page()}
    write_manifest(datasets, ("tiny_a", f"{server.address}/a"), ("tiny_b", f"{server.address}/b"))
    assert main(["download", "tiny_b", "--to", str(datasets / "elsewhere")]) == 0
    assert [path.name for path in (datasets / "elsewhere" / "tiny").iterdir()] == ["tiny_b.bin"]
    assert main(["download", "tiny"]) == 0
    assert (datasets / "tiny" / "tiny_a.bin").read_bytes() == CONTENT
    assert (datasets / "tiny" / "tiny_b.bin").read_bytes() == CONTENT
    out = capsys.readouterr().out
    assert out.count("non-commercial use only") == 2, "once a command"
    assert "2 files, 2.0 MB in all" in out


def test_a_download_that_fails_is_one_line_and_status_1(
    server: FileServer, datasets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manifest(datasets, ("x", f"{server.address}/missing"))
    assert main(["download", "tiny"]) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("python -m bench: ")
    assert "404" in error


@pytest.mark.usefixtures("datasets")
def test_what_is_generated_needs_no_download(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "synthetic"]) == 0
    assert capsys.readouterr().out == "synthetic is generated: there is nothing to download.\n"


def test_without_a_command_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "download" in capsys.readouterr().out


@pytest.mark.usefixtures("datasets")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["download", "locmo"], "Did you mean 'locomo'?"),
        (["download", "locomo", "--category", "multi-hop"], "locomo has no parts to choose from: leave --category out"),
        (["download", "convomem_evidence", "--context-size", "30"], "convomem_evidence has no context sizes"),
        (["download", "convomem", "--context-size", "many"], "invalid int value: 'many'"),
        (["describe", "locmo"], "Did you mean 'locomo'?"),
        (["describe"], "NAME"),
        (["fetch"], "invalid choice: 'fetch'"),
    ],
)
def test_what_is_asked_wrongly_is_one_line_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = main(arguments)
    except SystemExit as leaving:  # argparse leaves by itself
        status = leaving.code
    errors = capsys.readouterr().err.splitlines()
    assert status == 2
    assert len(errors) == 1
    assert message in errors[0]


def test_a_reader_who_has_enough_is_no_error(datasets: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out, start_command("list", datasets=datasets, stdout=out) as command:
        _, errors = command.communicate(timeout=30)
    assert (command.returncode, errors) == (1, "")


# --- list and describe ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("datasets")
def test_list_without_data_says_what_gets_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in out.split("\n\n")[0].splitlines()}
    assert rows["locomo"] == "missing - 5 2.8 MB CC BY-NC 4.0, non-commercial use only"
    assert rows["longmemeval_s"] == "missing - 6 277.4 MB MIT"
    assert rows["longmemeval_m"] == "missing - 6 2.7 GB MIT"
    assert rows["synthetic"].startswith("generated 100 5 - ")
    for name in ("locomo", "longmemeval_oracle", "longmemeval_s", "longmemeval_m"):
        assert f"`python -m bench download {name}`" in out


@pytest.mark.usefixtures("datasets")
def test_describe_without_data_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "locomo"]) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert "`python -m bench download locomo`" in error


def test_list_and_describe_with_data(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMORYBENCH_DATA", str(data_folder))
    assert _row("locomo", capsys) == "locomo here 1,986 5 2.8 MB CC BY-NC 4.0, non-commercial use only"
    assert main(["describe", "locomo"]) == 0
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    for expected in (
        ["questions", "1,986"],
        ["multi-hop", "282"],
        ["adversarial", "446", "(446", "unanswerable)"],
        ["haystacks", "10"],
        ["sessions", "272"],
        ["messages", "5,882"],
        ["data", "2.8", "MB,", str(data_folder / "locomo" / "locomo10.json")],
        ["licence", "CC", "BY-NC", "4.0,", "non-commercial", "use", "only"],
    ):
        assert expected in words


def test_list_tells_data_of_ones_own_from_published_ones(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "locomo10.json").write_text('[{"sample_id": "talk-1"}]')
    assert _row("locomo", capsys).startswith("locomo faulty - 5 2.8 MB")
    talk: dict[str, object] = {
        "speaker_a": "Ada",
        "speaker_b": "Bo",
        "session_1_date_time": "9:00 am on 2 January, 2024",
    }
    talk |= {"session_1": [{"dia_id": "D1:1", "speaker": "Bo", "text": "The boat is sold."}]}
    asked = [{"question": "What is sold?", "answer": "the boat", "evidence": ["D1:1"], "category": 4}]
    (own / "locomo10.json").write_text(json.dumps([{"sample_id": "talk-1", "conversation": talk, "qa": asked}]))
    assert _row("locomo", capsys).startswith("locomo unverified 1 5 2.8 MB")


def test_list_does_not_read_large_data_that_were_never_used(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sparse files: to read them to the end would take long, and find that they are not JSON."""
    path = own / "longmemeval_m_cleaned.json"
    for size, state in ((2_737_100_077, "here, not indexed yet"), (2_737_100_078, "unverified, not indexed yet")):
        with path.open("wb") as stream:
            stream.truncate(size)
        assert _row("longmemeval_m", capsys) == f"longmemeval_m {state} - 6 2.7 GB MIT"
    assert [entry.name for entry in own.iterdir()] == [path.name]


def test_list_reads_what_is_indexed(
    data_folder: Path,
    own: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("nothing_known_yet")))
    oracle = data_folder / "longmemeval" / "longmemeval_oracle.json"
    if not oracle.is_file():
        pytest.skip(f"no published data: {oracle} is missing")
    (own / "longmemeval_oracle.json").symlink_to(oracle)
    assert _row("longmemeval_oracle", capsys) == "longmemeval_oracle here, not indexed yet - 6 15.4 MB MIT"
    assert main(["describe", "longmemeval_oracle"]) == 0
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    for expected in (
        ["questions", "500"],
        ["multi-session", "133", "(12", "unanswerable)"],
        ["single-session-preference", "30"],
        ["haystacks", "500"],
        ["sessions", "948"],
        ["messages", "10,960"],
    ):
        assert expected in words
    assert _row("longmemeval_oracle", capsys) == "longmemeval_oracle here 500 6 15.4 MB MIT"
