"""Shards that were asked apart make the run that one place would have made."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bench.base import Benchmark
from bench.run import run_benchmark
from providers.baselines.bm25 import Bm25
from reports.__main__ import main
from reports.merge import merge_shards
from reports.report import judged_by
from reports.report.model import without_clock_fields
from reports.store import containers_to_clear, open_run, read_invocations, read_progress, read_run
from tests.reports.merge.conftest import COUNT, MANY, SHARDS, config
from tests.subjects.many_haystacks import Many
from vocabulary import Case, ProviderError, Question, SearchResult

IDS = ("id", "command")


def report_of(folder: Path) -> dict[str, Any]:  # Any: parsed JSON
    """report.json but for clocks and ids."""
    report: dict[str, Any] = without_clock_fields(json.loads((folder / "report.json").read_text()))  # type: ignore[assignment]  # it is an object
    report["run"] |= dict.fromkeys(IDS)
    return report


def lines_of(file: Path) -> list[dict[str, Any]]:  # Any: parsed JSON
    """A line for each question, but for the times of its steps."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        for step in line["steps"]:
            step |= {"service_ms": None, "waited_ms": None}
    return lines


@pytest.fixture(scope="module")
def merged(runs: Path) -> Path:
    """The folder of the shards merged, named in any order."""
    return merge_shards([*reversed(SHARDS)], runs, "merged")[1]


