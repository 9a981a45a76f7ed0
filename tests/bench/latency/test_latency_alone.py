"""``-k latency``: one search at a time, measured by pytest-benchmark; and tests that only come when they are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any  # parsed JSON

import pytest

from tests.bench.plugin.suite import WATCHED, Ended, Suite

SMALL = ("--synthetic-sessions=12", "--synthetic-questions=15")
FILE = "bench/latency/test_latency.py"


def measured(suite: Suite, *arguments: str, **environment: str) -> Ended:
    """A session with pytest-benchmark, which other tests here do without."""
    return suite.run("-p", "benchmark", f"--benchmark-storage={suite.folder / 'kept'}", *arguments, **environment)


def figures(file: Path) -> dict[str, Any]:
    """What pytest-benchmark wrote, by the names of the tests."""
    return {test["name"]: test for test in json.loads(file.read_text())["benchmarks"]}


def test_a_file_can_be_read_alone(suite: Suite) -> None:
    file = suite.folder / "latency.json"
    asked = ("bench", "-k", "latency", "--provider=none", "--provider=tests.subjects.watched:Watched", "--top-k=7")
    ended = measured(suite, *asked, *SMALL, f"--benchmark-json={file}")
    assert ended.status == 0, ended.output
    assert ended.counted == {"passed": 2}
    assert "deselected" not in ended.output
    assert "search of 12 sessions, top-k 7" in ended.output
    watched = figures(file)["test_latency[tests.subjects.watched:Watched]"]
    assert watched["fullname"] == f"{FILE}::test_latency[tests.subjects.watched:Watched]"
    assert watched["group"] == figures(file)["test_latency[none]"]["group"]
    message = watched["extra_info"]
    assert message["messages"] > 12
    assert message["p50_ms"] == pytest.approx(watched["stats"]["median"] * 1000)
    assert message["p50_ms"] <= message["p95_ms"] <= message["p99_ms"] <= watched["stats"]["max"] * 1000
    expected = {
        "provider": "tests.subjects.watched:Watched",
        "version": "1",
        "api": "",
        "settings": {},
        "sessions": 12,
        "top_k": 7,
    }
    assert {name: message[name] for name in expected} == expected
    assert watched["stats"]["rounds"] == message["questions"] == 12
    assert message["warm_up"] == 3
    assert not suite.run_ids, "it is no run"
    assert not (suite.folder / "cache/d/memorybench/run.json").exists(), "nor is it remembered as one"


def test_the_haystack_is_ingested_once_each_question_is_asked_once_and_all_is_cleared(suite: Suite) -> None:
    ended = measured(suite, FILE, "--provider=tests.subjects.watched:Watched", *SMALL)
    assert ended.status == 0, ended.output
    assert suite.calls("ingest").total() == 12
    assert suite.calls("search").total() == 15
    assert set(suite.calls("search").values()) == {1}
    assert suite.calls("clear").total() == 1


def test_runs_are_kept_and_compared(suite: Suite) -> None:
    asked = (FILE, "--provider=none", *SMALL)
    first = measured(suite, *asked, "--benchmark-compare")
    assert first.status == 0, "nothing to compare with is no error"
    assert first.about("Can't compare.")
    assert measured(suite, *asked, "--benchmark-autosave").status == 0
    ended = measured(suite, *asked, "--benchmark-compare")
    assert ended.status == 0
    assert "test_latency[none] (0001_" in ended.output
    assert "test_latency[none] (NOW)" in ended.output


def test_async_searches_and_settings(suite: Suite) -> None:
    file = suite.folder / "latency.json"
    asked = (FILE, "--provider=tests.subjects.timed_subject:Asleep", "--provider-option=seconds=0.02")
    ended = measured(suite, *asked, *SMALL, f"--benchmark-json={file}")
    assert ended.status == 0, ended.output
    (test,) = figures(file).values()
    assert test["stats"]["min"] >= 0.02
    assert test["extra_info"]["settings"] == {"seconds": 0.02}
    assert test["extra_info"]["api"] == "v7"


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        (
            "tests.subjects.checked_subject:Keyed",
            "tests.subjects.checked_subject:Keyed: 401: the key 'unknown' is not one of ours",
        ),
        (
            "tests.subjects.watched:Broken",
            "a search failed, and what was measured is not worth keeping: no answer from",
        ),
        ("tests.subjects.timed_subject:Empty", "it found nothing at all"),
    ],
)
def test_what_cannot_be_measured_is_no_measurement(suite: Suite, provider: str, message: str) -> None:
    file = suite.folder / "latency.json"
    ended = measured(suite, FILE, f"--provider={provider}", *SMALL, f"--benchmark-json={file}")
    assert ended.status == 1
    assert message in ended.output
    assert "Traceback" not in ended.output
    assert suite.calls("clear").total() == 1, "whatever happens, nothing stays behind"


def test_with_workers_it_is_skipped_with_the_reason(suite: Suite) -> None:
    ended = measured(suite, FILE, "--provider=tests.subjects.watched:Watched", *SMALL, "-n2")
    assert ended.counted == {"skipped": 1}
    assert ended.about("pytest-benchmark measures nothing under xdist: leave out -n")
    assert not suite.calls("ingest")


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        (("bench",), False),
        ((), False),
        (("bench", "-k", "synthetic"), False),
        (("bench/benchmarks/test_synthetic.py",), False),
        (("bench", "-k", "latency"), True),
        (("-k", "Latency"), True),
        ((f"{FILE}::test_latency[bm25]",), True),
        (("bench", "-k", "latency or synthetic"), True),
    ],
)
def test_it_comes_only_by_name(suite: Suite, asked: tuple[str, ...], there: bool) -> None:
    ended = measured(suite, *asked, *SMALL, "--collect-only", "-q")
    assert ended.status == 0, ended.output
    assert ("test_latency" in ended.output) == there
    beside = there and "synthetic" not in " ".join(asked)
    assert ("test_synthetic" in ended.output) != beside
    if beside:
        assert "deselected" not in ended.output


def test_a_run_beside_it_is_a_run(suite: Suite) -> None:
    chosen = ("bench", "-k", "latency or synthetic", *SMALL, "--provider=tests.subjects.watched:Watched")
    ended = measured(
        suite, *chosen, "--answering-model=tests.subjects.watched:First", "--judge=tests.subjects.watched:Contains"
    )
    assert ended.counted["passed"] == 1
    assert sum(ended.counted.get(word, 0) for word in ("correct", "wrong", "abstained")) == 15
    assert len(suite.run_ids) == 1


def test_lf_goes_on_with_the_run_and_not_with_a_measurement(suite: Suite) -> None:
    suite.run("bench", *SMALL, *WATCHED)
    assert measured(suite, "-k", "latency", "--provider=tests.subjects.watched:Broken", *SMALL).counted["failed"] == 1
    again = measured(suite, "-k", "latency", "--provider=tests.subjects.watched:Broken", *SMALL, "--lf")
    assert again.counted["failed"] == 1, "named, it is what pytest's own --lf is about"
    assert "second look at run" in suite.run("--lf").output
