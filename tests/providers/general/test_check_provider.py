"""``python -m bench check-provider FILE``: the kit, and for each check that is not met the lines of the file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from providers.general import EXAMPLES
from providers.general.advice import HTTP
from tests.bench.plugin.suite import Suite
from tests.processes import run
from tests.providers.general.rest_server import RestServer
from tests.providers.hosted.vendors.vendor_server import serving_vendor
from tests.repository import ROOT

CHECKS = set(HTTP)


def check(suite: Suite, file: Path | str, *options: str) -> tuple[int, str]:
    """Its exit status and all that it printed."""
    command = [sys.executable, "-m", "bench", "check-provider", str(file), f"--runs-dir={suite.runs}", *options]
    ended = run(command, cwd=ROOT, env={**os.environ, **suite.environment, "MEMORY_API_KEY": "a-key"})
    return ended.returncode, ended.stdout + ended.stderr


def test_each_check_that_is_not_met_names_the_lines_to_look_at(suite: Suite, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    with serving_vendor(RestServer(ready_after=0.0)) as server:
        rest = (EXAMPLES / "http" / "rest.toml").read_text().replace("http://localhost:8080", server.url)
        file.write_text(rest.replace('time = "date"', "").replace(", date = \"{session.date}\"", "").replace(
            "[capabilities]", "") + "\n[capabilities]\ndates = true\n")  # fmt: skip
        status, output = check(suite, file, "-k", "conformance and (dates or finds or clear)")
    assert status == pytest.ExitCode.TESTS_FAILED, output
    told = output[output.index("where to look") :]
    lines = file.read_text().splitlines()
    assert f"dates: {file}:{next(n for n, one in enumerate(lines, 1) if one.startswith('body'))}: add.body: " in told
    assert f"dates: {file}:{lines.index('[search]') + 1}: search.time: (not there) must lead to the date" in told
    assert "finds:" not in told


def test_a_wrong_file_is_one_line_and_runs_nothing(suite: Suite, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("base_url = 3\n")
    status, output = check(suite, file)
    assert status == 2
    assert output.startswith(f"python -m bench: {file}:1: base_url: ")
    assert output.count("\n") == 1


def test_every_check_has_its_lines() -> None:
    from bench.conformance.checks import CHECKS as ALL

    assert set(ALL) == CHECKS
