"""Whether a process is at work on a run can be seen from outside, and ends with the process."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from reports.store import is_locked
from reports.store.run_lock import lock_run
from tests.processes import PIPE, Process
from tests.repository import ROOT
from vocabulary import CheckpointError

AT_WORK = """
import pathlib, subprocess, sys
from reports.store.run_lock import lock_run
lock_run(pathlib.Path(sys.argv[1]))
left_behind = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(left_behind.pid, flush=True)
left_behind.wait()
"""


def test_several_may_be_at_work_and_the_last_one_counts(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    first, second = lock_run(tmp_path), lock_run(tmp_path)
    assert is_locked(tmp_path), "in the process that works on it too"
    os.close(first)
    assert is_locked(tmp_path)
    os.close(second)
    assert not is_locked(tmp_path)


def test_a_process_that_is_killed_is_at_work_no_more_whatever_it_has_started(tmp_path: Path) -> None:
    command = [sys.executable, "-c", AT_WORK, str(tmp_path)]
    with Process(command, cwd=ROOT, stdout=PIPE) as process:
        assert process.stdout is not None
        left_behind = int(process.stdout.readline())
        try:
            assert is_locked(tmp_path)
            process.kill()
            process.wait()
            assert not is_locked(tmp_path)
        finally:
            os.kill(left_behind, signal.SIGKILL)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere/run\.lock cannot be locked: No such file"):
        lock_run(tmp_path / "nowhere")
    assert not is_locked(tmp_path / "nowhere")
