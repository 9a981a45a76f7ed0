"""``--answers``: recorded answers are judged, what has no question is an error, and nothing else is called."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.synthetic import Synthetic
from bench.cli import importing
from bench.config import build_benchmark_config
from bench.run import run_benchmark
from reports.__main__ import main as reports
from reports.report import Report, Result, read_report
from reports.store import list_runs
from tests.bench.plugin.suite import Suite
from tests.bench.published.published_files import import_files
from tests.processes import forked
from vocabulary import CheckpointError, ConfigurationError

RIGHT, WRONG = 12, 8


def neutral_lines() -> Iterator[dict[str, Any]]:
    """Right and wrong answers to the synthetic benchmark; the publisher accepts four of the wrong ones too."""
    yield {"about": {"by": "acme", "benchmark": "synthetic", "answering_model": "m-1", "stated_accuracy": 0.8}}
    cases = [case for case in Synthetic(BenchmarkOptions()).cases() if case.gold.answerable]
    for number, case in enumerate(cases[: RIGHT + WRONG]):
        right = number < RIGHT
        said = case.gold.ground_truth if right else "a purple elephant"
        yield {"question_id": case.source_id, "answer": said, "grade": right or number % 2 == 0}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    strange = {"question_id": "nobody", "question": "What is this?", "answer": "?", "grade": False}
    lines = [*neutral_lines(), strange, {"question": "Unknown to all?", "answer": ""}]
    (folder / "acme.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert import_files(folder, folder / "acme.jsonl") == 0
    return folder


def test_a_full_disk_leaves_nothing_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "acme.jsonl").write_text("\n".join(map(json.dumps, neutral_lines())))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))  # as a full disk, it fails the write
    try:
        assert import_files(tmp_path, tmp_path / "acme.jsonl") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "published").exists()
    assert import_files(tmp_path, tmp_path / "acme.jsonl") == 0


def import_and_die(folder: Path) -> None:
    def die(*_arguments: object, **_options: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    pytest.MonkeyPatch().setattr(importing, "write_run", die)  # all that follows the answers
    import_files(folder, folder / "acme.jsonl")


def test_an_import_that_was_killed_is_no_run_and_the_same_command_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "acme.jsonl").write_text("\n".join(map(json.dumps, neutral_lines())))
    killed = forked(import_and_die, tmp_path)
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert [*tmp_path.rglob("checkpoint.sqlite")] != [], "it had begun"
    assert list_runs(tmp_path) == []
    assert import_files(tmp_path, tmp_path / "acme.jsonl") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"acme.jsonl", "published"}
    assert read_report(tmp_path / "published").results[0].questions.selected == RIGHT + WRONG


def judged(folder: Path, run_id: str, **options: object) -> Report:
    config = build_benchmark_config(answers="published", runs_dir=folder, run_id=run_id, **options)
    return run_benchmark(config, "synthetic").report


def only(report: Report) -> Result:
    (result,) = report.results
    return result


def test_what_has_no_question_is_counted_and_listed(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for result in (only(read_report(imported / "published")), only(judged(imported, "counted"))):
        assert (result.questions.selected, result.questions.errors) == (RIGHT + WRONG + 2, 2)
        assert {error.type for error in result.errors} == {"UnansweredError"}
        assert "the published answer to 'nobody' belongs to no question of synthetic" in result.errors[0].message
        notes = " ".join(result.benchmark.notes)
        assert "published:acme has no answer to 80 of 100 questions" in notes
        assert "2 answers of published:acme match no question" in notes
        assert "nobody; Unknown to all?" in notes
        assert result.provider.settings["synthetic"]["answering_model"] == "m-1"  # type: ignore[index, call-overload]  # JSON
    assert reports(["status", "counted", "--runs-dir", str(imported)]) == 0
    assert "published:acme" in capsys.readouterr().out


def test_the_published_grade_stands_beside_the_verdict(imported: Path) -> None:
    grades = only(judged(imported, "beside")).published
    assert grades
    assert grades.accepted
    assert (grades.n, grades.accepted.correct, grades.stated) == (RIGHT + WRONG + 1, RIGHT + WRONG // 2, 0.8)
    (lexical,) = grades.judges
    assert (lexical.n, lexical.accepted) == (RIGHT + WRONG, RIGHT)
    assert (lexical.only_published, lexical.only_here, lexical.agreed) == (WRONG // 2, 0, 0.8)
    assert lexical.cohen_kappa == pytest.approx((0.8 - (0.8 * 0.6 + 0.2 * 0.4)) / (1 - (0.8 * 0.6 + 0.2 * 0.4)))
    assert len(grades.only_published) == WRONG // 2


def test_a_panel_has_a_row_for_each_judge(imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHED", str(tmp_path))
    contains = "tests.subjects.watched:Contains"
    grades = only(judged(imported, "panel", judge=["lexical", contains])).published
    assert grades
    assert [one.judge.split(":")[-1].split()[0] for one in grades.judges] == ["majority", "lexical", "contains"]


def test_other_answers_and_other_data_are_another_run(imported: Path, tmp_path: Path) -> None:
    judged(imported, "fixed")
    other = [*neutral_lines()][:5]
    (tmp_path / "other.jsonl").write_text("\n".join(map(json.dumps, other)))
    assert import_files(imported, tmp_path / "other.jsonl", run_id="other") == 0
    with pytest.raises(ConfigurationError, match=r"answer\.imported was"):
        run_benchmark(build_benchmark_config(answers="other", runs_dir=imported, run_id="fixed"), "synthetic")
    with pytest.raises(CheckpointError, match="the answers of run published are to synthetic with sha256"):
        judged(imported, "data", synthetic_seed=7)


def test_a_run_of_ones_own_is_judged_again_and_compared(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small: dict[str, Any] = {"synthetic_sessions": 20, "synthetic_questions": 20, "runs_dir": imported}
    own = only(run_benchmark(build_benchmark_config(run_id="own", **small), "synthetic").report)
    again = run_benchmark(build_benchmark_config(run_id="again", answers="own", **small), "synthetic").report
    assert only(again).questions.correct == own.questions.correct
    assert only(again).provider == own.provider
    assert only(again).retrieval.message is None
    assert only(again).published is None
    assert reports(["compare", "own", "again", "--runs-dir", str(imported)]) in (0, 1)
    assert "imported" in capsys.readouterr().out
    assert import_files(imported, imported / "own" / "results.jsonl", "--name", "mine", run_id="reread") == 0
    assert "results.jsonl: 20 answers of published:mine to synthetic, 20 matched" in capsys.readouterr().out
    grades = only(read_report(imported / "reread")).published
    assert grades
    assert grades.accepted
    assert grades.accepted.correct == own.questions.correct


def test_pytest_judges_in_workers_continues_and_holds_a_gate(suite: Suite) -> None:
    lines = [*neutral_lines()]
    suite.runs.mkdir()
    (suite.folder / "acme.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert import_files(suite.runs, suite.folder / "acme.jsonl") == 0
    first = suite.run("bench", "--answers=published", "-n2", "--maxfail=1", "--run-id=judged")
    assert first.status == pytest.ExitCode.INTERRUPTED, first.output
    resumed = suite.run("bench", "--lf")
    assert f"{RIGHT} correct, {WRONG} wrong" in resumed.output
    assert "answers of run published, judged only" in " ".join(resumed.output.split())
    gated = suite.run("bench", "--answers=published", "--fail-under=accuracy=0.5")
    assert gated.status == 0, gated.output
    assert "published grades accept 0.800" in " ".join(gated.output.split())
    plan = suite.run("bench", "--answers=published", "--plan")
    assert "published:acme on synthetic: 20 answers of run published to judge" in plan.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 7}, "--top-k 7 has no use with --answers published"),
        ({"until": "answer"}, "--until answer has no use"),
        (
            {"provider": ["bm52"]},
            "--provider bm52: run published has no answers of it. It has those of",
        ),
        ({"retry_from": "search", "run_id": "beside"}, "--retry-from search has no use"),
        ({"run_id": "published"}, "its verdicts go into another --run-id"),
        ({"answers": "nope"}, "there is no run 'nope'"),
        ({"fail_under": ["recall@10=0.5"]}, "recall@10 has no value with --answers published"),
        ({"fail_under": ["p95.search_ms=5"]}, "p95.search_ms has no value with --answers published"),
    ],
)
def test_what_has_no_use_is_refused(imported: Path, options: dict[str, Any], message: str) -> None:
    config = build_benchmark_config(**{"answers": "published", "runs_dir": imported, **options})
    with pytest.raises(ConfigurationError) as raised:
        run_benchmark(config, "synthetic")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
