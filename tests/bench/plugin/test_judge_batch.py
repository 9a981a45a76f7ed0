"""``--judge-batch``, through pytest: one batch for a run, found again by a run that goes on."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from reports.report import read_lines
from tests.bench.plugin.suite import Suite, kill_group, wait
from tests.llms.clients.batch_server import BatchServer
from tests.llms.clients.model_server import Asked, serving_as
from tests.reports.store.postgres_server import PostgresServer

QUESTIONS = 60
CHOSEN = ("-k", "synthetic", "--synthetic-sessions=20", f"--synthetic-questions={QUESTIONS}")
QUICK = {"MEMORYBENCH_BATCH_QUIET_SECONDS": "1"}


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with serving_as(BatchServer()) as server:
        yield server


def sizes(server: BatchServer) -> list[int]:
    return [len(lines) for lines in server.batches.values()]


def result_of(suite: Suite) -> dict[str, Any]:
    report: dict[str, Any] = suite.report()
    (result,) = report["results"]
    return dict(result)


def without_a_call(suite: Suite) -> int:
    """How many answers were empty: those are wrong without a judge being asked."""
    (run_id,) = suite.run_ids
    lines = list(read_lines(suite.runs / run_id))
    steps = [step for line in lines for step in line["steps"] if step["phase"] == "judge"]
    assert len(steps) == QUESTIONS
    return sum(step["usage"]["calls"] == 0 for step in steps)


@pytest.mark.parametrize("form", ["openai", "anthropic"])
def test_a_run_is_one_batch_however_few_calls_may_be_in_flight(suite: Suite, server: BatchServer, form: str) -> None:
    ended = suite.run("bench", *CHOSEN, "--judge", server.name(form), "--judge-batch", "--in-flight=2", **QUICK)
    result = result_of(suite)
    assert result["questions"]["judged"] == QUESTIONS, ended.output
    assert sizes(server) == [QUESTIONS - without_a_call(suite)]
    assert result["latency_ms"]["judge"]["n"] == without_a_call(suite)  # how long a batch took is none of them
    assert result["latency_ms"]["search"]["n"] == QUESTIONS
    assert result["usage"]["judge"]["calls"] == sizes(server)[0]


@pytest.mark.parametrize(
    ("form", "number"), [("openai", signal.SIGKILL), ("anthropic", signal.SIGKILL), ("openai", signal.SIGINT)]
)
def test_a_run_that_was_stopped_awaits_the_batch_that_it_had_sent(
    suite: Suite, server: BatchServer, form: str, number: signal.Signals
) -> None:
    server.held.set()
    killed = suite.start("bench", *CHOSEN, "--judge", server.name(form), "--judge-batch", **QUICK)
    wait(lambda: any(server.looks.values()) or killed.poll() is not None)
    kill_group(killed, number)
    killed.communicate()
    assert len(server.batches) == 1
    server.held.clear()
    ended = suite.run("--lf", **QUICK)
    assert result_of(suite)["questions"]["judged"] == QUESTIONS, ended.output
    assert sizes(server) == [QUESTIONS - without_a_call(suite)]


def test_a_place_awaits_the_batch_that_another_one_had_sent(suite: Suite, server: BatchServer) -> None:
    server.held.set()
    database = PostgresServer()
    try:
        shared = ("--run-id=one", f"--checkpoint-url={database.database()}")
        options = (*CHOSEN, "--judge", server.name("openai"), "--judge-batch", *shared)
        places = [f"--runs-dir={suite.folder / place}" for place in ("first", "second")]
        killed = suite.start("bench", *options, places[0], **QUICK)
        wait(lambda: any(server.looks.values()) or killed.poll() is not None)
        kill_group(killed, signal.SIGKILL)
        killed.communicate()
        assert len(server.batches) == 1
        server.held.clear()
        ended = suite.run("bench", *options, places[1], **QUICK)
    finally:
        database.close()
    report = json.loads((suite.folder / "second" / "one" / "report.json").read_text())
    assert report["results"][0]["questions"]["judged"] == QUESTIONS, ended.output
    assert report["results"][0]["usage"]["judge"]["calls"] == sum(sizes(server))
    assert len(server.batches) == 1, "nothing is sent and paid for again"
    assert not list(suite.folder.glob("*/one/judge_batches.sqlite"))


def test_each_vote_is_a_request_and_asking_again_asks_anew(suite: Suite, server: BatchServer) -> None:
    judges = ("--judge", server.name("openai", "m-1"), "--judge", server.name("anthropic", "m-2"))
    arguments = ("bench", *CHOSEN, *judges, "--judge-repeats=2", "--judge-batch", "--run-id=votes")
    suite.run(*arguments, **QUICK)
    assert [judge["votes"] for judge in result_of(suite)["judges"]] == [2 * QUESTIONS] * 2
    assert len(server.batches) == 2
    asked = len(server.requests)
    suite.run(*arguments, "--retry-from=judge", **QUICK)
    assert len(server.requests) == 2 * asked


def test_what_fails_in_a_batch_is_an_error_and_asked_again(suite: Suite, server: BatchServer) -> None:
    spoilt: list[str] = []

    def fault(asked: Asked) -> str | None:
        spoilt.extend([asked.text] if len(spoilt) < 3 else [])
        return "expired" if asked.text in spoilt else None

    server.fault = fault
    suite.run("bench", *CHOSEN, "--judge", server.name("openai"), "--judge-batch", **QUICK)
    errors = result_of(suite)["errors"]
    assert len(errors) == 3
    assert {(one["type"], one["phase"]) for one in errors} == {("JudgeError", "judge")}
    server.fault = lambda _asked: None
    suite.run("--lf", **QUICK)
    assert result_of(suite)["questions"]["errors"] == 0
    assert sizes(server)[1:] == [3]


def test_workers_share_the_record(suite: Suite, server: BatchServer) -> None:
    ended = suite.run("bench", *CHOSEN, "--judge", server.name("openai"), "--judge-batch", "-n2", **QUICK)
    assert result_of(suite)["questions"]["judged"] == QUESTIONS, ended.output
    assert sum(sizes(server)) == QUESTIONS - without_a_call(suite)


def test_a_judge_that_takes_no_batches_is_refused(suite: Suite) -> None:
    ended = suite.run("bench", *CHOSEN, "--judge-batch")
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "judge 'lexical' is no language model" in ended.about("--judge-batch:")
    gemini = suite.run("bench", *CHOSEN, "--judge-batch", "--judge=google", GEMINI_API_KEY="k")
    assert gemini.status == pytest.ExitCode.USAGE_ERROR
    assert "gemini-3.5-flash cannot be asked in batches" in gemini.about("--judge-batch:")
    assert suite.run_ids == []
