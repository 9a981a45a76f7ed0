"""Two runs that differ by known verdicts give exactly these; what cannot be compared is refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any  # fields of records, which check them

import pytest
from syrupy.assertion import SnapshotAssertion

from reports.__main__ import main
from reports.compare import comparisons_schema
from reports.store.records import Git, JudgeRecord
from tests.reports.compare.made_runs import every, write
from tests.reports.made_records import benchmark, provider
from tests.repository import ROOT

Printed = Callable[..., str]


@pytest.fixture
def compare(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Printed:
    """What `compare` prints; with `refused` on the error stream, and exit status 2."""

    def printed(*words: str, width: int = 100, refused: bool = False) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["compare", *words, "--runs-dir", str(tmp_path)]) == (2 if refused else 0)
        streams = capsys.readouterr()
        assert (streams.out if refused else streams.err) == ""
        return streams.err if refused else streams.out

    return printed


FLIPPED = {3: "wrong", 4: "abstained", 5: "error", 40: "correct", 41: "error", 50: "correct"}
BEFORE = every(60) | {40: "wrong", 41: "wrong", 50: "error", 51: "error"}


@pytest.mark.long
def test_known_flips_are_exactly_those(tmp_path: Path, compare: Printed) -> None:
    write(tmp_path, "a", BEFORE)
    write(tmp_path, "b", BEFORE | FLIPPED)
    (one,) = json.loads(compare("a", "b", "--json"))["comparisons"]
    ids = {number: f"conv-{number % 8}-q{number:03}" for number in range(60)}
    assert one["flips"] == {
        "right_to_wrong": [ids[3], ids[4]],
        "wrong_to_right": [ids[40]],
        "right_to_error": [ids[5]],
        "wrong_to_error": [ids[41]],
        "error_to_right": [ids[50]],
        "error_to_wrong": [],
    }
    accuracy = one["differences"][0]
    assert (accuracy["figure"], accuracy["n"], accuracy["only_first"], accuracy["only_second"]) == (
        "accuracy",
        60,
        3,
        2,
    )
    assert accuracy["change"] == pytest.approx(-1 / 60)
    assert accuracy["verdict"] == "no difference shown"
    assert one["changed"] == []
    same = compare("a", "a", "--json")
    assert same.count("no difference shown") == same.count('"verdict"')


def test_only_what_both_were_asked_is_compared_and_the_rest_is_counted(tmp_path: Path, compare: Printed) -> None:
    write(tmp_path, "a", every(50))
    write(tmp_path, "b", dict.fromkeys(range(10, 53), "correct"))
    (one,) = json.loads(compare("a", "b", "--json"))["comparisons"]
    assert (one["n"], one["left_out"]) == (40, {"only_first": 10, "only_second": 3})
    text = compare("a", "b")
    assert "40 questions that both were asked" in text
    assert "left out: 10 questions that only a has" in text
    write(tmp_path, "c", dict.fromkeys(range(90, 95), "correct"))
    assert "no question in common" in compare("a", "c", refused=True)


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminal_says_first_what_differs(
    width: int, tmp_path: Path, compare: Printed, snapshot: SnapshotAssertion
) -> None:
    write(tmp_path, "main", every(200) | {7: "error"})
    changes: dict[str, Any] = {
        "git": Git(commit="f" * 40, dirty=True),
        "top_k": 30,
        "code": {"provider mine": "commit 123"},
    }
    write(tmp_path, "branch", every(200) | dict.fromkeys(range(0, 200, 5), "wrong"), ms=9.0, **changes)
    text = compare("main", "branch", width=width)
    assert all(len(line) <= width for line in text.splitlines())
    assert text.index("top-k") < text.index("accuracy")
    assert text == snapshot


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"benchmarks": (benchmark(sha256="0" * 32),)}, "data is not the same"),
        ({"judge": JudgeRecord(name="lenient", protocol="lenient-1", model="gpt-test")}, "judge is not the same"),
        ({"judge": JudgeRecord(name="strict", protocol="strict-2", model="gpt-test")}, "judge is not the same"),
    ],
)
def test_another_judge_or_other_data_are_refused(
    changes: dict[str, Any], why: str, tmp_path: Path, compare: Printed
) -> None:
    write(tmp_path, "a", every(20))
    write(tmp_path, "b", every(20, "wrong"), **changes)
    message = compare("a", "b", refused=True)
    assert why in message
    assert "--anyway" in message
    assert len(message.splitlines()) == 1
    assert "(NOT COMPARABLE)" in compare("a", "b", "--anyway")


def test_without_verdicts_another_judge_does_not_matter(tmp_path: Path, compare: Printed) -> None:
    write(tmp_path, "a", every(20, "unjudged"), until="search")
    write(tmp_path, "b", every(20), judge=JudgeRecord(name="lenient", protocol="1", model=None))
    assert "accuracy" not in compare("a", "b")


def test_two_providers_in_two_runs_or_in_one(tmp_path: Path, compare: Printed) -> None:
    write(tmp_path, "a", every(30))
    write(tmp_path, "b", every(30), by="zep")
    assert "zep in b against bm25 in a (baseline)" in compare("a", "b")
    assert "run a has no provider 'mem0'. It has: bm25." in compare("a/mem0", "b", refused=True)
    write(tmp_path, "c", every(30), providers=(provider("bm25"), provider("zep")))
    assert "nothing to compare" in compare("a", refused=True)
    assert "bm25 in c against bm25 in a" in compare("a", "c", "--provider", "bm25")


def test_more_than_two_runs_have_the_first_as_baseline(tmp_path: Path, compare: Printed) -> None:
    for name in "abc":
        write(tmp_path, name, every(30))
    shown = json.loads(compare("a", "b", "c", "--json"))["comparisons"]
    assert [(one["first"]["runs"], one["second"]["runs"]) for one in shown] == [(["a"], ["b"]), (["a"], ["c"])]


def test_repeats_show_the_noise_between_runs_and_widen_the_interval(tmp_path: Path, compare: Printed) -> None:
    for place, name in enumerate(["a1", "a2", "a3"]):
        write(tmp_path, name, every(80) | dict.fromkeys(range(place * 12), "wrong"))
    for place, name in enumerate(["b1", "b2", "b3"]):
        write(tmp_path, name, every(80) | dict.fromkeys(range(6 + place * 12), "wrong"))
    (one,) = json.loads(compare("a1", "a2", "a3", "vs", "b1", "b2", "b3", "--json"))["comparisons"]
    accuracy = one["differences"][0]
    assert accuracy["repeats"] == [3, 3]
    assert accuracy["noise"] == [pytest.approx(0.15), pytest.approx(0.15)]
    assert accuracy["change"] == pytest.approx(-6 / 80)
    assert accuracy["verdict"] == "no difference shown"
    assert "Welch" in accuracy["method"]
    # four degrees of freedom: 2.776 * sqrt(2 * 0.15**2 / 3)
    assert accuracy["ci95"][1] - accuracy["change"] == pytest.approx(2.776 * 0.15 * (2 / 3) ** 0.5, abs=1e-3)
    assert "run-to-run noise" in compare("a1", "a2", "vs", "b1", "b2")


def test_a_baseline_file_stands_for_its_run(
    tmp_path: Path, compare: Printed, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path, "a", BEFORE)
    write(tmp_path, "b", BEFORE | FLIPPED)
    assert main(["baseline", "a", "--runs-dir", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "support group" not in text, "no texts"
    assert main(["baseline", "a", "--runs-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == text, "the same bytes"
    (tmp_path / "baseline.json").write_text(text, encoding="utf-8")
    expected = compare("a", "b", "--json")
    for same in (tmp_path / "baseline.json", folder, folder / "report.json"):
        assert compare(str(same), "b", "--json") == expected, same


@pytest.mark.parametrize(
    ("changes", "why"), [({"finished": None}, "not finished"), ({"second_look_at": "z"}, "second look")]
)
def test_a_part_of_a_run_is_no_baseline(
    changes: dict[str, Any], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "a", every(10), **changes)
    assert main(["baseline", "a", "--runs-dir", str(tmp_path)]) == 2
    assert why in capsys.readouterr().err


def test_what_is_not_there_or_broken_is_one_line(tmp_path: Path, compare: Printed) -> None:
    write(tmp_path, "a", every(10))
    assert "The latest runs there: " in compare("a", "nothing", refused=True)
    (tmp_path / "broken.json").write_text('{"schema_version": 7}', encoding="utf-8")
    assert "no baseline that this version reads" in compare("a", str(tmp_path / "broken.json"), refused=True)
    assert "providers bm25" in compare("a", "a", "--provider", "zep", refused=True)
    assert "vs" in compare("vs", "a", refused=True)
    (tmp_path / "a" / "retrieved.jsonl").unlink()
    assert "retrieved.jsonl" in compare("a", "a", refused=True)
    (tmp_path / "a" / "report.json").write_text("{", encoding="utf-8")
    assert "report.json cannot be read" in compare("a", "a", refused=True)


def test_markdown_and_html_have_it_all(tmp_path: Path, compare: Printed, snapshot: SnapshotAssertion) -> None:
    write(tmp_path, "a", BEFORE)
    write(tmp_path, "b", BEFORE | FLIPPED, id="<script>alert(1)</script>|")
    markdown = compare("a", "b", "--markdown")
    assert "<script>" not in markdown
    assert markdown == snapshot
    page = tmp_path / "page.html"
    compare("a", "b", "--html", str(page))
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert all(one in text for one in ("conv-4-q004", "What differs", "wrong → right", "<svg"))
    assert "cannot be written" in compare("a", "b", "--html", str(tmp_path / "no" / "page.html"), refused=True)


def test_the_published_schema_is_the_one_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    published = (ROOT / "docs" / "comparison.schema.json").read_text(encoding="utf-8")
    assert published == comparisons_schema(), "write it anew: python -m reports schema comparison.json"
    assert main(["schema", "baseline.json"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs" / "baseline.schema.json").read_text(encoding="utf-8")
