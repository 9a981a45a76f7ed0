"""Processes of tests end with their tests, and nothing starts one past `tests/processes.py`."""

from __future__ import annotations

import ast
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.prepared_python import start_module
from tests.processes import PIPE, Process, ending_with_it, run
from tests.repository import ROOT

STARTERS = {
    "subprocess",
    "pty.spawn",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.popen",
    "os.system",
    "multiprocessing",
}
TYPES_ONLY = ("multiprocessing.connection", "multiprocessing.context")
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def used(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                yield from (name.name for name in node.names)
            case ast.ImportFrom(module=str(module)):
                yield module
                yield from (f"{module}.{name.name}" for name in node.names)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                yield f"{name}.{attribute}"
                if attribute.startswith(("create_subprocess", "spawn")):
                    yield "subprocess"


def starts_processes(name: str) -> bool:
    return bool(STARTERS & {name, name.split(".")[0]}) and not name.startswith(TYPES_ONLY)


@pytest.mark.long
def test_no_test_starts_a_process_by_itself() -> None:
    own = {ROOT / "tests" / name for name in ("processes.py", "prepared_python.py", "prepared_workers.py")}
    files = {*(ROOT / "tests").rglob("*.py")} - {*(ROOT / "tests" / "perf").iterdir()} - own
    past = {
        path.relative_to(ROOT).as_posix(): sorted(found)
        for path in files
        if (found := {name for name in used(path) if starts_processes(name)})
    }
    assert past == {}, "use tests/processes.py: it sets a time limit and leaves nothing behind"


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this system does not show whether a process is a zombie"
)
def test_what_a_process_started_ends_with_the_test() -> None:
    with ending_with_it():
        process = Process([sys.executable, "-c", PARENT], stdout=PIPE)
        assert process.stdout
        child = int(process.stdout.readline())
        assert alive(child)
    assert process.returncode == -signal.SIGKILL
    while alive(child):
        pass


def test_a_process_that_does_not_end_fails_its_test() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"killed because not done: .* after 0\.2 s"), ending_with_it():
        assert Process([sys.executable, "-c", PARENT], seconds=0.2, stdout=PIPE).wait() == -signal.SIGKILL
    with pytest.raises(AssertionError, match=r"not done after 0\.2 s"):
        run([sys.executable, "-c", PARENT], seconds=0.2)


def test_signals_work_in_processes_of_tests_that_a_shell_started_in_the_background() -> None:
    program = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
from tests.prepared_python import start_module
from tests.processes import heed_signals, run
heed_signals()
said = run([sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT))"]).stdout
assert "default_int_handler" in said, said
"""
    run([sys.executable, "-c", program], check=True)


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="this system does not show whether a process is a zombie"
)
@pytest.mark.long
def test_what_a_fork_started_ends_with_the_test(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    options: dict[str, Any] = {"folder": tmp_path, "environment": {**os.environ, "PYTHONPATH": str(tmp_path)}}
    with ending_with_it():
        process = start_module("parent", (), output=tmp_path / "output", seconds=60, **options)
        while not (printed := (tmp_path / "output").read_text()).endswith("\n"):
            assert process.poll() is None
        child = int(printed)
        assert alive(child)
    assert process.returncode == -signal.SIGKILL
    while alive(child):
        pass


@pytest.mark.long
def test_a_fork_that_is_not_done_in_time_is_killed_and_fails_its_test(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    options: dict[str, Any] = {"folder": tmp_path, "environment": {**os.environ, "PYTHONPATH": str(tmp_path)}}
    message = r"killed because not done: .*parent.* after 0\.1 s"
    with pytest.raises(pytest.fail.Exception, match=message), ending_with_it():
        assert start_module("parent", (), output=tmp_path / "output", seconds=0.1, **options).wait() == -signal.SIGKILL