@pytest.mark.long
def test_eight_shards_are_the_undivided_run(runs: Path, merged: Path) -> None:
    whole = runs / "whole"
    assert json.dumps(report_of(merged)) == json.dumps(report_of(whole))
    assert lines_of(merged / "results.jsonl") == lines_of(whole / "results.jsonl")
    same = ["hypotheses-bm25-many.jsonl", "hypotheses-none-many.jsonl", "retrieved.jsonl"]
    assert sorted(path.name for path in whole.glob("*.jsonl") if path.name != "results.jsonl") == same
    for name in same:
        assert (merged / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_shard_says_that_it_is_one(runs: Path, merged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads((runs / "s2" / "report.json").read_text())
    shard = report["run"]["settings"]["shard"]
    assert (shard["index"], shard["count"], shard["selected"]) == (2, COUNT, 90)
    assert report["run"]["settings"]["sampled"] == "shard 2 of 8"
    (result,) = report["results"]
    asked = result["questions"]["selected"]
    assert f"not the whole benchmark was asked: {asked} of 45 questions, shard 2 of 8" in result["warnings"]
    assert result["benchmark"]["sample"]["estimate"] is None
    assert main(["status", "s2", "--runs-dir", str(runs)]) == 0
    assert "not the whole benchmark: shard 2 of 8" in capsys.readouterr().out
    settings = json.loads((merged / "report.json").read_text())["run"]["settings"]
    assert (settings["shard"], settings["sampled"]) == (None, None)


def test_the_shards_are_as_they_were(runs: Path, merged: Path) -> None:
    with closing(open_run(runs, "s1", read_only=True)) as shard:
        assert containers_to_clear(shard, "bm25")
    with closing(open_run(runs, "merged", read_only=True)) as whole:
        assert containers_to_clear(whole, "bm25") == [], "what was ingested belongs to the shards"
        assert len(read_invocations(whole)) == COUNT
        assert (merged / "checkpoint.sqlite").stat().st_mode & 0o077 == 0


def test_the_commands_about_runs_work_on_it(
    runs: Path, merged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--runs-dir", str(runs)]

    def printed(*arguments: str) -> str:
        assert main([*arguments, *where]) == 0
        return capsys.readouterr().out

    assert "h0-syn-q0001" in printed("show-failures", "merged", "--limit", "3")
    assert str(merged) in printed("html", "merged")
    assert "no verdict changed" in printed("compare", "whole/bm25", "merged/bm25")
    bundle = tmp_path / "merged.zip"
    printed("bundle", "merged", "--output", str(bundle))
    assert main(["verify", str(bundle)]) == 0
    assert "verified: run merged" in capsys.readouterr().out
    assert "90/90" in printed("list")
    assert judged_by(merged, "lexical"), "an audit of the judge may be attached"


def test_a_run_that_is_complete_is_not_asked_again(merged: Path, tmp_path: Path) -> None:
    shutil.copytree(merged, tmp_path / "merged")
    before = (tmp_path / "merged" / "results.jsonl").read_bytes()
    run_benchmark(config(tmp_path, "merged"), MANY)
    assert (tmp_path / "merged" / "results.jsonl").read_bytes() == before
    assert not list((tmp_path / "merged" / "providers").rglob("*.sqlite")), "nothing was ingested"


def test_a_folder_may_have_another_name_and_place(runs: Path, tmp_path: Path) -> None:
    for name in SHARDS:
        shutil.copytree(runs / name, tmp_path / "arrived" / f"artifact-{name}")
    merge_shards([str(path) for path in (tmp_path / "arrived").iterdir()], tmp_path / "elsewhere", "merged")
    assert report_of(tmp_path / "elsewhere" / "merged") == report_of(runs / "whole")


def test_its_gate_decides_the_exit_status(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(runs / name) for name in SHARDS]
    merge = ["merge", *names, "--runs-dir", str(tmp_path)]
    assert main([*merge, "--run-id", "met", "--fail-under", "accuracy=0.1", "--max-errors", "0"]) == 0
    assert "gate met: accuracy 0.400 >= 0.1 on bm25/many" in capsys.readouterr().out
    assert main([*merge, "--run-id", "missed", "--fail-under", "accuracy=0.3"]) == 1
    assert "gate missed: accuracy 0.200 < 0.3 on none/many: short by 0.100" in capsys.readouterr().out
    assert json.loads((tmp_path / "missed" / "report.json").read_text())["gate"]["met"] is False


# --- errors, and a selection in another order ----------------------------------------------------------------------


class Flaky(Bm25):
    """Finds nothing for a part of the questions, and ingests no haystack twice, while it is `broken`."""

    name = "flaky"
    broken: ClassVar[bool] = True

    def search(self, container: str, question: Question, top_k: int) -> tuple[SearchResult, ...]:
        if self.broken and "0" <= question.id[-1] <= "4":
            raise ProviderError("the store is broken")
        return tuple(super().search(container, question, top_k))


class Mixed(Many):
    """The questions of all haystacks in turn."""

    name = "mixed"

    def cases(self) -> list[Case]:
        return sorted(super().cases(), key=lambda case: case.id[3:])


@pytest.mark.long
def test_errors_are_asked_again_in_the_merged_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed: str = f"{__name__}:{Mixed.__name__}"
    options: dict[str, object] = {"provider": (f"{__name__}:Flaky",), "synthetic_questions": 6}
    assert issubclass(Mixed, Benchmark)
    run_benchmark(config(tmp_path, "whole", **options), mixed)
    for index in (1, 2):
        run_benchmark(config(tmp_path, f"s{index}", f"{index}/2", **options), mixed)
    report, folder = merge_shards(["s1", "s2"], tmp_path, "merged")
    errors = report.results[0].questions.errors
    assert 0 < errors < 54
    assert json.dumps(report_of(folder)) == json.dumps(report_of(tmp_path / "whole"))
    assert lines_of(folder / "results.jsonl") == lines_of(tmp_path / "whole" / "results.jsonl")
    monkeypatch.setattr(Flaky, "broken", False)
    for name in ("whole", "merged"):
        run_benchmark(config(tmp_path, name, **options), mixed)
    assert json.dumps(report_of(folder)) == json.dumps(report_of(tmp_path / "whole"))
    with closing(open_run(tmp_path, "merged", read_only=True)) as checkpoint:
        run = read_run(checkpoint)
        assert read_progress(checkpoint, run.until) == (54, 54, 0)
        assert len(containers_to_clear(checkpoint, f"{__name__}:Flaky")) > 0, "its own, ingested anew"
