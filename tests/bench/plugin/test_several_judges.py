"""Several judges under pytest: what is paid for is paid for once, through ``kill -9`` at any moment between votes."""

from __future__ import annotations

import json
import signal
from collections import Counter
from typing import Any

import pytest

from tests.bench.plugin.suite import SMALL, WATCHED, Suite, comparable, kill_group

QUESTIONS = 20
JUDGES = ("--judge=tests.subjects.panel_subjects:Sure", "--judge=tests.subjects.panel_subjects:Harsh")
RUN = ("bench", *SMALL, *WATCHED[:2], *JUDGES)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The same run when nothing disturbs it."""
    suite = Suite(tmp_path_factory.mktemp("undisturbed"))
    suite.run(*RUN)
    return suite


def only_result(suite: Suite) -> dict[str, Any]:  # Any: parsed JSON
    (result,) = suite.report()["results"]
    return dict(result)


def test_each_judge_is_reported_and_the_majority_counts(undisturbed: Suite) -> None:
    result = only_result(undisturbed)
    assert result["judge"]["name"] == "majority of sure, harsh"
    sure, harsh = result["judges"]
    assert [judge["votes"] for judge in (sure, harsh)] == [QUESTIONS, QUESTIONS]
    assert sure["accuracy"]["correct"] > harsh["accuracy"]["correct"] == result["accuracy"]["correct"]
    assert sure["models_served"] == ["sure"]
    (pair,) = result["agreement"]["pairs"]
    assert pair["n"] == QUESTIONS
    assert pair["cohen_kappa"] < 1
    assert result["usage"]["judge"]["input_tokens"] == 2 * QUESTIONS * 100
    (run_id,) = undisturbed.run_ids
    lines = (undisturbed.runs / run_id / "results.jsonl").read_text().splitlines()
    assert all(len(json.loads(line)["verdict"]["votes"]) == 2 for line in lines)


def test_the_terminal_names_all_judges(suite: Suite) -> None:
    ended = suite.run(*RUN, "-n2")
    sure, harsh = (judge.partition("=")[2] for judge in JUDGES)
    assert f"judges {sure} (contains-1), {harsh} (contains-1) · " in " ".join(ended.output.split())
    assert "judge sure: 0." in ended.output
    assert "judge harsh: 0." in ended.output
    assert "kappa of the judges, n=20: sure and harsh " in ended.output
    assert suite.calls("sure") == suite.calls("harsh")
    assert set(suite.calls("sure").values()) == {1}


@pytest.mark.parametrize("deaths", ["0", "1,7", "5,6,13"], ids=["before the first vote", "twice", "three times"])
def test_killed_between_answer_and_judge_and_between_votes_nothing_is_paid_twice(
    suite: Suite, undisturbed: Suite, deaths: str
) -> None:
    """One call at a time, so that the moment of the kill is exact: all that was paid for is on disk."""
    times = len(deaths.split(","))
    process = suite.start(*RUN, "--in-flight=1", DEATHS=deaths)
    suite.end(process)
    assert process.returncode == -signal.SIGKILL
    assert suite.calls("answer").total() >= 1
    assert suite.calls("harsh").total() < suite.calls("sure").total(), "a question has one of its votes"
    for _ in range(times - 1):
        process = suite.start("--lf", DEATHS=deaths)
        suite.end(process)
        assert process.returncode == -signal.SIGKILL
    resumed = suite.run("--lf", DEATHS=deaths)
    assert "resuming run" in resumed.output
    once = Counter(dict.fromkeys(undisturbed.calls("search"), 1))
    for what in ("answer", "sure", "harsh"):
        assert suite.calls(what) == once, what
    mine, whole = comparable(suite.report()), comparable(undisturbed.report())
    for report in (mine, whole):
        report["run"]["settings"]["in_flight"] = None
    assert mine == whole


def test_killed_from_outside_only_what_was_under_way_is_asked_again(suite: Suite) -> None:
    process = suite.start(
        "bench", *SMALL, "--provider=tests.subjects.watched:Slow", WATCHED[1], *JUDGES, "--in-flight=4"
    )
    suite.wait_for("harsh", 6, process)
    kill_group(process, signal.SIGKILL)
    suite.end(process)
    assert suite.calls("harsh").total() < QUESTIONS
    suite.run("--lf")
    for what in ("answer", "sure", "harsh"):
        calls = suite.calls(what)
        assert len(calls) == QUESTIONS
        assert calls.total() - QUESTIONS <= 4 + 2, what  # in flight, or said and not yet on disk


def test_repeats_show_how_steady_a_judge_is(suite: Suite) -> None:
    ended = suite.run("bench", *SMALL, *WATCHED[:2], "--judge=tests.subjects.panel_subjects:Moody", "--judge-repeats=2")
    assert "judge tests.subjects.panel_subjects:Moody (contains-1), 2 times each" in ended.about("memorybench: ")
    assert set(suite.calls("moody").values()) == {2}
    result = only_result(suite)
    assert result["judge"]["name"] == "moody"
    (judge,) = result["judges"]
    noise = judge["noise"]
    assert (noise["repeats"], noise["n"]) == (2, QUESTIONS)
    assert noise["changed"] > 0
    assert noise["accuracy_sd"] > 0
    assert len(judge["by_repeat"]) == 2
    assert f"2 votes a question, which differ for {noise['changed']:.1%}" in " ".join(ended.output.split())


def test_judges_of_one_name_are_refused_in_one_line(suite: Suite) -> None:
    ended = suite.run(
        "bench",
        *SMALL,
        *WATCHED,
        "--judge=tests.subjects.watched:Contains",
        "--judge=tests.subjects.panel_subjects:Contains",
    )
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "2 judges have the name 'contains'" in ended.about("ERROR")
    assert suite.calls("judge").total() == 0
