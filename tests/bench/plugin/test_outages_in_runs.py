"""A provider or model that fails for a while costs time, and no question."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.bench.plugin.suite import Suite, wait
from tests.reports.store.postgres_server import PostgresServer

QUESTIONS = 200
PARTICIPANTS = (
    "--provider=tests.subjects.failing:Memory",
    "--answering-model=tests.subjects.failing:Model",
    "--judge=tests.subjects.failing:Grader",
)
RUN = ("bench", "-k", "synthetic", "--synthetic-sessions=20", f"--synthetic-questions={QUESTIONS}", "--in-flight=8")


def result_of(suite: Suite) -> dict[str, Any]:
    results: Any = suite.report()["results"]
    (result,) = results
    return dict(result)


@pytest.mark.parametrize(
    ("what", "workers"), [("search", "-n0"), ("search", "-n2"), ("answer", "-n2"), ("judge", "-n0")]
)
def test_an_outage_in_mid_run_is_sat_out(suite: Suite, what: str, workers: str) -> None:
    down = suite.folder / f"{what} is down"
    process = suite.start(*RUN, *PARTICIPANTS, workers, "--patience=60")
    suite.wait_for(what, QUESTIONS // 4, process)
    down.touch()
    # all that were in flight, and three probes: as long as the watch for pauses looks away
    wait(lambda: suite.calls(f"refused {what}").total() > 8 + 2 or process.poll() is not None)
    down.unlink()
    ended = suite.end(process)
    result = result_of(suite)
    assert (result["questions"]["errors"], result["questions"]["selected"]) == (0, QUESTIONS)
    assert suite.calls(what).total() == QUESTIONS
    assert suite.calls(f"refused {what}").total() <= QUESTIONS * 0.1
    (detail,) = [text for text in result["clock_warnings"] if "failed for everybody" in text]
    assert detail.startswith({"search": "provider-", "answer": "answerer-", "judge": "judge-"}[what])
    assert "fails, calls wait" in ended.output
    assert "error" not in ended.counted


def test_an_outage_while_a_haystack_is_ingested_is_sat_out(suite: Suite) -> None:
    (suite.folder / "ingest is down").touch()
    process = suite.start(*RUN, *PARTICIPANTS, "-n2", "--patience=60")
    wait(lambda: suite.calls("refused ingest").total() > 5 or process.poll() is not None)
    (suite.folder / "ingest is down").unlink()
    suite.end(process)
    assert result_of(suite)["questions"]["errors"] == 0
    assert suite.calls("ingest").total() == 20


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_an_outage_of_the_checkpoints_database_is_sat_out(suite: Suite, workers: str) -> None:
    server = PostgresServer()
    try:
        process = suite.start(*RUN, *PARTICIPANTS, workers, "--patience=60", f"--checkpoint-url={server.database()}")
        suite.wait_for("judge", QUESTIONS // 4, process)
        server.stop()
        time.sleep(2)  # calls that were in flight end, and nothing can be recorded
        during = suite.calls("judge").total()
        server.start()
        ended = suite.end(process)
    finally:
        server.close()
    result = result_of(suite)
    assert during < QUESTIONS, "it did not go on without a record"
    assert (result["questions"]["errors"], result["questions"]["selected"]) == (0, QUESTIONS)
    assert result["questions"]["judged"] == QUESTIONS
    calls = sum(suite.calls(what).total() for what in ("search", "answer", "judge"))
    assert calls <= 3 * QUESTIONS * 1.1
    assert "INTERNALERROR" not in ended.output


def test_what_does_not_come_back_ends_in_errors_that_the_next_run_mends(suite: Suite) -> None:
    down = suite.folder / "answer is down"
    down.touch()
    suite.run(*RUN, *PARTICIPANTS, "--patience=1")
    (run_id,) = suite.run_ids
    result = result_of(suite)
    assert result["questions"]["errors"] == QUESTIONS
    assert any("answerer-model has failed for" in error["message"] for error in result["errors"])
    assert json.dumps(result["clock_warnings"]).count("until --patience was over") == 1
    down.unlink()
    ended = suite.run("--lf")
    assert f"resuming run {run_id}" in ended.output
    assert result_of(suite)["questions"]["errors"] == 0
