"""A report is left as it is only where all that it is made from is the same, to the last byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any  # the arguments of write_run

import pytest

from reports.metrics import Accuracy
from reports.report import (
    Checked,
    CheckVerdict,
    JudgeAudit,
    attach_audit,
    parse_threshold,
    stamp,
    write_checked,
    write_run,
)
from reports.report.audits import AcceptedShare
from reports.report.model import Report
from reports.store import Checkpoint, QuestionRecord, Step
from tests.reports.made_records import asked, case, container, provider, run
from tests.reports.store.checkpoint_workers import key, make_run
from vocabulary import CheckpointError

RECORDS = [asked(case(1)), asked(case(2), "wrong")]


def written(folder: Path, record: Any = None, **arguments: Any) -> tuple[Report, bool]:
    """The report of a run, and whether its questions were read for it."""
    read: list[QuestionRecord] = []

    def questions() -> Iterator[QuestionRecord]:
        for one in RECORDS:
            read.append(one)
            yield one

    arguments = {"state": "as it was", **arguments}
    return write_run(folder, record or run(), questions(), [container()], **arguments), bool(read)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's folder with its files as they were written last."""
    folder = tmp_path / "runs" / "run"
    folder.mkdir(parents=True)
    assert written(folder)[1]
    return folder


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_same_again_leaves_all_files_as_they_are(folder: Path) -> None:
    before = files(folder)
    report, read = written(folder)
    assert not read
    assert files(folder) == before
    assert report.model_dump_json(indent=2) + "\n" == (folder / "report.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "another step"},
        {"state": None},
        {"thresholds": [parse_threshold("accuracy=0.5")]},
        {"max_errors": 3},
        {"record": run(finished=datetime(2027, 1, 1, tzinfo=UTC))},
        {"record": run(loop_lag_ms_p99=7.5)},
    ],
    ids=str,
)
def test_what_is_made_from_something_else_is_written_anew(folder: Path, changed: dict[str, Any]) -> None:
    assert written(folder, **changed)[1]


def edit(folder: Path) -> None:
    path = folder / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-1] + b" ")


def delete(folder: Path) -> None:
    (folder / "hypotheses.jsonl").unlink()


def touch(folder: Path) -> None:
    os.utime(folder / "report.json", ns=(0, 0))


def damage(folder: Path) -> None:
    (folder / stamp.STAMP).write_bytes(b"\xff{")


def check(folder: Path) -> None:
    made = CheckVerdict(name="a", outcome="passed", message="as it should", seconds=0.1)
    checked = Checked(provider=provider(), kit=("a",), checked_at=datetime(2027, 1, 1, tzinfo=UTC), checks=(made,))
    write_checked(folder.parent, checked)


def attach(folder: Path) -> None:
    vague = AcceptedShare(items=0, errors=0, labelled_correct=0, accepted=0, share=None, ci95=None)
    accuracy = Accuracy(value=1.0, correct=1, n=1, ci95=(0.2, 1.0), method="wilson")
    audit = JudgeAudit(
        judge=run().judge.name, protocol=run().judge.protocol, model=None, set_sha256="0", items=1, graded=1,
        errors={}, accuracy=accuracy, kappa=None, vague_accepted=vague, kinds={},
    )  # fmt: skip
    attach_audit(folder, audit)


@pytest.mark.parametrize("meddle", [edit, delete, touch, damage, check, attach])
def test_files_that_were_touched_are_written_anew(folder: Path, meddle: Callable[[Path], None]) -> None:
    untouched = (folder / "results.jsonl").read_bytes()
    meddle(folder)
    assert written(folder)[1]
    assert (folder / "results.jsonl").read_bytes() == untouched
    assert not written(folder)[1], "and that is the report from then on"


def test_other_code_writes_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamp, "_code", lambda: b"another version of the suite")
    assert written(folder)[1]


def test_a_report_that_could_not_be_written_has_no_stamp(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="zep"):
        write_run(folder, run(), [asked(case(1), provider="zep")], [], state="another step")
    assert not written(folder)[1], "the former files are there, and so is their stamp"


@pytest.mark.long
def test_the_digest_of_a_checkpoint_changes_with_the_last_letter_of_a_long_result(url: str) -> None:
    checkpoint = make_run(url, "run", [case(1), case(2)])
    digests = []
    for text in ("x" * 100_000 + "y", "x" * 100_000 + "z"):
        checkpoint.ask_again(("search",))
        checkpoint.save(key(case(1)), Step(phase="search"), inputs="i", result=f'"{text}"').result()
        digests.append(checkpoint.digest())
    assert digests[0] != digests[1] == checkpoint.digest()
    checkpoint.close()
    again = Checkpoint(url, "run")
    assert again.digest() == digests[1]
    again.close()
