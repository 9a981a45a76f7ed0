"""Gates: the exit status says whether the run is good enough, and the last lines say by how much not."""

from __future__ import annotations

import signal

import pytest
from suite import SMALL, WATCHED, Suite, kill_group

BENCH = ("bench", *SMALL, *WATCHED)
BROKEN = ("bench", *SMALL, "--provider=subjects:Broken", *WATCHED[1:])
MET, MISSED = pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_several_gates_that_are_met(suite: Suite, workers: tuple[str, ...]) -> None:
    gates = (
        "--fail-under=accuracy=0.05",
        "--fail-under=accuracy.low=0.01",
        "--fail-under=accuracy.temporal=0",
        "--fail-under=recall@10=0.5",
        "--max-p95.search_ms=60000",
    )
    ended = suite.run(*BENCH, *gates, *workers)
    assert ended.counted["wrong"] > 0
    assert ended.status == MET
    assert ended.output.count("gate met: ") == 5


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        ("--fail-under=accuracy=0.99", "gate missed: accuracy 0.200 < 0.99 on subjects:Watched/synthetic: short by"),
        ("--fail-under=accuracy.low=0.15", "gate missed: accuracy.low 0.0"),
        ("--fail-under=accuracy.temporal=0.9", "gate missed: accuracy.temporal 0."),
        ("--fail-under=recall@10=1", "gate missed: recall@10 0.938 < 1"),
        ("--max-p95.search_ms=0.000001", "gate missed: p95.search_ms "),
        ("--fail-under=p95.search_ms=0.000001", "gate missed: p95.search_ms "),
    ],
    ids=lambda value: value.rpartition("=")[0] if value.startswith("--") else "",
)
def test_a_gate_that_is_missed_says_by_how_much(suite: Suite, gate: str, told: str) -> None:
    ended = suite.run(*BENCH, gate)
    assert ended.status == MISSED
    line = ended.about("gate missed")
    assert line.startswith(told)
    assert ("short by 0." in line) or ("over by " in line)


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_errors_are_allowed_up_to_a_number(suite: Suite, workers: tuple[str, ...]) -> None:
    fewer = suite.run(*BROKEN, "--fail-under=accuracy=0.01", "--max-errors=2", *workers)
    assert fewer.status == MISSED
    assert "gate missed: 3 errors > 2 allowed (--max-errors)" in fewer.output
    enough = suite.run(*BROKEN, "--fail-under=accuracy=0.01", "--max-errors=3", *workers)
    assert enough.status == MET
    assert "gate met: 3 errors <= 3 allowed (--max-errors)" in enough.output


def test_a_number_of_errors_is_a_gate_by_itself(suite: Suite) -> None:
    assert suite.run(*BROKEN, "--max-errors=3").status == MET
    assert suite.run(*BROKEN, "--max-errors=2").status == MISSED


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        ("--fail-under=nonsense", "threshold 'nonsense'"),
        ("--fail-under=accuracy=yes", "'yes' is not a number"),
        ("--fail-under=accuracy.tmporal=0.5", "Did you mean 'temporal'?"),
        ("--fail-under=accuracy=65", "Did you mean 0.65?"),
        ("--max-p95.search_ms=soon", "'soon' is not a number"),
        ("--max-errors=few", "--max-errors 'few'"),
    ],
    ids=lambda value: value if value.startswith("--") else "",
)
def test_a_gate_that_makes_no_sense_is_refused(suite: Suite, gate: str, told: str) -> None:
    ended = suite.run(*BENCH, gate, "-n2")
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert told in ended.about("ERROR")
    assert not suite.runs.exists()
    assert len(ended.output.strip().splitlines()) <= 2


def test_ctrl_c_stays_an_interruption(suite: Suite) -> None:
    slow = ("bench", *SMALL, "--provider=subjects:Slow", *WATCHED[1:], "--in-flight=1")
    process = suite.start(*slow, "--fail-under=accuracy=0")
    suite.wait_for("judge", 2, process)
    kill_group(process, signal.SIGINT)
    ended = suite.end(process)
    assert ended.status == pytest.ExitCode.INTERRUPTED
    assert "gate refused: the run is not finished" in ended.output


def test_a_part_that_was_chosen_is_judged_as_the_whole(suite: Suite) -> None:
    ended = suite.run(*BENCH, "-k", "single", "--fail-under=accuracy=0.01")
    assert ended.status == MET
    ended = suite.run(*BENCH, "-k", "multi", "--fail-under=accuracy=0.99", "-n2")
    assert ended.status == MISSED
    ended = suite.run(*BENCH, "-k", "nothing_like_it", "--fail-under=accuracy=0")
    assert ended.status == pytest.ExitCode.NO_TESTS_COLLECTED
