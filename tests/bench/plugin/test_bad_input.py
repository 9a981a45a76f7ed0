"""What cannot be done is said in one line, with the value and a way out, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.plugin.suite import SMALL, WATCHED, Ended, Suite
from tests.processes import run as run_process

ALONE_AND_DIVIDED = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])


def refusal(ended: Ended) -> str:
    """The one line that says why nothing was done."""
    assert ended.status == pytest.ExitCode.USAGE_ERROR, ended.output
    assert "Traceback" not in ended.output
    assert "INTERNALERROR" not in ended.output
    return ended.about("ERROR: ")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--provider=bm52", "unknown provider 'bm52'. Did you mean 'bm25'? Known: bm25, "),
        ("--provider=nowhere:Memory", "provider 'nowhere:Memory' cannot be imported"),
        ("--provider=tests.subjects.watched:First", "is not a subclass of providers.base.Provider"),
        ("--answering-model=gtp-5", "unknown answering model 'gtp-5'"),
        ("--judge=lexcal", "unknown judge 'lexcal'. Did you mean 'lexical'?"),
        ("--question-type=temporary", "unknown question type 'temporary'. Did you mean 'temporal'?"),
        ("--top-k=0", "--top-k '0'"),
        ("--until=sleep", "--until 'sleep'"),
        ("--run-id=../mine", "--run-id '../mine'"),
        ("--retry-from=judge", "--retry-from judge: there is no run"),
    ],
    ids=lambda value: value if value.startswith("--") else "",
)
def test_what_nobody_knows_is_named(suite: Suite, argument: str, message: str) -> None:
    ended = suite.run("bench", *SMALL, argument)
    assert message in refusal(ended)
    assert len(ended.output.strip().splitlines()) <= 2
    assert not suite.runs.exists()


@ALONE_AND_DIVIDED
def test_data_that_are_damaged_are_refused(suite: Suite, workers: tuple[str, ...]) -> None:
    folder = suite.folder / "data" / "locomo"
    folder.mkdir(parents=True)
    (folder / "locomo10.json").write_text('[{"sample_id": "conv-1"')
    ended = suite.run("bench", *SMALL, *WATCHED, *workers, MEMORYBENCH_DATA=str(folder.parent))
    assert str(folder / "locomo10.json") in refusal(ended)
    assert not suite.calls("ingest")
    asked = suite.run("bench", *SMALL, *WATCHED, "-k", "synthetic", *workers, MEMORYBENCH_DATA=str(folder.parent))
    assert asked.counted["correct"] > 0, "data that nobody asks for hinder nobody"


@ALONE_AND_DIVIDED
def test_data_of_another_checksum_are_told_of(suite: Suite, data_folder: Path, workers: tuple[str, ...]) -> None:
    published = data_folder / "locomo" / "locomo10.json"
    folder = suite.folder / "data" / "locomo"
    folder.mkdir(parents=True)
    conversations = json.loads(published.read_text())
    (folder / "locomo10.json").write_text(json.dumps(conversations[:1]))
    chosen = ("bench", *WATCHED, "--until=search", "--limit=3", "-k", "locomo", *workers)
    ended = suite.run(*chosen, MEMORYBENCH_DATA=str(folder.parent))
    assert "sha256" in ended.output
    assert "Traceback" not in ended.output


@ALONE_AND_DIVIDED
def test_a_folder_that_cannot_be_written_is_named(suite: Suite, workers: tuple[str, ...]) -> None:
    file = suite.folder / "file"
    file.touch()
    ended = suite.run("bench", *SMALL, *WATCHED, f"--runs-dir={file / 'runs'}", *workers)
    assert str(file / "runs") in refusal(ended)
    assert "--runs-dir" in refusal(ended)
    assert not suite.calls("ingest")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or run_process(mount).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    run_process(["umount", "-l", str(folder)], check=True)


@ALONE_AND_DIVIDED
def test_a_full_disk_loses_nothing(suite: Suite, small_disk: Path, workers: tuple[str, ...]) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 7_400_000)
    bench = ("bench", "--synthetic-sessions=20", "--synthetic-questions=60", f"--runs-dir={small_disk / 'runs'}")
    # the provider has no files: it is the run's record that finds no room
    subjects = ("--provider=none", "--answering-model=tests.subjects.watched:Talkative", WATCHED[2])
    ended = suite.run(*bench, *subjects, *workers)
    assert "Traceback" not in ended.output
    assert "INTERNALERROR" not in ended.output
    assert "is full" in refusal(ended) or "No space left" in refusal(ended)
    ballast.unlink()
    resumed = suite.run("--lf", *workers)
    assert "resuming run" in resumed.output
    (run,) = (small_disk / "runs").iterdir()
    report = json.loads((run / "report.json").read_text())
    assert report["run"]["finished"]
    assert report["results"][0]["questions"]["judged"] == 60


@ALONE_AND_DIVIDED
def test_a_disk_that_was_full_before_is_told_of(suite: Suite, small_disk: Path, workers: tuple[str, ...]) -> None:
    (small_disk / "ballast").write_bytes(b"\0" * (8 * 1024 * 1024 - 4096))
    ended = suite.run("bench", *SMALL, *WATCHED, f"--runs-dir={small_disk / 'runs'}", *workers)
    assert str(small_disk / "runs") in refusal(ended)
    assert not suite.calls("search")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that is mounted for reading only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or run_process(mount).returncode:
        pytest.skip("a read-only disk can be mounted by root only")
    yield folder
    run_process(["umount", "-l", str(folder)], check=True)


@ALONE_AND_DIVIDED
def test_a_disk_for_reading_only_is_named(suite: Suite, read_only: Path, workers: tuple[str, ...]) -> None:
    ended = suite.run("bench", *SMALL, *WATCHED, f"--runs-dir={read_only}", *workers)
    assert "Read-only file system" in refusal(ended)
    assert "--runs-dir" in refusal(ended)


def test_a_bad_variable_is_named_too(suite: Suite) -> None:
    assert "--in-flight 'many'" in refusal(suite.run("bench", *SMALL, MEMORYBENCH_IN_FLIGHT="many"))


def test_a_checkpoint_that_is_none_is_named(suite: Suite) -> None:
    (suite.runs / "mine").mkdir(parents=True)
    (suite.runs / "mine" / "checkpoint.sqlite").write_text("this is no database, it is only a long text\n" * 9)
    for workers in ((), ("-n2",)):
        ended = suite.run("bench", *SMALL, *WATCHED, "--run-id=mine", *workers)
        assert "checkpoint.sqlite" in refusal(ended)
