"""The examples of CONTRIBUTING.md do what they are there to show."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shutil
import sys
from datetime import datetime
from pathlib import Path

import pytest

from bench.base import BenchmarkOptions
from judges import open_judge
from providers import find_provider
from tests.processes import run as run_process
from tests.repository import ROOT
from vocabulary import Answer, Gold, Message, Question, Session

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", GUIDE, flags=re.DOTALL))


@pytest.fixture
def contributed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package outside the repository that holds the examples."""
    package = tmp_path / "contributed"
    package.mkdir()
    for path, source in EXAMPLES.items():
        (package / Path(path).name).write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


@pytest.mark.usefixtures("contributed")
def test_provider(tmp_path: Path) -> None:
    found = find_provider("contributed.shared_words:SharedWords")
    memory = found(found.Settings(), tmp_path / "workspace")
    texts = ["My dog Rex is three years old.", "It rained.", "I walk the dog every morning."]
    messages = [Message(id=f"m{n}", speaker="Ann", role="user", text=text) for n, text in enumerate(texts)]
    session = Session(id="s/1", date=datetime(2024, 3, 1), messages=tuple(messages))
    for _ in range(2):
        memory.ingest("container", session)
    question = Question(id="q1", text="Which years did Rex see, three or more?")

    results = memory.search("container", question, 10)
    assert not inspect.isawaitable(results)
    assert [(r.message_ids, r.session_ids, r.timestamp) for r in results] == [(("m0",), ("s/1",), session.date)]
    assert memory.search("elsewhere", question, 10) == []
    memory.clear("container")
    memory.clear("container")
    assert memory.search("container", question, 10) == []


@pytest.mark.usefixtures("contributed")
def test_benchmark() -> None:
    pets = importlib.import_module("contributed.pets").Pets(BenchmarkOptions())
    cases = pets.cases()
    assert {case.gold.question_type for case in cases} == set(pets.types)
    assert len({case.id for case in cases}) == len(cases) == 2
    for case in cases:
        haystack = pets.haystack(case.haystack)
        sessions = list(haystack.sessions())
        assert sessions == list(haystack.sessions())
        assert len(sessions) == haystack.session_count
        assert set(case.gold.evidence_sessions) <= {session.id for session in sessions}
        assert set(case.gold.evidence_messages) <= {m.id for session in sessions for m in session.messages}


@pytest.mark.usefixtures("contributed")
def test_judge() -> None:
    judge = open_judge("contributed.verbatim:Verbatim")
    asked = Question(id="q1", text="Who has the cat?")
    gold, no_answer = (
        Gold(question_type="single-hop", ground_truth="his sister"),
        Gold(question_type="abstention", ground_truth="not answerable", answerable=False),
    )
    graded = [
        judge.evaluate(asked, truth, Answer(hypothesis=said))
        for truth, said in [(gold, "His sister does."), (gold, "Bob"), (gold, ""), (no_answer, " "), (no_answer, "Tom")]
    ]
    labels = [verdict.label for verdict in graded if not inspect.isawaitable(verdict)]
    assert labels == ["correct", "wrong", "abstained", "correct", "wrong"]


@pytest.mark.long
def test_a_toy_provider_benchmark_and_judge_make_a_run(tmp_path: Path) -> None:
    """As they stand in the guide: each file in its room, of a repository that has nothing else beside the suite."""
    for room in ("vocabulary", "registry", "net", "llms", "providers", "reports", "judges", "bench"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / "datasets").mkdir()
    for manifest in (ROOT / "datasets").glob("*.toml"):
        shutil.copy(manifest, tmp_path / "datasets")
    for path, source in EXAMPLES.items():
        (tmp_path / path).write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "bench", "-k", "pets", "-p", "no:cacheprovider", "--run-id=toy"]
    chosen = ["--provider=shared-words", "--provider=none", "--judge=verbatim"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MEMORYBENCH_")}
    result = run_process([*command, *chosen], cwd=tmp_path, env=environment)

    assert result.returncode == 1, result.stdout + result.stderr
    report = json.loads((tmp_path / "runs" / "toy" / "report.json").read_text(encoding="utf-8"))
    found, nothing = report["results"]
    assert (found["provider"]["name"], nothing["provider"]["name"]) == ("shared-words", "none")
    assert found["benchmark"]["name"] == "pets"
    assert found["judge"]["protocol"] == "verbatim/1"
    assert found["retrieval"]["message"]["recall"]["10"] == 1
    assert nothing["retrieval"]["message"]["recall"]["10"] == 0
    assert found["questions"]["errors"] == nothing["questions"]["errors"] == 0
    assert re.search(r"^pets-q\d+ +(wrong|abstained) ", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("path", EXAMPLES)
def test_examples_are_in_the_style_of_the_house(path: str) -> None:
    for command in (["check"], ["format", "--diff"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "--stdin-filename", path, "-"]
        result = run_process(ruff, cwd=ROOT, text_in=EXAMPLES[path])
        assert result.returncode == 0, result.stdout + result.stderr


def test_each_kind_is_explained_in_under_a_page() -> None:
    sections = re.split(r"^## ", GUIDE, flags=re.MULTILINE)[1:]
    lengths = {section.splitlines()[0]: len(section.splitlines()) for section in sections}
    assert lengths.keys() >= {"A provider", "A benchmark", "A judge"}
    assert max(lengths.values()) <= 80
