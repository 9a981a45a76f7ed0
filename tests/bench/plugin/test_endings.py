"""SIGTERM and SIGHUP end a run in order, and workers end with their controller and begin no further call."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.bench.plugin.suite import WATCHED, Suite, wait

RUN = (
    "bench", "-k", "synthetic", "--synthetic-sessions=10", "--synthetic-questions=400",
    "--provider=tests.subjects.watched:Slow", *WATCHED[1:],
)  # fmt: skip


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP], ids=lambda how: how.name)
def test_signals_do_what_ctrl_c_does(suite: Suite, how: signal.Signals, workers: str) -> None:
    process = suite.start(*RUN, workers, SLOW="0.2")
    suite.wait_for("judge", 3, process)
    process.send_signal(how)
    ended = suite.end(process)
    assert ended.status == pytest.ExitCode.INTERRUPTED
    assert "Traceback" not in ended.output
    assert "the run is not finished" in ended.output
    report: Any = suite.report()
    assert report["run"]["finished"] is None
    questions = report["results"][0]["questions"]
    assert questions["selected"] == 400
    assert 3 <= questions["judged"] < 400
    assert questions["errors"] == 0


def test_a_signal_that_is_ignored_stays_so(suite: Suite) -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = suite.start_fresh(*RUN, "--limit=20", SLOW="0.05")
    finally:
        signal.signal(signal.SIGHUP, previous)
    suite.wait_for("judge", 1, process)
    process.send_signal(signal.SIGHUP)
    ended = suite.end(process)
    assert sum(ended.counted.get(word, 0) for word in ("correct", "wrong", "abstained")) == 20


def test_workers_end_with_their_controller_and_begin_no_further_call(suite: Suite) -> None:
    process = suite.start(*RUN, "-n2", "--in-flight=8", SLOW="0.03")
    suite.wait_for("judge", 10, process)
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    workers = [Path("/proc") / child for task in tasks for child in task.read_text().split()]
    assert len(workers) == 2
    process.send_signal(signal.SIGKILL)
    begun = suite.calls("begin").total()
    wait(lambda: not any(worker.exists() for worker in workers))
    assert suite.calls("begin").total() - begun <= 16, "twice what is in flight: on a busy machine it is noticed late"
    suite.end(process)
