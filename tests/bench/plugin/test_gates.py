"""Gates: the exit status says whether the run is good enough, and the last lines say by how much not."""

from __future__ import annotations

import re
import signal

import pytest

from tests.bench.plugin.suite import SMALL, WATCHED, Suite, kill_group

BENCH = ("bench/benchmarks/test_synthetic.py", *SMALL, *WATCHED)
BROKEN = ("bench/benchmarks/test_synthetic.py", *SMALL, "--provider=tests.subjects.watched:Broken", *WATCHED[1:])
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
    ("gate", "message"),
    [
        (
            "--fail-under=accuracy=0.99",
            "gate missed: accuracy 0.200 < 0.99 on tests.subjects.watched:Watched/synthetic",
        ),
        ("--fail-under=accuracy.low=0.15", "gate missed: accuracy.low 0.0"),
        ("--fail-under=accuracy.temporal=0.9", "gate missed: accuracy.temporal 0."),
        ("--fail-under=recall@10=1", "gate missed: recall@10 0.938 < 1"),
        ("--max-p95.search_ms=0.000001", "gate missed: p95.search_ms "),
        ("--fail-under=p95.search_ms=0.000001", "gate missed: p95.search_ms "),
    ],
    ids=lambda value: value.rpartition("=")[0] if value.startswith("--") else "",
)
def test_a_gate_that_is_missed_says_by_how_much(suite: Suite, gate: str, message: str) -> None:
    ended = suite.run(*BENCH, gate)
    assert ended.status == MISSED
    line = ended.about("gate missed")
    assert line.startswith(message)
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
    ("gate", "message"),
    [
        ("--fail-under=nonsense", "threshold 'nonsense'"),
        ("--fail-under=accuracy=yes", "'yes' is not a number"),
        ("--fail-under=accuracy=65", "Did you mean 0.65?"),
        ("--max-p95.search_ms=soon", "'soon' is not a number"),
        ("--max-errors=few", "--max-errors 'few'"),
    ],
    ids=lambda value: value if value.startswith("--") else "",
)
def test_a_gate_that_makes_no_sense_is_refused(suite: Suite, gate: str, message: str) -> None:
    ended = suite.run(*BENCH, gate, "-n2")
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert message in ended.about("ERROR")
    assert not suite.runs.exists()
    assert len(ended.output.strip().splitlines()) <= 2


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fail-under=accuracy.tmporal=0.5",), "Did you mean 'temporal'?"),
        (("--fail-under=f1.locomo_official=0.2",), "no selected benchmark has this metric"),
        (("--fail-under=accuracy=0.2", "--until=search"), "--until search stops before"),
        (("--fail-under=recall@50=0.2", "--top-k=10"), "it needs --top-k 50 or more"),
        (("-k", "single", "--fail-under=accuracy.multi-hop=0.1"), "Types of the selection: single-hop, answerable."),
    ],
    ids=["type", "metric", "until", "top-k", "selection"],
)
def test_a_gate_without_a_value_is_refused_before_anything_is_asked(
    suite: Suite, arguments: tuple[str, ...], message: str, workers: tuple[str, ...]
) -> None:
    ended = suite.run(*BENCH, *arguments, *workers)
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert message in ended.about("ERROR")
    assert "gate missed" not in ended.output
    assert not (suite.folder / "calls").exists()


def test_a_plan_says_how_to_get_data_that_are_missing(suite: Suite) -> None:
    ended = suite.run("bench", "-k", "locomo", "--plan")
    unfolded = " ".join(ended.output.split())
    assert re.search(r"cannot be run: locomo: .*`python -m bench download locomo --to ", unfolded)
    assert ".py: " not in ended.output
    assert "model calls" not in ended.output
    both = suite.run("bench", *SMALL, *WATCHED, "-k", "locomo or synthetic", "--plan")
    assert "tests.subjects.watched:Watched on synthetic: 20 questions" in both.output
    assert both.about("cannot be run: locomo: ")
    assert not suite.runs.exists()


