"""A run in Markdown: the figures of its report, and texts that stay texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.__main__ import main
from reports.report import read_report
from reports.report.build import build_report
from reports.report.gates.thresholds import parse_threshold
from reports.share.markdown import code, plain
from reports.share.summary import job_summary
from tests.reports.made_records import asked, case, container, failed, run
from vocabulary import Answer


def test_the_table_has_the_figures_of_the_report(made_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "made", "--runs-dir", str(made_run.parent), "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    result = read_report(made_run).results[0]
    assert result.accuracy
    assert result.shown_retrieval.message
    low, high = result.accuracy.ci95
    cells = [cell.strip() for cell in lines[2].strip("|").split(" | ")]
    assert cells[:4] == ["`bm25`", "synthetic", "10", f"{result.accuracy.value:.3f} \\[{low:.3f}, {high:.3f}\\]"]
    assert cells[4] == f"{result.shown_retrieval.message.recall['10']:.3f}"
    assert "judge `lexical` (lexical-v2)" in lines[-1]
    assert result.benchmark.sha256[:12] in lines[-1]


def test_the_summary_of_a_job_has_gate_warnings_and_failures() -> None:
    records = [asked(case(1)), failed(case(2)), asked(case(3), "wrong")]
    report = build_report(run(), records, [container()], thresholds=[parse_threshold("accuracy=0.9")], max_errors=0)
    text = "\n".join(job_summary(report, records[1:]))
    assert "**❌ Gate missed**" in text
    assert "- gate missed: accuracy 0.333 \\< 0.9 on bm25/locomo: short by 0.567" in text
    assert "| 3 | 0.333 \\[" in text
    assert "unknown price" in text
    assert "`search: ProviderError: bm25 answered 503: overloaded. See its log.`" in text
    assert "| `conv-26-q003` | `bm25` | temporal | wrong |" in text


@pytest.mark.parametrize(
    "text", ["a | b", "`x` and ``y``", "<img src=x onerror=alert(1)>\n\n# big", "", "`", "\u202eabc\x00"]
)
def test_a_text_stays_in_its_cell(text: str) -> None:
    made = code(text)
    assert "\n" not in made
    assert "\u202e" not in made
    assert made.replace("\\|", "").count("|") == 0
    assert "\n" not in plain(text)
    assert "<" not in plain(text).replace("\\<", "")


def test_nobody_is_mentioned() -> None:
    assert "@octocat" not in plain("thanks @octocat, see #12")
    assert "#12" not in plain("thanks @octocat, see #12")
    assert code("x" * 500).endswith("…`")
    record = asked(case(1), "wrong", answer=Answer(hypothesis="</td><!-- memory-benchmark -->`` @all"))
    assert "``` </td><!-- memory-benchmark -->`` @all" not in "\n".join(job_summary(build_report(run(), [record], [])))


def test_a_finished_run_is_summarised_again(
    made_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--runs-dir", str(made_run.parent))
    assert main(["summary", "made", *where]) == 0
    printed = capsys.readouterr().out
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert main(["summary", "last", "--github-summary", *where]) == 0
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == printed
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    capsys.readouterr()
    assert main(["summary", "last", "--github-summary", *where]) == 2
    assert "GITHUB_STEP_SUMMARY: cannot write" in capsys.readouterr().err
