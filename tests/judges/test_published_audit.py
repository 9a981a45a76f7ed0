"""``python -m judges audit --on published``: any judge on imported answers with their publishers' grades."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.synthetic import Synthetic
from judges.__main__ import main
from judges.published.sets import is_held_out
from tests.bench.published.published_files import import_files

ANSWERS = 40


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three quarters of the answers are right, one of those is graded wrong; and a set that is wrong on purpose."""
    folder = tmp_path_factory.mktemp("runs")
    cases = [case for case in Synthetic(BenchmarkOptions()).cases() if case.gold.answerable][:ANSWERS]
    right = [number % 4 != 3 for number in range(ANSWERS)]
    lines: list[dict[str, Any]] = [
        {"question_id": case.source_id, "answer": case.gold.ground_truth if good else "a purple elephant",
         "grade": good and number != 0, "by": "acme", "benchmark": "synthetic"}
        for number, (case, good) in enumerate(zip(cases, right, strict=True))
    ]  # fmt: skip
    without = {"question_id": "nobody", "answer": "?", "grade": True, "by": "acme", "benchmark": "synthetic"}
    (folder / "acme.jsonl").write_text("\n".join(map(json.dumps, [*lines, without])))
    (folder / "wrong.jsonl").write_text("\n".join(json.dumps({**line, "by": "wrong"}) for line in lines))
    assert import_files(folder, folder / "acme.jsonl") == 0
    assert import_files(folder, folder / "wrong.jsonl", "--all-wrong", run_id="wrong") == 0
    return folder


def audit(runs: Path, *arguments: str) -> int:
    return main(["audit", "--judge", "lexical", "--on", "published", "--runs-dir", str(runs), *arguments])


def test_figures_by_set_part_and_type(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(runs, "--json", str(tmp_path / "audit.json")) == 0
    assert "wrong on synthetic, all wrong on purpose" in capsys.readouterr().out
    written = json.loads((tmp_path / "audit.json").read_text())
    by_name = {one["name"]: {part["name"]: part for part in one["parts"]} for one in written["audits"]}
    acme, wrong = by_name["acme on synthetic"], by_name["wrong on synthetic"]
    assert (acme["all"]["n"], acme["all"]["agreed"]["correct"]) == (ANSWERS, ANSWERS - 1)  # what has no question is out
    assert (acme["all"]["wrong_accepted"]["correct"], acme["all"]["wrong_accepted"]["n"]) == (1, ANSWERS // 4 + 1)
    assert acme["all"]["right_rejected"]["correct"] == 0
    assert acme["all"]["kappa_ci95"][0] < acme["all"]["kappa"] < 1
    # the label of what is wrong on purpose is wrong, whatever its publisher's grade
    assert (wrong["all"]["agreed"]["correct"], wrong["all"]["wrong_accepted"]["correct"]) == (10, 30)
    held_out = sum(item["held_out"] for item in written["items"]) // 2
    assert (acme["held out"]["n"], acme["open"]["n"]) == (held_out, ANSWERS - held_out)
    assert 0 < held_out < ANSWERS
    types = {name: part["n"] for name, part in acme.items() if name not in ("all", "held out", "open")}
    assert sum(types.values()) == ANSWERS


def test_the_half_that_is_held_out_is_fixed() -> None:
    named = [f"conv-26-q{number:03d}" for number in range(8)]
    assert [is_held_out(name) for name in named] == [False, True, False, False, True, False, True, True]


def test_one_import_or_some_answers_of_it(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(runs, "published", "--limit", "7") == 0
    output = capsys.readouterr().out
    assert "judge lexical (lexical-v2) on 7 answers: acme on synthetic" in output
    assert "wrong on purpose" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "there is no run 'nowhere'"),
        (("--attach", "last"), "--attach takes an audit on the suite's own labelled answers"),
        (("--on", "labelled", "published"), "published: only --on published takes runs."),
    ],
)
def test_what_cannot_be_audited(
    runs: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(runs, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_folder_without_imports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(tmp_path) == 2
    assert "has no imported answers with grades" in capsys.readouterr().err
