"""What pytest says of single questions: words of their own, one line each, the whole story on demand."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.synthetic import Synthetic
from tests.bench.plugin.suite import SMALL, WATCHED, Ended, Suite
from tests.subjects.watched import unlucky

CASES = Synthetic(BenchmarkOptions(synthetic_sessions=20, synthetic_questions=20)).cases()
FAULTS = {case.id for case in CASES if unlucky(case.question.text)}
ALONE_AND_DIVIDED = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])


def run_broken(suite: Suite, *arguments: str) -> Ended:
    return suite.run("bench", *SMALL, *WATCHED[1:], "--provider=tests.subjects.watched:Broken", *arguments)


def test_there_are_all_kinds_of_outcomes_to_speak_of() -> None:
    assert len(FAULTS) == 3


@pytest.mark.quick
@ALONE_AND_DIVIDED
def test_each_question_is_told_of_in_one_line(suite: Suite, workers: tuple[str, ...]) -> None:
    ended = run_broken(suite, "-v", "--show-wrong=2", f"--junitxml={suite.folder / 'junit.xml'}", *workers)
    assert ended.status == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in ended.output
    assert "AssertionError" not in ended.output
    assert "FAILURES" not in ended.output
    counted = ended.counted
    assert list(counted) == ["correct", "wrong", "abstained", "errors", "skipped"]
    assert sum(counted.values()) - counted["skipped"] == 20
    assert counted["errors"] == len(FAULTS)
    listed_count, listed = 0, ended.output.split(" stories ")[0]
    for case in CASES:
        lines = [line for line in listed.splitlines() if re.match(f"{case.id} +{case.gold.question_type} ", line)]
        assert len(lines) <= 1
        if case.id in FAULTS:
            assert "error  ProviderError in search: no answer from 10.0.0.7" in lines[0]
        elif lines:
            listed_count += 1
            assert re.search(r" (wrong|abstained)  ", lines[0])
            assert f"  {case.question.text}  " in lines[0]
            assert f"  {case.gold.ground_truth}  " in lines[0]
    assert listed_count == counted["wrong"] + counted["abstained"]
    check_stories(ended)
    check_junit(suite.folder / "junit.xml", counted)


def check_stories(ended: Ended) -> None:
    _before, message = ended.output.split(" stories ")
    stories = message.split("\n=")[0].split("\n", 1)[1].strip().split("\n\n")
    assert len(stories) == 2
    for story in stories:
        assert 5 < len(story.splitlines()) <= 15
        for label in ("question", "ground truth", "judge", "results"):
            assert label in story


def check_junit(file: Path, counted: dict[str, int]) -> None:
    cases = {case.attrib["name"]: case for case in ET.parse(file).getroot().iter("testcase")}
    failures = {name: case.find("failure") for name, case in cases.items() if case.find("failure") is not None}
    assert len(failures) == counted["wrong"] + counted["abstained"] + counted["errors"]
    for name, failure in failures.items():
        assert failure is not None
        story = failure.text or ""
        (case,) = [case for case in CASES if f"-{case.id}]" in name]
        assert case.question.text in story
        assert case.gold.ground_truth in story
        assert ("ProviderError" in story) == (case.id in FAULTS)
        if case.id not in FAULTS:
            assert " 9" in story, "all results are told, and not only the first five"


@ALONE_AND_DIVIDED
def test_what_a_test_has_of_its_own_fails_as_pytest_shows_it(suite: Suite, workers: tuple[str, ...]) -> None:
    ended = suite.run("tests/subjects/broken_benchmark.py", *SMALL, *WATCHED, "--limit=2", *workers)
    assert ended.counted == {"failed": 6}
    assert "ZeroDivisionError: division by zero" in ended.output
    assert "> " in ended.output
    assert "no result is older than the question" in ended.output
    assert "INTERNALERROR" not in ended.output


def test_faults_are_tried_again_and_verdicts_never(suite: Suite) -> None:
    flaky = ("bench", *SMALL, *WATCHED[1:], "--provider=tests.subjects.watched:Flaky")
    ended = suite.run(*flaky, "--reruns=2", "--only-rerun=ProviderError")
    assert "error" not in ended.last_line
    assert ended.counted["rerun"] == len(FAULTS)
    assert suite.calls("fault").total() == len(FAULTS)
    assert set(suite.calls("judge").values()) == {1}
    assert suite.calls("judge").total() == 20
    (result,) = suite.report()["results"]
    assert result["questions"]["errors"] == 0
    assert result["questions"]["retried"] == len(FAULTS)


def test_faults_are_tried_again_in_workers_too(suite: Suite) -> None:
    flaky = ("bench", *SMALL, *WATCHED[1:], "--provider=tests.subjects.watched:Flaky")
    ended = suite.run(*flaky, "--reruns=2", "--only-rerun=ProviderError", "-n2")
    assert "error" not in ended.last_line
    assert ended.counted["rerun"] == len(FAULTS)
    assert set(suite.calls("judge").values()) == {1}


def test_a_wrong_answer_that_is_rerun_is_shown_again_and_not_asked_again(suite: Suite) -> None:
    ended = suite.run("bench", *SMALL, *WATCHED, "--reruns=2")
    assert ended.counted["rerun"] == 2 * (ended.counted["wrong"] + ended.counted["abstained"])
    assert sum(ended.counted[word] for word in ("correct", "wrong", "abstained")) == 20
    for what in ("search", "answer", "judge"):
        assert suite.calls(what).total() == 20


def test_a_fault_without_reruns_is_asked_once(suite: Suite) -> None:
    ended = suite.run("bench", *SMALL, *WATCHED[1:], "--provider=tests.subjects.watched:Flaky")
    assert ended.counted["errors"] == len(FAULTS) == suite.calls("fault").total()


def test_what_was_found_is_let_go_of_whatever_came_of_it(suite: Suite) -> None:
    ended = suite.run(
        "bench", "--synthetic-sessions=20", "--synthetic-questions=60", "-p", "tests.subjects.held_results", "-s"
    )
    assert ended.counted["wrong"] > 20
    held = int(ended.about("questions are held").split()[2])
    assert held <= 4, "beyond the last test's"
