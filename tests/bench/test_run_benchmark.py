"""A run that is called as a function is the same run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench.config import BenchmarkConfig, build_benchmark_config
from bench.run import RunProgress, metrics_of, run_benchmark
from reports.report import Report
from reports.report.model import without_clock_fields
from tests.bench.pipeline.small_bench import Bench, World
from tests.prepared_python import run_prepared
from vocabulary import ConfigurationError, ProviderError, UnknownNameError

SIZE = {"synthetic_sessions": 30, "synthetic_questions": 20}


def small_config(bench: Bench, **options: object) -> BenchmarkConfig:
    return build_benchmark_config(
        provider=[bench.provider],
        answering_model="tests.bench.pipeline.small_bench:Reader",
        judge="tests.bench.pipeline.small_bench:Grader",
        runs_dir=bench.runs_dir,
        **options,
    )


# --- the same numbers ----------------------------------------------------------------------------------------------


def test_its_report_is_that_of_pytest_to_the_last_digit(tmp_path: Path) -> None:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SIZE.items()]
    providers = ["--provider", "bm25", "--provider", "none"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MEMORYBENCH_", "PYTEST_"))
    }
    under_pytest = run_prepared(
        "pytest", "bench", "-k", "synthetic", *providers, *options,
        "--sample", "3", "--runs-dir", tmp_path, "--run-id", "pytest", "-p", "no:cacheprovider", env=environment,
    )  # fmt: skip
    assert under_pytest.returncode in (0, 1), under_pytest.stdout + under_pytest.stderr
    config = build_benchmark_config(provider=["bm25", "none"], sample=3, runs_dir=tmp_path, run_id="program", **SIZE)
    result = run_benchmark(config, "synthetic")
    assert result.jsonl == tmp_path / "program" / "results.jsonl"
    reports: dict[str, Any] = {}  # Any: parsed JSON
    for name in ("pytest", "program"):
        reports[name] = without_clock_fields(json.loads((tmp_path / name / "report.json").read_text()))
        reports[name]["run"] |= {"id": None, "command": None}
    assert reports["program"] == reports["pytest"]
    assert len(reports["program"]["results"]) == 2
    assert [one["questions"]["selected"] for one in reports["program"]["results"]] == [15, 15]
    under_pytest_said, program_said = (
        {file.name: file.read_bytes() for file in (tmp_path / name).glob("hypotheses*.jsonl")}
        for name in ("pytest", "program")
    )
    assert len(program_said) == 2
    assert program_said == under_pytest_said


def test_its_metrics_are_those_of_the_report(tmp_path: Path) -> None:
    result = run_benchmark(build_benchmark_config(runs_dir=tmp_path, run_id="run", **SIZE), "synthetic")
    report = json.loads((tmp_path / "run" / "report.json").read_text())["results"][0]
    metrics = result.metrics
    expected = {
        "accuracy": report["accuracy"]["value"],
        "accuracy.low": report["accuracy"]["ci95"][0],
        "accuracy.temporal": report["by_type"]["temporal"]["accuracy"]["value"],
        "recall@10": report["retrieval"]["message"]["recall"]["10"],
        "mrr": report["retrieval"]["message"]["mrr"],
        "p95.search_ms": report["latency_ms"]["search"]["p95"],
        "context_tokens": report["context"]["tokens_mean"],
        "errors": 0.0,
    }
    assert {name: metrics[f"bm25/synthetic/{name}"] for name in expected} == pytest.approx(expected, abs=6e-4)
    assert all(isinstance(value, float) for value in metrics.values())
    assert metrics == metrics_of(result.report)
    assert len(result.jsonl.read_text().splitlines()) == 20


def test_its_metrics_are_those_of_report_json_to_the_last_digit(tmp_path: Path) -> None:
    result = run_benchmark(build_benchmark_config(runs_dir=tmp_path, run_id="run", **SIZE), "synthetic")
    written = Report.model_validate_json((tmp_path / "run" / "report.json").read_bytes())
    assert result.metrics == metrics_of(written)


def test_what_was_not_measured_is_no_metric(tmp_path: Path) -> None:
    config = build_benchmark_config(runs_dir=tmp_path, run_id="run", until="search", **SIZE)
    metrics = run_benchmark(config, "synthetic").metrics
    assert "bm25/synthetic/recall@10" in metrics
    assert not [name for name in metrics if "accuracy" in name or "answer_ms" in name or "judge_ms" in name]


# --- while it runs -------------------------------------------------------------------------------------------------


def test_progress_is_told_once_for_each_question(tmp_path: Path) -> None:
    async def fail(_container: str, question: str) -> None:
        if question in ("opaque2", "opaque7"):
            raise ProviderError("answered 500")

    bench = Bench(World(on_search=fail), tmp_path)
    detail: list[RunProgress] = []
    result = run_benchmark(small_config(bench), "tests.bench.pipeline.small_bench:Loaded", progress=detail.append)
    assert [(progress.done, progress.total) for progress in detail] == [(number, 12) for number in range(1, 13)]
    assert [progress.errors for progress in detail] == [0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    assert detail[-1] == RunProgress(12, 12, 10, 2)
    (report,) = result.report.results
    assert (report.questions.selected, report.questions.correct, report.questions.errors) == (12, 10, 2)
    assert {error.question_id for error in report.errors} == {"q002-even", "q007-odd"}


def test_a_run_that_is_called_again_by_its_id_asks_nothing(tmp_path: Path) -> None:
    world = World()
    config = small_config(Bench(world, tmp_path), run_id="again")
    first = run_benchmark(config, "tests.bench.pipeline.small_bench:Loaded")
    assert world.calls
    world.calls.clear()
    detail: list[RunProgress] = []
    second = run_benchmark(config, "tests.bench.pipeline.small_bench:Loaded", progress=detail.append)
    assert not world.calls
    assert detail[-1] == RunProgress(12, 12, 12, 0)
    assert second.metrics == first.metrics


def test_an_interrupted_call_is_continued_where_it_was(tmp_path: Path) -> None:
    class Interrupted(Exception):  # noqa: N818  somebody's own
        pass

    def interrupt(progress: RunProgress) -> None:
        if progress.done == 5:
            raise Interrupted

    world = World()
    config = small_config(Bench(world, tmp_path), run_id="again", in_flight=1)
    with pytest.raises(Interrupted):
        run_benchmark(config, "tests.bench.pipeline.small_bench:Loaded", progress=interrupt)
    judged = [question for (question,) in world.asked("judge")]
    assert 5 <= len(judged) < 12
    world.calls.clear()
    result = run_benchmark(config, "tests.bench.pipeline.small_bench:Loaded")
    assert result.metrics["tests.bench.pipeline.small_bench:Memory/small/accuracy"] == 1.0
    again = {*judged} & {question for (question,) in world.asked("judge")}
    assert again <= {judged[-1]}, "but for the one that was under way nothing is asked twice"
    assert not again & {*judged[:5]}
    assert len(judged) + len(world.asked("judge")) == 12 + len(again)


# --- what cannot be run --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "detail"),
    [
        ("synthetik", {}, "unknown benchmark 'synthetik'. Did you mean 'synthetic'"),
        ("synthetic", {"provider": ["bm26"]}, "unknown provider 'bm26'. Did you mean 'bm25'"),
        ("synthetic", {"judge": "lexicon"}, "unknown judge 'lexicon'"),
        ("synthetic", {"question_type": ["temporel"]}, "unknown question type 'temporel'"),
    ],
)
def test_an_unknown_name_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, options: dict[str, object], detail: str
) -> None:
    config = build_benchmark_config(runs_dir=tmp_path / "runs", **SIZE | options)
    with pytest.raises(UnknownNameError) as refused:
        run_benchmark(config, name)
    assert str(refused.value).startswith(detail)
    assert not (tmp_path / "runs").exists()


def test_a_run_of_other_inputs_is_not_continued(tmp_path: Path) -> None:
    run_benchmark(build_benchmark_config(runs_dir=tmp_path, run_id="run", **SIZE), "synthetic")
    with pytest.raises(ConfigurationError, match=r"search.top_k was 50, is 5.*--retry-from search"):
        run_benchmark(build_benchmark_config(runs_dir=tmp_path, run_id="run", top_k=5, **SIZE), "synthetic")
    with pytest.raises(ConfigurationError, match=r"selection.synthetic_questions was 20, is 10"):
        run_benchmark(
            build_benchmark_config(runs_dir=tmp_path, run_id="run", **SIZE | {"synthetic_questions": 10}), "synthetic"
        )


def test_no_benchmark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="synthetic"):
        run_benchmark(build_benchmark_config(runs_dir=tmp_path))


# --- a gate against a baseline -------------------------------------------------------------------------------------


def test_a_program_holds_a_run_against_a_baseline(tmp_path: Path) -> None:
    base = {"runs_dir": tmp_path, "until": "search", **SIZE}
    run_benchmark(build_benchmark_config(provider=["bm25"], run_id="main", **base), "synthetic")
    rules = {"baseline": "main", "no_worse": ["recall@10"], **base}
    gates = {
        name: run_benchmark(build_benchmark_config(provider=[name], **rules), "synthetic").report.gate
        for name in ("bm25", "none")
    }
    assert [gate.met for gate in gates.values() if gate] == [True, False]
    known = sorted(tmp_path.iterdir())
    other = build_benchmark_config(provider=["bm25"], **{**rules, "synthetic_seed": 5})
    with pytest.raises(ConfigurationError, match="other data of synthetic"):
        run_benchmark(other, "synthetic")
    assert sorted(tmp_path.iterdir()) == known
