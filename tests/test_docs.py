"""docs/ as a whole: a site that builds, a map that fits the tree, standard words, and versions that agree."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.processes import run as run_process
from tests.repository import ROOT

HERE = Path(__file__).resolve()
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = SETTINGS["tool"]["importlinter"]["root_packages"]
PROSE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md")]
PROSE += sorted((ROOT / "docs").rglob("*.md"))

PHRASES = (
    *("whoever", "no more than fly", "bore it", "welcome a worker", "taken for dead", "heart beats", "ballots?"),
    *(
        "as chance alone would",
        "a label of each",
        "worth (is|was) known",
        "whole in memory",
        "has commas in the variable",
    ),
    *("those who ask for it", "that were picked", "it was asked whether", "knows the rest", "is remarked on"),
    *("lets? go of", "may have under way", "names its source", "keeps to top-k", "without_end_is_no_limit"),
    *("the file that knows", "may_stand_alone"),
)
"""Phrases for which a standard term exists."""


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("material") is None, reason="needs mkdocs: pip install -e '.[docs]'")
def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    result = run_process(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        seconds=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    options, settings, schema = (
        (tmp_path / "reference" / name / "index.html").read_text(encoding="utf-8")
        for name in ("options", "settings", "schema")
    )
    assert "--fail-under" in options
    assert "--conformance-sessions" in options
    assert "embedding_batch" in settings
    assert "fleiss_kappa" in schema


def test_the_map_names_every_package_once() -> None:
    packages = {
        path.parent.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).rglob("__init__.py")
    }
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = Counter(re.findall(r"`([a-z_]+(?:/[a-z_]+)*)/`", page))
    assert dict(named) == dict.fromkeys(packages, 1)


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_use_standard_terms(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`|```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert nonstandard(text, "told", *PHRASES) == []


def test_the_source_uses_standard_terms() -> None:
    files = [file for folder in (*ROOMS, "tests") for file in sorted((ROOT / folder).rglob("*.py"))]
    texts = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files if file != HERE}
    found = {name: lines for name, text in texts.items() if (lines := nonstandard(text, *PHRASES))}
    assert found == {}


def nonstandard(text: str, *phrases: str) -> list[str]:
    """The lines of `text` that hold one of `phrases`."""
    held = re.compile(rf"(?<![a-z])(?:{'|'.join(phrases)})(?![a-z])", re.IGNORECASE)
    return [line for line in text.splitlines() if held.search(line)]


def test_pre_commit_runs_the_locked_ruff() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.findall(r"rev: v([\d.]+)", hooks) == re.findall(r"^ruff==([\d.]+)$", lock, re.MULTILINE)


def test_the_citation_names_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {SETTINGS['project']['version']}\n" in citation
    assert f"license: {SETTINGS['project']['license']}\n" in citation
