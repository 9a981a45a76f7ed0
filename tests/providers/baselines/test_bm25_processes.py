"""Many processes on one BM25 file: building and searching at once, and being killed in the middle."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from providers.base import ProviderSettings
from providers.baselines.bm25 import Bm25
from tests.processes import PIPE, Process
from tests.providers.baselines.bm25_worker import session
from tests.repository import ROOT
from vocabulary import Question


def start(workspace: Path, mode: str, *containers: str) -> Process:
    return Process(
        [sys.executable, "-m", "tests.providers.baselines.bm25_worker", str(workspace), mode, *containers],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=PIPE,
    )


def result_of(process: Process) -> dict[str, list[list[list[object]]]]:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    answers: dict[str, list[list[list[object]]]] = json.loads(out)
    return answers


def counts(workspace: Path) -> tuple[int, int, int]:
    connection = sqlite3.connect(workspace / "bm25.sqlite")
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    (containers,), (sessions,), (messages,) = (
        connection.execute(f"select count(*) from {table}").fetchone()
        for table in ("containers", "sessions", "messages")
    )
    connection.close()
    return containers, sessions, messages


@pytest.mark.long
def test_four_processes_build_what_one_builds(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(24)]
    together = [start(tmp_path / "four", "build", *names[i::4]) for i in range(4)]
    built: dict[str, list[list[list[object]]]] = {}
    for process in together:
        built |= result_of(process)
    # One process, and the containers in another order: neither company nor order may show in a score.
    alone = result_of(start(tmp_path / "one", "build", *reversed(names)))
    assert built == alone
    assert all(answer for answers in alone.values() for answer in answers)
    assert result_of(start(tmp_path / "four", "search", *names)) == alone
    assert counts(tmp_path / "four") == counts(tmp_path / "one")
    assert counts(tmp_path / "one")[:2] == (24, 24 * 12)


@pytest.mark.parametrize("wait", [0.0, 0.05, 0.11])
def test_a_killed_process_leaves_whole_sessions(tmp_path: Path, wait: float) -> None:
    process = start(tmp_path, "fill", "c")
    assert process.stdout
    for _ in range(5):
        process.stdout.readline()
    time.sleep(wait)
    process.kill()
    rest, _ = process.communicate()
    reported = 5 + rest.count("\n")
    containers, sessions, messages = counts(tmp_path)
    assert containers == 1
    assert reported <= sessions <= reported + 1  # one may have been stored and not reported any more
    memory = Bm25(ProviderSettings(), tmp_path)
    found = memory.search("c", Question(id="q", text="Ann"), 1_000_000)
    memory.close()
    assert len(found) == messages
    found_sizes = Counter(result.session_ids[0] for result in found)
    assert found_sizes == {f"s{number}": len(session("c", number).messages) for number in range(sessions)}
