"""A question that kills its process is an error after two crashes, and no other question is lost."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.bench.plugin.suite import SMALL, Suite, kill_group, wait

DEADLY = (
    "bench",
    *SMALL,
    "--provider=tests.subjects.deadly:Memory",
    "--answering-model=tests.subjects.deadly:Reader",
    "--judge=tests.subjects.deadly:Grader",
    "--in-flight=8",
)
VERDICTS = ("correct", "wrong", "abstained")
KILLER, OTHER, THIRD = "Fabian Carquist", "Nora Burwick", "Lucia Turfleet"


def errors(suite: Suite) -> list[tuple[str, str]]:
    """The phase and type of each error in the report of the only run; the rest of 20 questions has a verdict."""
    result: Any = suite.report()["results"]
    outcomes: dict[str, int] = result[0]["questions"]["outcomes"]
    found = [(one["phase"], one["type"]) for one in result[0]["errors"]]
    assert sum(outcomes[word] for word in VERDICTS) == 20 - len(found)
    return sorted(found)


def test_workers_are_replaced_until_the_killers_are_known(suite: Suite) -> None:
    rules = f"segfault={KILLER};answer={OTHER};judge={THIRD}"
    ended = suite.run(*DEADLY, "-n2", DEADLY=rules, SLOW="0.02")
    assert "INTERNALERROR" not in ended.output
    assert ended.counted["errors"] == 3
    assert errors(suite) == [("answer", "ModelError"), ("judge", "JudgeError"), ("search", "ProviderError")]
    assert set(suite.calls("death").values()) == {2}
    assert suite.calls("search").total() <= 20 + 6 * 8, "again only what was in flight at a death"

    (suite.folder / "mended").touch()
    ended = suite.run("--lf", DEADLY=rules)
    assert sum(ended.counted.get(word, 0) for word in VERDICTS) == 3
    assert errors(suite) == []


def test_without_workers_the_third_run_goes_on(suite: Suite) -> None:
    rules = {"DEADLY": f"search={KILLER}", "SLOW": "0.02"}
    for arguments in (DEADLY, ("--lf",)):
        process = suite.start(*arguments, **rules)
        # the witness of the death is in the process group, which `end` kills
        wait(lambda: process.poll() is not None and any(suite.runs.glob("*/calls/*.died")))  # noqa: B023  called here
        assert suite.end(process).status == 3
    ended = suite.run("--lf", **rules)
    assert ended.counted["error"] == 1
    assert errors(suite) == [("search", "ProviderError")]
    assert suite.calls("death").total() == 2


def test_an_ingest_that_kills_is_an_error_of_its_questions(suite: Suite) -> None:
    ended = suite.run(*DEADLY, "-n1", DEADLY="ingest=")
    assert ended.counted["errors"] == 20
    assert errors(suite) == [("ingest", "ProviderError")] * 20
    assert suite.calls("death").total() == 2


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_nobody_is_blamed_when_everything_is_killed(suite: Suite, workers: tuple[str, ...]) -> None:
    for arguments in ((*DEADLY, *workers), ("--lf", *workers)):
        before = suite.calls("begin").total()
        process = suite.start(*arguments, SLOW="0.4")
        suite.wait_for("begin", before + 3, process)
        kill_group(process, signal.SIGKILL)
        suite.end(process)
    suite.run("--lf", *workers, SLOW="0.02")
    assert errors(suite) == []