def test_data_missing_in_a_mistyped_folder_miss_the_gate(suite: Suite) -> None:
    selected = ("bench", *SMALL, "-k", "longmemeval_s and temporal")
    ended = suite.run(*selected, "--fail-under=accuracy=0", MEMORYBENCH_DATA="/no/such/folder")
    assert ended.status == MISSED
    unfolded = " ".join(ended.output.split())
    assert re.search(
        "gate missed: nothing was measured on longmemeval_s: .*MEMORYBENCH_DATA is /no/such/folder", unfolded
    )
    assert ended.counted.keys() == {"skipped", "deselected"}
    assert ended.counted["skipped"] == 1, "what stands in for a benchmark counts once"


@pytest.mark.parametrize(
    ("expression", "missing"),
    [
        ("synthetic or (longmemeval and abstention)", ["longmemeval_oracle", "longmemeval_s", "longmemeval_m"]),
        ("synthetic or (locomo and not temporal)", ["locomo"]),
        ("synthetic or (locomo and subjects)", ["locomo"]),
        ("synthetic or (locomo and knowledge-update)", []),
    ],
)
def test_missing_data_are_selected_as_their_questions_would_be(
    suite: Suite, expression: str, missing: list[str]
) -> None:
    ended = suite.run("bench", *SMALL, *WATCHED, "-k", expression, "--fail-under=accuracy=0")
    unmeasured = re.findall(r"^gate missed: nothing was measured on (\w+):", ended.output, re.MULTILINE)
    assert unmeasured == missing
    gate = suite.report()["gate"]
    assert isinstance(gate, dict)
    assert [one["benchmark"] for one in gate["unmeasured"]] == missing
    assert ended.status == (MISSED if missing else MET)


def test_lf_finishes_what_x_stopped_and_then_the_gate_is_met(suite: Suite) -> None:
    early = (
        "bench/benchmarks/test_synthetic.py",
        *SMALL,
        *WATCHED[1:],
        "--provider=tests.subjects.stopped_early:FirstComesLast",
    )
    stopped = suite.run(*early, "--limit=10", "-x", "--fail-under=accuracy=0")
    assert stopped.status == pytest.ExitCode.TESTS_FAILED
    assert suite.calls("judge").total() == 10, "all of them were in flight"
    resumed = suite.run("--lf")
    assert "gate met: accuracy" in resumed.output
    assert resumed.status == MET
    assert suite.calls("judge").total() == 10


@pytest.mark.parametrize("others", [(), ("-psyrupy", "-n2")], ids=["alone", "with syrupy on workers"])
def test_ctrl_c_stays_an_interruption(suite: Suite, others: tuple[str, ...]) -> None:
    slow = (
        "bench",
        "-k",
        "synthetic",
        *SMALL,
        "--provider=tests.subjects.watched:Slow",
        *WATCHED[1:],
        "--in-flight=1",
        *others,
    )
    process = suite.start(*slow, "--fail-under=accuracy=0")
    suite.wait_for("judge", 2, process)
    kill_group(process, signal.SIGINT)
    ended = suite.end(process)
    assert ended.status == pytest.ExitCode.INTERRUPTED, ended.output
    assert "gate refused: the run is not finished" in ended.output
    assert "Traceback" not in ended.output


def test_a_part_that_was_chosen_is_judged_as_the_whole(suite: Suite) -> None:
    ended = suite.run(*BENCH, "-k", "single", "--fail-under=accuracy=0.01")
    assert ended.status == MET
    ended = suite.run(*BENCH, "-k", "multi", "--fail-under=accuracy=0.99", "-n2")
    assert ended.status == MISSED
    ended = suite.run(*BENCH, "-k", "nothing_like_it", "--fail-under=accuracy=0")
    assert ended.status == pytest.ExitCode.NO_TESTS_COLLECTED
