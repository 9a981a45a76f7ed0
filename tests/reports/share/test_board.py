"""A leaderboard never mixes what does not compare, and says where each figure is from."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from reports.__main__ import main
from reports.report import Report
from reports.report.build import build_report
from reports.report.files import write_report
from reports.share import make_board
from tests.reports.made_records import asked, benchmark, case, run
from vocabulary import ConfigurationError


def report(identifier: str, correct: int = 2, **changes: Any) -> Report:  # Any: fields of the record, which checks them
    labels = ["correct"] * correct + ["wrong"] * (4 - correct)
    records = [asked(case(number, conversation=number), label) for number, label in enumerate(labels)]
    return build_report(run(id=identifier, **changes), records, [])


def kept(folder: Path, *reports: Report) -> Path:
    for one in reports:
        (folder / one.run.id).mkdir(parents=True)
        write_report(folder / one.run.id, one)
    return folder


def changed(one: Report, **result: object) -> Report:
    return one.model_copy(update={"results": (one.results[0].model_copy(update=result),)})


def test_rows_are_sorted_and_keep_their_provenance(tmp_path: Path) -> None:
    board = make_board([kept(tmp_path, report("low", 1), report("high", 3), report("middle", 2))])
    (table,) = board.tables
    assert [entry.run for entry in table.entries] == ["high", "middle", "low"]
    first = table.entries[0]
    assert (first.memorybench, first.commit, first.top_k, str(first.date)) == ("0.1.0", "0123abc", 10, "2026-11-21")
    assert first.accuracy
    assert first.accuracy.value == 0.75
    assert table.terms.judge_model == "gpt-test"
    assert table.terms.data_sha256.startswith("79fa87e9")


def test_what_does_not_compare_has_a_table_of_its_own(tmp_path: Path) -> None:
    plain = report("a")
    (judge,) = {result.judge for result in plain.results}
    others = [
        changed(report("b"), judge=judge.model_copy(update={"name": "lenient"})),
        changed(report("c"), judge=judge.model_copy(update={"protocol": "strict-2"})),
        changed(report("d"), judge=judge.model_copy(update={"model": "gpt-other"})),
        changed(report("e"), answering_model="gpt-other"),
        report("f", benchmarks=(benchmark(sha256="00"),)),
        report("g", sampled="2 questions of each type"),
        report("h", until="answer"),
    ]
    board = make_board([kept(tmp_path, plain, *others, report("same as a"))])
    tables = {frozenset(entry.run for entry in table.entries) for table in board.tables}
    assert tables == {frozenset({"a", "same as a"}), *(frozenset({one}) for one in "bcdefgh")}
    assert len({table.terms for table in board.tables}) == len(board.tables)


def test_what_is_no_whole_run_is_left_out_and_named(tmp_path: Path) -> None:
    kept(tmp_path, report("a"), report("open", finished=None), report("again", second_look_at="a"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "report.json").write_text('{"schema_version": 2}')
    board = make_board([tmp_path, tmp_path / "a", tmp_path / "a" / "report.json"])
    assert [entry.run for table in board.tables for entry in table.entries] == ["a"], "once, although named three times"
    reasons = {Path(one.path).parent.name: one.reason for one in board.left_out}
    assert reasons["open"] == "the run is not finished"
    assert reasons["again"] == "a second look at what was wrong in run a"
    assert reasons["broken"].startswith("cannot be read: run: ")


def test_the_command_writes_a_page_and_the_same_as_json(
    tmp_path: Path, made_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = kept(tmp_path / "runs", changed(report("odd"), answering_model="<script>alert(1)</script>"))
    assert main(["board", str(runs), str(made_run.parent), "--output", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "out" / f"board.{kind}") for kind in ("html", "json")
    ]
    page = (tmp_path / "out" / "board.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    tables = json.loads((tmp_path / "out" / "board.json").read_text(encoding="utf-8"))["tables"]
    assert [table["terms"]["benchmark"] for table in tables] == ["locomo", "synthetic"]
    assert len(re.findall("<table>", page)) == 2
    for table in tables:
        for entry in table["entries"]:
            assert f"<code>{html.escape(entry['run'])}</code>" in page
            assert f"{entry['accuracy']['value']:.3f}" in page


def test_nothing_to_show_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no report\.json in"):
        make_board([tmp_path])
    with pytest.raises(ConfigurationError, match=r"there is no .*absent"):
        make_board([tmp_path / "absent"])
