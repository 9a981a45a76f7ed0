"""The five minutes of docs/tuner-tutorial.md, and what docs/tuner.md says is tested."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.repository import ROOT
from tests.test_commands import blocks
from tuner.__main__ import main

PAGE = ROOT / "docs" / "tuner-tutorial.md"


@pytest.mark.long
def test_the_tutorial_says_what_its_commands_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMORYBENCH_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "160")
    commands = [words for words in blocks(PAGE) if words[:3] == ["python", "-m", "tuner"]]
    assert len(commands) == 8
    *first, more = commands
    printed = ""
    for words in first:
        assert main(words[3:]) == 0, words
        printed += capsys.readouterr().out
    for shown in re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        missing = [line for line in shown.splitlines() if line not in printed.splitlines() and line.strip() != "…"]
        assert missing == [], printed
    page = (tmp_path / "runs" / "bm25-synthetic.html").read_text(encoding="utf-8")
    assert "These trials are too few to say which parameter matters" in page
    assert more[3] == "optimize"
    assert [*more[:-1], "10"] == commands[1]


def test_each_row_of_the_comparison_names_a_test_that_there_is() -> None:
    text = (ROOT / "docs" / "tuner.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if "| ✔ |" in line]
    assert len(rows) > 20
    for row in rows:
        found = re.search(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert found is not None, row
        module = ast.parse((ROOT / found[1]).read_text(encoding="utf-8"))
        assert found[2] in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}, row
