"""Whatever code under test returns or raises, in whichever role, is an error of its question and of nothing else."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.synthetic import Synthetic
from tests.bench.plugin.suite import SMALL, WATCHED, Suite
from tests.processes import run as run_process
from tests.repository import ROOT
from tests.subjects import misbehaving

GOOD = 10
"""So many questions go well."""

SIZE = {"synthetic_sessions": 10, "synthetic_questions": len(misbehaving.cases()) + GOOD}
OPTIONS = {
    **SIZE,
    "provider": "tests.subjects.misbehaving:Memory",
    "answering_model": "tests.subjects.misbehaving:Reader",
    "judge": "tests.subjects.misbehaving:Grader",
    "call_timeout": 2,
}
ARGUMENTS = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
PROGRAM = """
import json, sys
from bench.config import build_benchmark_config
from bench.run import run_benchmark
result = run_benchmark(build_benchmark_config(**json.loads(sys.argv[1])), "synthetic")
"""
TYPES = {"search": "ProviderError", "answer": "ModelError", "judge": "JudgeError"}


def assign(suite: Suite) -> dict[str, tuple[str, str, str]]:
    """Give each misbehaviour a question; what was given, by the question's id."""
    questions = list(Synthetic(BenchmarkOptions(**SIZE)).cases())
    given = dict(zip(questions, misbehaving.cases(), strict=False))
    by_question = {case.question.id: case_of for case, case_of in given.items()}
    (suite.folder / "misbehaviour.json").write_text(json.dumps(by_question))
    return {case.id: case_of for case, case_of in given.items()}


def run(suite: Suite, how: str, run_id: str) -> str:
    """A run under pytest with so many workers, or by a program; what it printed."""
    if how != "program":
        ended = suite.run("bench", "-k", "synthetic", *ARGUMENTS, how, f"--run-id={run_id}")
        assert ended.status == 1, ended.output
        return ended.output
    options = {**OPTIONS, "run_id": run_id, "runs_dir": str(suite.runs), "patience": 0}
    done = run_process(
        [sys.executable, "-c", PROGRAM, json.dumps({**options, "provider": [options["provider"]]})],
        cwd=ROOT, env=suite.environment, seconds=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("how", ["-n0", "-n2", "program"])
def test_it_is_an_error_of_its_question(suite: Suite, how: str) -> None:
    suite.strict = False
    given = assign(suite)
    output = run(suite, how, "run")
    assert "INTERNALERROR" not in output
    report: Any = suite.report("run")
    (result,) = report["results"]
    outcomes, errors = result["questions"]["outcomes"], {one["question_id"]: one for one in result["errors"]}
    assert result["questions"]["selected"] == SIZE["synthetic_questions"]
    assert result["questions"]["selected"] == sum(outcomes[word] for word in ("correct", "wrong", "abstained", "error"))
    assert report["run"]["finished"]
    expected = {key: case for key, case in given.items() if case[1] not in misbehaving.ALLOWED[case[0]]}
    assert {key: given.get(key) for key in errors} == expected
    for key, (role, what, _kind) in expected.items():
        assert (errors[key]["phase"], errors[key]["type"]) == (role, TYPES[role]), what
        assert len(errors[key]["message"]) < 5_000
    if how != "program":
        assert f"{len(errors)} errors" in output.rstrip().splitlines()[-1]
        assert "failed" not in output.rstrip().splitlines()[-1]

        (suite.folder / "mended").touch()
        calls = suite.calls("judge")
        ended = suite.run("--lf", how)
        (result,) = suite.report("run")["results"]
        assert result["questions"]["outcomes"]["error"] == 0
        assert result["questions"]["outcomes"]["unjudged"] == 0
        assert (suite.calls("judge") - calls).total() == len(errors), ended.output


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_warnings_and_threads_of_other_plugins_end_nothing(suite: Suite, workers: str) -> None:
    suite.strict = False
    ended = suite.run("bench", "-k", "synthetic", *SMALL, *WATCHED, "-p", "tests.subjects.warning_plugin", workers)
    assert ended.status == 1
    assert sum(ended.counted.get(word, 0) for word in ("correct", "wrong", "abstained")) == 20
    assert not {"error", "errors", "failed"} & ended.counted.keys()
    assert "an option is not set: at the beginning" in ended.output
