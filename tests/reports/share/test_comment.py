"""The comment of a pull request: its marker, the difference to the baseline, flips, and texts that stay texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.__main__ import main
from reports.report import read_report
from reports.report.build import build_report
from reports.report.files import write_run
from reports.share import comment, marker
from reports.store import QuestionRecord
from tests.reports.made_records import asked, benchmark, case, container, failed, run
from vocabulary import Answer


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("CI/memory", "<!-- memory-benchmark: CI/memory -->"),
        ("--> <b>", "<!-- memory-benchmark: -- -b- -->"),
        ("a\nb", "<!-- memory-benchmark: a-b -->"),
    ],
)
def test_the_first_line_is_hidden_whatever_the_key(key: str, line: str) -> None:
    assert marker(key) == line


def kept(folder: Path, records: list[QuestionRecord], **changes: object) -> None:
    folder.mkdir(parents=True)
    write_run(folder, run(id=folder.name, **changes), records, [container()], max_errors=0)


def commented(runs: Path, *arguments: str) -> int:
    return main(["comment", *arguments, "--runs-dir", str(runs), "--key", "CI/x"])


def test_what_flipped_against_the_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = [case(number, conversation=number) for number in range(30)]
    kept(tmp_path / "main", [asked(one, "correct" if number < 28 else "wrong") for number, one in enumerate(cases)])
    now = [asked(one, "wrong" if number < 25 else "correct") for number, one in enumerate(cases)]
    now[10] = failed(cases[10])
    kept(tmp_path / "branch", now)
    assert commented(tmp_path, "branch", "--baseline", str(tmp_path / "main"), "--details", "https://ci/77") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["<!-- memory-benchmark: CI/x -->", "### Memory benchmark: ❌ gate missed"]
    (row,) = [line for line in lines if line.startswith("| `bm25`")]
    assert "| 0.167 " in row
    assert "| ▼ -0.767 " in row
    assert row.endswith(" |")
    assert ", worse |" in row
    text = "\n".join(lines)
    flips = "24 right → wrong, 1 right → error, 2 wrong → right"
    assert f"<details><summary>bm25 on locomo: {flips}</summary>" in text
    assert "`conv-0-q000`" in text
    assert " and 4 more" in text
    assert "- right → error: `conv-10-q010`" in text
    assert "1 question ended in an error:" in text
    assert "- `conv-10-q010` of `bm25`: `ProviderError in search: bm25 answered 503: overloaded. See its log.`" in text
    assert lines[-1].endswith("judge `strict` · [job](https://ci/77)")


def test_what_cannot_be_compared_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path / "main", [asked(case(1))])
    kept(tmp_path / "branch", [asked(case(1))], benchmarks=(benchmark(sha256="0" * 32),))
    assert commented(tmp_path, "branch", "--baseline", str(tmp_path / "main")) == 0
    text = capsys.readouterr().out
    assert "Not compared with the baseline: main and branch cannot be compared on locomo" in text
    assert "| - |" in text
    assert commented(tmp_path, "branch", "--baseline", str(tmp_path / "gone")) == 0
    assert "Not compared with the baseline: " in capsys.readouterr().out


def test_without_a_baseline_it_has_the_figures_of_the_report(
    made_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commented(made_run.parent, "made", "--details", "javascript:alert(1)") == 0
    text = capsys.readouterr().out
    assert "### Memory benchmark: no gate" in text
    assert "javascript" not in text
    for result in read_report(made_run).results:
        assert result.accuracy
        assert f"| `{result.provider.name}` | synthetic | 10 | {result.accuracy.value:.3f} " in text


def test_it_is_never_too_long_and_holds_no_markup_of_others() -> None:
    records = [
        failed(case(number)) if number % 2 else asked(case(number), answer=Answer(hypothesis="</details>"))
        for number in range(3000)
    ]
    text = "\n".join(comment(build_report(run(), records, [], max_errors=0), "key", None, "because <b>|</b> @all"))
    assert len(text) < 65_536
    assert "because \\<b\\>\\|\\</b\\> @\u200ball" in text
