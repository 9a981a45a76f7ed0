"""A team's own repository, in which this suite is installed: its benchmark, provider and judge, by entry points."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.bench.installed import install, write_metadata
from tests.bench.plugin.suite import Suite
from tests.processes import run as run_process
from tests.repository import ROOT
from tests.test_contributing import EXAMPLES

POINTS = {
    "memorybench.benchmarks": {"pets": "team.pets:Pets"},
    "memorybench.providers": {"shared-words": "team.shared_words:SharedWords"},
    "memorybench.judges": {"verbatim": "team.verbatim:Verbatim"},
}


@pytest.fixture
def team(suite: Suite, tmp_path: Path) -> Suite:
    """The suite called in the root of the team's repository."""
    suite.place = tmp_path / "repository"
    (suite.place / "team").mkdir(parents=True)
    (suite.place / "tests").mkdir()
    for path, source in EXAMPLES.items():
        name = Path(path).name
        folder = suite.place / ("tests" if name.startswith("test_") else "team")
        (folder / name).write_text(source.replace("bench.benchmarks.pets", "team.pets"), encoding="utf-8")
    (suite.place / "tests" / "test_arithmetic.py").write_text("def test_sum():\n    assert 1 + 1 == 2\n")
    (suite.place / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["tests"]\n')
    site = write_metadata(install(tmp_path / "site"), "team", "1.0", POINTS)
    del suite.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
    suite.environment["PYTHONPATH"] = os.pathsep.join([str(site), str(ROOT), str(suite.place)])
    suite.fresh = True
    suite.strict = False  # other plugins of this environment are loaded too
    return suite


def module(team: Suite, *words: str) -> str:
    command = [*team.command()[:2], *words]
    ended = run_process(command, cwd=team.place, env=team.environment)
    return ended.stdout + ended.stderr


def test_a_team_runs_its_own_benchmark_beside_its_other_tests(team: Suite) -> None:
    own = ("--provider=shared-words", "--judge=verbatim", "--question-type=single-hop")
    ended = team.end(team.start(*own))
    assert ended.status == 1, "a wrong answer is a failed test"
    assert {"shared-words", "pets"} <= set(ended.about("shared-words  ").split())
    assert "1 passed" in ended.last_line
    report = team.report()
    assert report["results"][0]["judge"]["protocol"] == "verbatim/1"
    assert report["results"][0]["questions"]["selected"] == 1
    again = team.end(team.start(*own, "--lf", "--collect-only", "-q"))
    assert "test_pets" in again.output, "their --lf is pytest's"
    assert "test_sum" not in again.output
    assert "shared-words" in module(team, "reports", "list")
    shown = module(team, "bench", "describe", "pets")
    assert "questions  2" in shown
