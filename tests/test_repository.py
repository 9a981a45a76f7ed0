"""What a clone must hold so that its first two commands work."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.processes import run as run_process
from tests.repository import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_lock_holds_versions_and_nothing_else() -> None:
    pinned = re.compile(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[\w.]+( ; .+)?")
    strange = [line for line in LOCK if not line.startswith("#") and not pinned.fullmatch(line)]
    assert strange == []
    assert not [line for line in LOCK if "/" in line or "@" in line]


def test_lock_meets_every_requirement() -> None:
    locked: dict[str, list[str]] = {}
    for line in LOCK:
        if not line.startswith("#"):
            name, _, version = line.partition("==")
            locked.setdefault(canonicalize_name(name), []).append(version.split(" ;")[0])
    wanted = [
        *PROJECT["dependencies"],
        *(name for extra in PROJECT["optional-dependencies"].values() for name in extra),
    ]
    assert wanted
    for requirement in map(Requirement, wanted):
        versions = locked.get(canonicalize_name(requirement.name), [])
        assert versions, f"{requirement} is not in requirements.lock: run make lock"
        unmet = [version for version in versions if version not in requirement.specifier]
        assert not unmet, f"{requirement} is locked at {unmet}: run make lock"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_an_old_python_is_refused_with_the_way_out(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\ncase "$1" in --version) echo Python 3.9.1;; *) exit 1;; esac\n', encoding="utf-8")
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for target in ("bench", "test"):
        result = run_process(["make", target, f"PYTHON={old}"], cwd=tmp_path, env=clean())
        assert result.returncode != 0
        assert f"MemoryBench needs Python 3.11 or newer; {old} is Python 3.9.1" in result.stderr
        assert "PYTHON=python3.12" in result.stderr
        assert not (tmp_path / ".venv").exists()


def test_ci_script_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def clean() -> dict[str, str]:
    """The environment without what a `make` above this test handed down."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def test_no_test_of_the_suite_s_own_is_run_again() -> None:
    marked = [path for path in (ROOT / "tests").rglob("test_*.py") if "mark." + "flaky" in path.read_text("utf-8")]
    assert marked == [], "mend the race that it shows"


@pytest.mark.long
def test_quick_tests_make_no_whole_runs_but_those_that_are_marked() -> None:
    rooms = ["tests/bench/plugin/test_outcomes.py", "tests/providers/engines/test_exclusive_stores.py"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *rooms,
        "-m",
        "not long",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    chosen = [
        line.partition("::")[2].partition("[")[0] for line in run_process(command).stdout.splitlines() if "::" in line
    ]
    assert set(chosen) == {
        "test_there_are_all_kinds_of_outcomes_to_speak_of",  # no fixture `suite`
        "test_each_question_is_told_of_in_one_line",  # marked
    }
