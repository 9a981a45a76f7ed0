"""The tuner as its users run it: a process in the repository, its runs elsewhere."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

import pytest
from optuna.storages import BaseStorage

from tests.prepared_python import run_prepared
from tests.processes import PIPE, STDOUT, Finished, Process
from tuner.__main__ import main
from tuner.storage import open_storage

SMALL = ("--option=synthetic_sessions=20", "--option=synthetic_questions=40", "--until=search", "--objective=recall@10")


class Tuner:
    """Commands with a `folder` of their own, in which ``calls`` has what the memory system was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runs, self.calls = folder, folder / "runs", folder / "calls"
        self.calls.mkdir()
        self.printed = ""
        self.environment = {**os.environ, "TUNABLE_CALLS": str(self.calls), "COLUMNS": "140"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tuner", *arguments, "--runs-dir", str(self.runs)]

    def run(self, *arguments: str) -> Finished:
        return run_prepared("tuner", *self.command(*arguments)[3:], env=self.environment, seconds=240)

    def optimize(self, *arguments: str, provider: str = "Memory") -> Finished:
        named = f"--provider=tests.subjects.tunable:{provider}"
        return self.run("optimize", named, "--name=s", *SMALL, *arguments)

    def main(self, *arguments: str) -> tuple[int, str, str]:
        """A command in this process: its exit status and what it prints to both outputs."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main([*arguments, "--runs-dir", str(self.runs)])
            except SystemExit as ended:
                status = int(ended.code or 0)
        return status, out.getvalue(), err.getvalue()

    def start(self, *arguments: str) -> Process:
        command = self.command("optimize", "--provider=tests.subjects.tunable:Memory", "--name=s", *SMALL, *arguments)
        return Process(command, env=self.environment, seconds=240, stdout=PIPE, stderr=STDOUT)

    def storage(self) -> BaseStorage:
        return open_storage(f"journal:{self.runs / 'studies.journal'}")

    def asked(self, call: str) -> list[str]:
        file = self.calls / call
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.fixture(scope="session")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Tuner:
    """A study that has ended, for tests that only read: trial 1 is better than the default, trial 2 was stopped."""
    tuner = Tuner(tmp_path_factory.mktemp("ended"))
    arguments = (
        *("optimize", "--provider=tests.subjects.tunable:Memory", "--name=s", "--until=search"),
        *("--option=synthetic_sessions=20", "--option=synthetic_questions=200", "--option=in_flight=2"),
        *("--objective=recall@10", "--provider-option=skip=2", "--preset=quick", "--param=top_k=10..50"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNABLE_CALLS", str(tuner.calls))
        assert tuner.main(*arguments, "--noise-repeats=2", "--trials=1")[0] == 0
        for skip in (0, 12, 12):
            assert tuner.main("enqueue", "s", f"skip={skip}")[0] == 0
        status, tuner.printed, err = tuner.main(*arguments, "--noise-repeats=2", "--trials=4")
    assert status == 0, err
    return tuner


@pytest.fixture
def tuner(tmp_path: Path) -> Tuner:
    return Tuner(tmp_path)
