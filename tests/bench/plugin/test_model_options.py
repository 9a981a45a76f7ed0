"""How language models are asked: found out before the run, the same in all workers, in the report, and to be set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.config import BenchmarkConfig, build_benchmark_config
from bench.run import run_benchmark
from llms.clients import RequestForm
from tests.bench.plugin.suite import WATCHED, Suite
from tests.llms.clients.model_server import ModelServer, serving
from tests.llms.clients.picky import Picky, object_asked_for
from vocabulary import ConfigurationError

VERDICT = '{"reasoning": "It says so.", "verdict": "correct"}'
SMALL = ("-k", "synthetic", "--synthetic-sessions=10", "--synthetic-questions=8")
ODD = RequestForm(structured_output="prompt", cap="max_completion_tokens", temperature=False, system_role="user")
WORKERS = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])


@pytest.fixture
def picky() -> Picky:
    return Picky(ODD, VERDICT)


@pytest.fixture
def server(picky: Picky) -> Iterator[ModelServer]:
    with serving() as server:
        server.raw = picky
        yield server


def models(server: ModelServer) -> tuple[str, ...]:
    return ("--answering-model", f"local/m-1@{server.url('openai')}", "--judge", f"local/m-2@{server.url('openai')}")


def requests_of(suite: Suite, run_id: str | None = None) -> dict[str, dict[str, Any]]:
    report: dict[str, Any] = suite.report(run_id)
    return {asked["role"]: asked for asked in report["run"]["requests"]}


@WORKERS
def test_the_form_is_found_out_once_and_used_by_all(
    suite: Suite, server: ModelServer, picky: Picky, workers: tuple[str, ...]
) -> None:
    ended = suite.run("bench", *SMALL, *models(server), *workers)
    assert ended.status == 0, ended.output
    assert ended.counted["correct"] == 8
    assert len(server.requests) == len(picky.answered) == 16, "no question met a refusal"
    assert [asked.is_probe for asked in server.probes].count(True) == len(picky.log) - 16
    assert picky.log.count(None) == 16 + 2, "one small request was answered for each model"
    asked = requests_of(suite)
    assert asked["answer"] == {
        "role": "answer",
        "name": models(server)[1],
        "options": {},
        "form": {**ODD.model_dump(), "structured_output": "json_schema"},  # nothing but texts was asked for
    }
    assert asked["judge"]["form"] == ODD.model_dump()


def test_a_benchmark_elsewhere_is_asked_in_the_same_form(suite: Suite, server: ModelServer, picky: Picky) -> None:
    small = ("--synthetic-sessions=20", "--synthetic-questions=20")
    ended = suite.run("tests/subjects/grouped_benchmark.py", *small, *models(server), "-n2")
    assert ended.status == 0, ended.output
    assert len(server.requests) == len(picky.answered) == 40
    assert requests_of(suite)["judge"]["form"] == ODD.model_dump()


@WORKERS
def test_a_run_goes_on_only_in_the_same_form(
    suite: Suite, server: ModelServer, picky: Picky, workers: tuple[str, ...]
) -> None:
    first = suite.run("bench", *SMALL, *models(server), "--until=answer", "--run-id=run")
    assert first.status == 0, first.output
    before: dict[str, Any] = suite.report("run")
    picky.takes = RequestForm(cap="max_tokens")
    refused = suite.run("bench", *SMALL, *models(server), "--run-id=run", *workers)
    assert refused.status == pytest.ExitCode.USAGE_ERROR, refused.output
    assert "answer.request_form.local/m-1@" in refused.output
    assert '"temperature": false' in refused.output
    assert "Traceback" not in refused.output
    again = suite.run("bench", *SMALL, *models(server), "--run-id=run", "--retry-from=answer", *workers)
    assert again.status == 0, again.output
    after: dict[str, Any] = suite.report("run")
    assert after["run"]["fingerprint"] != before["run"]["fingerprint"]
    assert requests_of(suite, "run")["judge"]["form"] == RequestForm().model_dump()


def test_options_are_sent_recorded_and_part_of_the_run(suite: Suite, server: ModelServer, picky: Picky) -> None:
    picky.takes = RequestForm()
    options = ("--model-option=seed=7", "--model-option=judge.structured_output=json_object")
    variable = {"MEMORYBENCH_MODEL_OPTION": 'seed=8,extra_body={"top_p": 0.5, "n": 1},judge.temperature=none'}
    run = ("bench", *SMALL, *models(server), "-n2")
    assert suite.run(*run, *options, "--run-id=first").status == 0
    answers = [body for body in picky.answered if not object_asked_for(body)]
    verdicts = [body for body in picky.answered if object_asked_for(body)]
    assert {body["seed"] for body in picky.answered} == {7}
    assert {object_asked_for(body) for body in verdicts} == {"json_object"}
    assert len(answers) == len(verdicts) == 8
    asked = requests_of(suite, "first")
    assert asked["answer"]["options"] == {"seed": 7}
    assert asked["judge"]["options"] == {"seed": 7, "structured_output": "json_object"}
    picky.answered.clear()
    assert suite.run(*run, "--run-id=second", **variable).status == 0
    assert {(body["seed"], body["top_p"], body["n"]) for body in picky.answered} == {(8, 0.5, 1)}
    assert {"temperature" in body for body in picky.answered if object_asked_for(body)} == {False}
    other = suite.run(*run, "--run-id=first", **variable)
    assert other.status == pytest.ExitCode.USAGE_ERROR
    assert 'answer.options was {"seed": 7}' in other.output


@pytest.mark.parametrize(
    ("option", "judge", "words"),
    [
        ("top_p=1", True, "structured_output, cap, temperature"),
        ("temperature=hot", True, "temperature=hot: "),
        ("answer.seed=1", False, "the answering model is no language model"),
        ("judge.seed=1", False, "the judge is no language model"),
        ("seed=1", False, "neither answering model nor judge is a language model"),
    ],
)
def test_options_that_cannot_hold_are_refused(
    suite: Suite, server: ModelServer, option: str, judge: bool, words: str
) -> None:
    model = models(server)[2:] if judge else ()
    ended = suite.run("bench", *SMALL, *model, f"--model-option={option}")
    assert ended.status == pytest.ExitCode.USAGE_ERROR, ended.output
    assert words in ended.output
    assert not [*server.requests, *server.probes, *suite.run_ids]


@pytest.mark.parametrize(
    ("fault", "workers"), [("401", ()), ("404", ("-n2",)), ("nobody", ())], ids=["401", "404-n2", "nobody"]
)
def test_a_model_that_cannot_be_used_is_found_before_anything_runs(
    suite: Suite, server: ModelServer, picky: Picky, fault: str, workers: tuple[str, ...]
) -> None:
    picky.takes = RequestForm(temperature=False)
    picky.status = int(fault) if fault.isdigit() else 400
    options = ("--model-option=temperature=0",)
    judge = ("--judge", f"local/m@{server.url('openai')}" if fault != "nobody" else "local/m@http://127.0.0.1:9/v1")
    ended = suite.run("bench", *SMALL, *judge, *options, WATCHED[0], *workers)
    assert ended.status == pytest.ExitCode.USAGE_ERROR, ended.output
    line = ended.about(f"judge {judge[1]} cannot be used: ")
    assert {"401": "answered 401", "404": "answered 404", "nobody": "Cannot connect"}[fault] in line
    assert not suite.run_ids
    assert not suite.calls("ingest")


@WORKERS
def test_a_run_that_is_complete_is_reported_without_its_models(
    suite: Suite, server: ModelServer, picky: Picky, workers: tuple[str, ...]
) -> None:
    run = ("bench", *SMALL, *models(server), "--run-id=run", *workers)
    assert suite.run(*run).status == 0
    picky.takes, picky.status = RequestForm(), 401
    asked = len(picky.log)
    ended = suite.run(*run, "--fail-under=accuracy=0.9")
    assert ended.status == 0, ended.output
    assert "gate met" in ended.output
    assert len(picky.log) == asked
    assert requests_of(suite, "run")["judge"]["form"] == ODD.model_dump()


def test_nobody_is_asked_who_has_nothing_to_do(suite: Suite, server: ModelServer, picky: Picky) -> None:
    assert suite.run("bench", *SMALL, *models(server), "--until=search").status == 0
    assert suite.run("bench", *SMALL, *models(server), "--plan").status == 0
    assert picky.log == []
    assert requests_of(suite) == {}


def test_a_program_sets_options_too(server: ModelServer, picky: Picky, tmp_path: Path) -> None:
    answering, judging = models(server)[1::2]
    config = BenchmarkConfig(
        answering_model=answering,
        judge=(judging,),
        model_option=("seed=3", "judge.reasoning_effort=low"),
        synthetic_sessions=10,
        synthetic_questions=5,
        runs_dir=tmp_path / "runs",
    )
    report = run_benchmark(config, "synthetic").report
    assert {asked.role: asked.form for asked in report.run.requests}["judge"] == ODD.model_dump()
    assert [body.get("reasoning_effort") for body in picky.answered].count("low") == 5
    with pytest.raises(ConfigurationError, match="write it as NAME=VALUE"):
        run_benchmark(config.model_copy(update={"model_option": ("nonsense",), "run_id": None}), "synthetic")


def test_commas_belong_to_values_in_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "MEMORYBENCH_MODEL_OPTION", 'seed=1, extra_body={"stop": ["a", "b"], "n": 1},judge.cap=max_tokens'
    )
    monkeypatch.setenv("MEMORYBENCH_PROVIDER_OPTION", "zep.scopes=edges,nodes,my_package.memory:Mine.url=http://h/?a=1")
    config = build_benchmark_config()
    assert config.model_option == ("seed=1", 'extra_body={"stop": ["a", "b"], "n": 1}', "judge.cap=max_tokens")
    assert config.provider_option == ("zep.scopes=edges,nodes", "my_package.memory:Mine.url=http://h/?a=1")
