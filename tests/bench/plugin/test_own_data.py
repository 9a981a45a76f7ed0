"""Runs over own data: from outside of the repository, and with what runs over published data have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.__main__ import main
from tests.bench.benchmarks.own import team_data
from tests.bench.installed import install
from tests.bench.plugin.suite import Suite
from tests.repository import ROOT


@pytest.fixture
def outside(suite: Suite, tmp_path: Path) -> Suite:
    """The suite called from a folder that has nothing to do with the repository, where it is installed."""
    suite.place = tmp_path / "team"
    suite.place.mkdir()
    site = install(tmp_path / "site")
    del suite.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    del suite.environment["MEMORYBENCH_RUNS_DIR"]
    suite.environment["PYTHONPATH"] = os.pathsep.join([str(site), str(ROOT)])
    suite.fresh = True
    suite.strict = False  # other plugins of this environment are loaded too
    return suite


def test_three_conversations_in_four_shapes_run_in_one_command_from_outside(outside: Suite) -> None:
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    team_data.as_jsonl(outside.place)
    team_data.as_csv(outside.place / "sheet")
    team_data.as_folder(outside.place / "talks")
    team_data.as_hub_folder(outside.place / "hub")
    shapes = ["mine.jsonl", "sheet/team.csv", "talks", "hub"]
    ended = outside.end(
        outside.start("--pyargs", "bench", "-k", "mine", *(f"--dataset={path}" for path in shapes), "--provider=oracle")
    )
    assert sum(ended.counted[word] for word in ("correct", "abstained", "wrong") if word in ended.counted) == 48
    rows = [line.split() for line in ended.output.splitlines() if line.startswith("oracle ")]
    assert [row[1] for row in rows] == ["mine", "team", "talks", "hub"]
    assert len({row[2] for row in rows}) == 1, "the same accuracy in every shape"
    assert [path.name for path in outside.place.glob("runs/*/report.json")] == ["report.json"]


def test_samples_plans_gates_and_resuming_hold_for_own_data(suite: Suite) -> None:
    path = team_data.as_jsonl(suite.folder, "support")
    own = ("bench", "-k", "mine", f"--dataset={path}", "--provider=bm25")
    plan = suite.run(*own, "--plan", "--sample=2")
    assert "bm25 on support: 6 questions over 3 haystacks" in plan.output
    stopped = suite.run(*own, "--run-id=first", "-x")
    assert "not finished: " in stopped.output
    rest = suite.run("--lf")
    assert sum(rest.counted_in_whole_run[word] for word in ("correct", "wrong", "abstained")) == 12
    report = suite.report("first")
    (result,) = report["results"]
    assert result["benchmark"]["name"] == "support"
    assert result["questions"]["selected"] == 12
    assert "clustered by haystack (3 clusters" in result["accuracy"]["method"]
    assert set(result["by_type"]) == {"fact", "update", "unknown"}
    held = suite.run(
        *own, "--question-type=fact", "--baseline=first", "--no-worse=accuracy", "--fail-under=recall@10=0.8"
    )
    assert held.status == 0, held.output
    path.write_text(path.read_text(encoding="utf-8").replace("Lisbon", "Madrid"), encoding="utf-8")
    other = suite.run(*own, "--run-id=first")
    assert other.status == 4
    assert "run 'first' was begun with other data: support had sha256" in other.output


def test_a_fault_is_one_line_before_anything_is_asked(suite: Suite) -> None:
    whole = team_data.haystacks()
    del whole[1]["questions"][2]["ground_truth"]
    path = team_data.write_lines(suite.folder / "mine.jsonl", whole)
    ended = suite.run("bench", "-k", "mine", f"--dataset={path}")
    assert ended.status == 4
    assert f"{path}:2: questions[2].ground_truth: must be given" in ended.output
    assert not suite.runs.exists()
    nothing = suite.run("bench", "-k", "mine")
    assert "-k mine needs --dataset PATH" in nothing.output


def test_the_example_runs_at_once(suite: Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my data"
    assert main(["new-dataset", str(folder)]) == 0
    assert f"pytest bench -k mine --dataset '{folder}'" in capsys.readouterr().out
    assert main(["check", str(folder)]) == 0
    ended = suite.run("bench", "-k", "mine", f"--dataset={folder}", "--provider=oracle", "--fail-under=recall@10=1")
    assert ended.status == 0, ended.output
    assert main(["new-dataset", str(folder)]) == 2
    assert "is not empty. Name a new folder." in capsys.readouterr().err
