"""The files of a run at several places: made at one of them, copied by the others, in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any  # the arguments of write_run

import pytest

from reports.html import write_html
from reports.report import parse_threshold, write_run
from reports.report.model import Report
from reports.store import Checkpoint, QuestionRecord
from reports.store.sharing import ClosingFiles, Presence, closing_files
from tests.reports import made_records
from tests.reports.made_records import asked, case, container, run
from tests.reports.store.checkpoint_workers import make_run

RECORDS = [asked(case(number)) for number in range(1, 30)]
OF_A_PLACE = {".report.stamp"}

Write = Callable[..., tuple[Report, bool]]


@pytest.fixture
def checkpoint(postgres_url: str) -> Iterator[Checkpoint]:
    """A run that two invocations have worked on."""
    with closing(make_run(postgres_url, "one", [made_records.case()])) as opened, ExitStack() as ended:
        for place in ("a:main", "b:main"):
            presence = Presence(opened, place, place, "judge")
            presence.begin()
            ended.callback(presence.end)
        yield opened


@pytest.fixture
def write(checkpoint: Checkpoint, tmp_path: Path) -> Write:
    """Writes the files of a place; its report, and whether its questions were read for it."""

    def written(place: str, record: Any = None, **arguments: Any) -> tuple[Report, bool]:
        read: list[QuestionRecord] = []

        def questions() -> Iterator[QuestionRecord]:
            for one in RECORDS:
                read.append(one)
                yield one

        folder = tmp_path / place / "one"
        folder.mkdir(parents=True, exist_ok=True)
        shared = ClosingFiles(checkpoint)
        assert shared.are_shared
        options = {"state": "as it is", "besides": write_html, "shared": shared, **arguments}
        report = write_run(folder, record or run(), questions(), [container()], **options)
        return report, bool(read)

    return written


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in OF_A_PLACE}


@pytest.mark.parametrize("piece_bytes", [5000, 4 << 20])
def test_a_place_copies_what_another_has_made(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    monkeypatch.setattr(closing_files, "_PIECE_BYTES", piece_bytes)
    made = write("here")
    assert made[1]
    copied = write("there", run(loop_lag_ms_p99=3.0))
    assert not copied[1], "also if a place lagged that ended later"
    assert copied[0].model_dump(mode="json") == made[0].model_dump(mode="json")
    here, there = (files(tmp_path / place / "one") for place in ("here", "there"))
    assert here == there
    assert {"report.json", "report.html", "results.jsonl", "retrieved.jsonl", "hypotheses.jsonl"} == here.keys()


def test_a_copy_is_left_as_it_is(write: Write, tmp_path: Path) -> None:
    write("here")
    write("there")
    there = tmp_path / "there" / "one"
    before = {path.name: path.stat().st_mtime_ns for path in there.iterdir()}
    assert not write("there")[1]
    assert before == {path.name: path.stat().st_mtime_ns for path in there.iterdir()}


def test_an_empty_file_is_copied_too(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.reports.report.test_shared_files.RECORDS", [asked(case(1), results=())])
    write("here")
    assert not write("there")[1]
    assert (tmp_path / "there" / "one" / "retrieved.jsonl").read_bytes() == b""


@pytest.mark.parametrize("other", [{"state": "another step"}, {"thresholds": [parse_threshold("accuracy=0.5")]}])
def test_a_place_makes_its_own_of_what_is_not_the_same(write: Write, other: dict[str, Any]) -> None:
    write("here")
    assert write("there", **other)[1]


def test_one_place_makes_them_while_others_wait(checkpoint: Checkpoint, write: Write) -> None:
    ended = Event()
    made: list[bool] = []

    def follow() -> None:
        made.append(write("there")[1])
        ended.set()

    other = Thread(target=follow, daemon=True)
    with ClosingFiles(checkpoint).turn():
        other.start()
        assert not ended.wait(1)
    other.join(60)
    assert made == [True], "nobody had made them"


def test_a_place_that_is_waited_for_too_long_is_not_waited_for(
    checkpoint: Checkpoint, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing_files, "_PATIENCE_SECONDS", 0.1)
    with ClosingFiles(checkpoint).turn():
        assert write("there")[1]


def test_files_that_cannot_be_kept_are_made_by_each(checkpoint: Checkpoint, write: Write, tmp_path: Path) -> None:
    with checkpoint.engine.begin() as connection:
        connection.exec_driver_sql("alter table closing_files add check (number < 0)")
    assert write("here")[1]
    assert write("there")[1]
    assert files(tmp_path / "here" / "one") == files(tmp_path / "there" / "one")


def test_files_that_are_deleted_meanwhile_are_copied_whole_or_made(
    checkpoint: Checkpoint, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing_files, "_PIECE_BYTES", 5000)
    write("here")
    pieces = ClosingFiles.pieces

    def deleted_after(count: int) -> Callable[[ClosingFiles, str], Iterator[tuple[str, bytes]]]:
        def read(files: ClosingFiles, source: str) -> Iterator[tuple[str, bytes]]:
            found = pieces(files, source)
            yield from islice(found, count)
            with checkpoint.engine.begin() as connection:
                connection.exec_driver_sql("delete from closing_files")
            yield from found

        return read

    monkeypatch.setattr(ClosingFiles, "pieces", deleted_after(1))
    assert not write("there")[1]
    monkeypatch.undo()
    write("here", state="later")
    monkeypatch.setattr(ClosingFiles, "pieces", deleted_after(0))
    assert write("late", state="later")[1]
    here, there, late = (files(tmp_path / place / "one") for place in ("here", "there", "late"))
    assert here == there == late


def test_files_are_gone_when_work_begins_anew(checkpoint: Checkpoint, write: Write) -> None:
    write("here")
    with checkpoint.engine.begin() as connection:
        connection.exec_driver_sql("update places set ended = true")
    again = Presence(checkpoint, "c:main", "c", "judge")
    again.begin()
    assert not ClosingFiles(checkpoint).are_shared
    again.end()
    with checkpoint.engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from closing_files").scalar_one() == 0


def test_a_run_of_one_invocation_keeps_no_files(postgres_url: str, tmp_path: Path) -> None:
    with closing(make_run(postgres_url, "one", [made_records.case()])) as opened:
        assert not ClosingFiles(opened).are_shared, "no place has joined"
        workers = [Presence(opened, f"a:gw{number}", "here", "judge") for number in range(2)]
        for presence in workers:
            presence.begin()
        assert not ClosingFiles(opened).are_shared
        for presence in workers:
            presence.end()
    with closing(make_run(f"sqlite:///{tmp_path / 'own.sqlite'}", "one", [made_records.case()])) as local:
        assert not ClosingFiles(local).are_shared
