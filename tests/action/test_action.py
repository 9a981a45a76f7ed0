"""The action's scripts in a scratch repository with a memory system of its own: baseline, gate, one comment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.action.comment_server import CommentServer, comment_server
from tests.processes import Finished, run
from tests.repository import ROOT

pytestmark = [pytest.mark.long, pytest.mark.skipif(not Path("/usr/bin/curl").exists(), reason="needs curl")]
ACTION = ROOT / ".github" / "actions" / "memory-benchmark"
MEMORY = '''"""Finds messages that share words with a question."""

import re
from collections import Counter

from providers.base import Limits, Provider
from vocabulary import SearchResult


class Words(Provider):
    name = "words"
    limits = Limits(scope="process")

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.kept = {}

    def words(self, text):
        return {word for word in re.findall(r"\\w+", text.lower()) if len(word) > 3}

    def ingest(self, container, session):
        self.kept.setdefault(container, []).extend((session, message) for message in session.messages)

    def search(self, container, question, top_k):
        kept = [(session, message, self.words(message.rendered())) for session, message in self.kept.get(container, [])]
        common = Counter(word for _session, _message, words in kept for word in words)
        asked = self.words(question.text)
        ranked = sorted(kept, key=lambda one: -sum(1 / common[word] for word in asked & one[2]))
        return [
            SearchResult(
                text=message.rendered(), timestamp=session.date, session_ids=(session.id,), message_ids=(message.id,)
            )
            for session, message, _words in ranked[:top_k]
        ]

    def clear(self, container):
        self.kept.pop(container, None)
'''
BROKEN = MEMORY.replace("-sum(", "sum(")
WRAPPER = """#!/bin/sh
case "$1 $2" in
"-m pip") echo "$@" >> {log} ;;
*) exec {python} "$@" ;;
esac
"""


@dataclass
class Job:
    """A job of GitHub Actions: its checkout, its variables, and what its steps have said."""

    workspace: Path
    temporary: Path
    api: CommentServer
    variables: dict[str, str] = field(default_factory=dict)

    def step(self, script: str, **inputs: str) -> Finished:
        """A step of the action; its outputs are added to `variables`."""
        outputs = self.temporary / "outputs"
        outputs.write_text("")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("MEMORYBENCH", "PYTEST"))
        }
        environment |= {
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temporary),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(self.temporary / "summary.md"),
            "GITHUB_REPOSITORY": "me/memory",
            "GITHUB_API_URL": self.api.url,
            "GITHUB_RUN_ID": "77",
            "MEMORYBENCH_PATIENCE": "0",
            "MB_PYTHON": sys.executable,
            "PYTEST_ADDOPTS": f"-o cache_dir={self.temporary / 'cache'}",
            **inputs,
        }
        ended = run(["bash", ACTION / script], cwd=self.workspace, env=environment)
        self.variables |= dict(line.split("=", 1) for line in outputs.read_text().splitlines())
        return ended

    def benchmark(self, **inputs: str) -> Finished:
        """The steps from the run to the verdict, as action.yml has them; the status of the last."""
        asked = {
            "MB_SELECTION": "synthetic",
            "MB_PROVIDER": "team.memory:Words\n",
            "MB_OPTIONS": "--synthetic-sessions=20\n--synthetic-questions=40",
            "MB_DIRECTORY": "src",
            "MB_BASELINE": "benchmarks/baseline.json",
            "MB_NO_WORSE": "accuracy\nrecall@10\n",
        }
        ran = self.step("run.sh", **asked | inputs)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        commented = self.step(
            "comment.sh",
            MB_TOKEN="secret-token",
            MB_RUN=self.variables["run"],
            MB_COMPARED=self.variables["compared"],
            MB_COMMENT_KEY="CI/memory",
            MB_PULL_REQUEST="12",
        )
        assert commented.returncode == 0, commented.stdout + commented.stderr
        verdict = self.step("verdict.sh", MB_STATUS=self.variables["status"])
        output = f"{ran.stdout}\n{ran.stderr}\n{commented.stdout}\n{verdict.stdout}"
        return Finished([], verdict.returncode, output, "")


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    workspace, temporary = tmp_path / "work space", tmp_path / "temporary"
    (workspace / "src" / "team").mkdir(parents=True)
    temporary.mkdir()
    (workspace / "src" / "team" / "__init__.py").touch()
    (workspace / "src" / "team" / "memory.py").write_text(MEMORY)
    run(["git", "init", "-q", workspace], check=True)
    venv = temporary / "memory-benchmark" / "venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "python").write_text(WRAPPER.format(log=temporary / "pip.log", python=sys.executable))
    (venv / "python").chmod(0o755)
    with comment_server() as api:
        yield Job(workspace, temporary, api)


def test_a_baseline_then_a_gate_with_one_comment(job: Job) -> None:
    job.api.write("<!-- memory-benchmark: CI/memory -->\nwritten by a person who copied the line")
    job.api.write("<!-- memory-benchmark: another -->\nof another job", "Bot")
    first = job.benchmark()
    assert first.returncode == 0, first.stdout
    assert "::notice::There was no baseline: this run made it." in first.stdout
    baseline = job.workspace / "benchmarks" / "baseline.json"
    assert baseline.read_bytes() == Path(job.variables["baseline"]).read_bytes()
    assert (job.variables["passed"], job.variables["compared"]) == ("true", "")
    assert Path(job.variables["report"]).is_file()
    score = float(job.variables["score"])
    assert score > 0.3
    assert len(job.api.comments) == 3
    text = job.api.comments[2]["body"]
    assert text.startswith("<!-- memory-benchmark: CI/memory -->\n### Memory benchmark: ✅ gate met\n")
    assert f"| `team.memory:Words` | synthetic | 40 | {score:.3f} " in text
    assert "[job](https://github.com/me/memory/actions/runs/77)" in text

    second = job.benchmark()
    assert second.returncode == 0, second.stdout
    assert job.variables["compared"] == str(baseline)
    assert "no question flipped" in job.api.comments[2]["body"]

    (job.workspace / "src" / "team" / "memory.py").write_text(BROKEN)
    broken = job.benchmark()
    assert broken.returncode == 1
    assert "::error::The memory benchmark did not pass" in broken.stdout
    assert job.variables["passed"] == "false"
    assert float(job.variables["score"]) < score
    assert len(job.api.comments) == 3, "updated in place"
    text = job.api.comments[2]["body"]
    assert "### Memory benchmark: ❌ gate missed" in text
    assert "▼ -0." in text
    assert "right → wrong: `syn-q00" in text
    assert [one["body"].splitlines()[1] for one in job.api.comments[:2]] == [
        "written by a person who copied the line",
        "of another job",
    ]
    assert job.api.tokens == {"Bearer secret-token"}
    assert (job.temporary / "summary.md").read_text().count("## Memory benchmark") == 3


def test_inputs_are_never_code(job: Job) -> None:
    evil = '"; touch $RUNNER_TEMP/owned; $(touch $RUNNER_TEMP/owned) `touch $RUNNER_TEMP/owned`'
    ended = job.step("run.sh", MB_SELECTION=evil, MB_PROVIDER="bm25", MB_OPTIONS=f"--synthetic-sessions=20\n{evil}")
    assert ended.returncode == 0, "the verdict is the last step's"
    assert job.variables["passed"] == "false"
    assert "report" not in job.variables
    assert job.step("verdict.sh", MB_STATUS=job.variables["status"]).returncode == 1
    job.step("prepare.sh", MB_EXTRAS=evil, MB_DATA=evil)
    job.step("install.sh", MB_EXTRAS=evil)
    assert not (job.temporary / "owned").exists()


def test_a_comment_that_cannot_be_written_is_a_warning(job: Job) -> None:
    job.api.refuses = True
    for number in range(120):
        job.api.write(f"comment {number}")
    ended = job.benchmark(MB_BASELINE="", MB_SELECTION="synthetic and temporal")
    assert ended.returncode == 0, ended.stdout
    assert "::warning::The comment could not be written" in ended.stdout
    comments = "/repos/me/memory/issues/12/comments"
    assert job.api.requests == [f"GET {comments} 200", f"GET {comments} 200", f"POST {comments} 403"]


def test_preparing_and_installing(job: Job) -> None:
    (job.workspace / "needs.txt").write_text("attrs\n")
    for _twice in range(2):
        ended = job.step("prepare.sh", MB_EXTRAS="dense", MB_DATA="locomo", MB_REQUIREMENTS="needs.txt")
        assert ended.returncode == 0, ended.stderr
        keys = job.variables["venv-key"], job.variables["data-key"]
    assert job.variables["venv"] == str(job.temporary / "memory-benchmark" / "venv")
    assert job.variables["data"] == str(ROOT / "datasets")
    (job.workspace / "needs.txt").write_text("attrs>=20\n")
    job.step("prepare.sh", MB_EXTRAS="dense", MB_DATA="locomo", MB_REQUIREMENTS="needs.txt")
    assert job.variables["venv-key"] != keys[0]
    assert job.variables["data-key"] == keys[1]
    ended = job.step("install.sh", MB_EXTRAS="dense", MB_REQUIREMENTS="needs.txt")
    assert ended.returncode == 0, ended.stderr
    suite, own = (job.temporary / "pip.log").read_text().splitlines()
    assert suite.endswith(f"-c {ROOT}/requirements.lock -e {ROOT}[dense]")
    assert own.endswith("-r needs.txt")
