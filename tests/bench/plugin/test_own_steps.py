"""A benchmark's test may do more than the pipeline: what it makes of a step is what the next one gets."""

from __future__ import annotations

import pytest

from reports.report import read_lines
from tests.bench.plugin.suite import SMALL, WATCHED, Suite
from tests.subjects.watched import speechless


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_what_a_test_makes_of_results_is_answered_from_and_recorded(suite: Suite, workers: tuple[str, ...]) -> None:
    ended = suite.run("tests/subjects/reranked_benchmark.py", *SMALL, *WATCHED, *workers)
    assert ended.counted.get("correct", 0) + ended.counted["wrong"] == 20
    (run_id,) = suite.run_ids
    lines = list(read_lines(suite.runs / run_id))
    assert len(lines) == 20
    for line in lines:
        last = "" if speechless(line["question"]) else line["results"][-1]["text"]
        assert line["answer"] == last, "the answer that is kept was made from the changed results"
        right = line["ground_truth"].lower() in f"{last} (reranked)".lower() if line["answerable"] else False
        assert line["outcome"] == ("correct" if right else "wrong"), "the verdict is on what the test handed over"
    (result,) = suite.report()["results"]
    assert result["accuracy"]["correct"] == ended.counted.get("correct", 0)


def test_a_test_that_asks_about_another_question_is_broken(suite: Suite) -> None:
    ended = suite.run("tests/subjects/broken_benchmark.py", *SMALL, *WATCHED, "--limit=1", "-k", "test_mixes")
    assert ended.counted["failed"] == 1
    assert "ValueError: this test is about syn-q0000, and not about 'What else?'" in ended.output
