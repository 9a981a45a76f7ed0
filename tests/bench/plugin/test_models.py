"""Language models that answer and judge, through pytest, on a server that misbehaves."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import cycle
from typing import Any

import pytest

from reports.report import read_lines
from tests.bench.plugin.suite import Ended, Running, Suite, kill_group, wait
from tests.llms.clients.model_server import Asked, ModelServer, serving
from tests.repository import DATA

LOCOMO = next((path for path in (DATA / "locomo" / "locomo10.json", DATA / "locomo10.json") if path.exists()), None)
SECRET = "UNMISTAKABLE-5ecret"
KEYS = {f"{vendor}_API_KEY": f"sk-{SECRET}-{vendor}" for vendor in ("OPENAI", "ANTHROPIC", "GEMINI")}
WAIT_SECONDS = 2

RETRIED = ("429-seconds", "500", "429-date", "cut", "429-ms", "529", "half", "broken-json")
ASKED_AGAIN = ("not-json", "empty")  # by the judge, within its one call
FAULTS = {
    "answer": (*RETRIED, "slow", "empty", "400", "length", "withheld"),
    "judge": (*RETRIED, "slow", *ASKED_AGAIN, "never-json", "400", "withheld"),
}
STAYING = ("400", "length", "withheld", "never-json")
ERRORS = {"answer": "ModelError", "judge": "JudgeError"}


class Mischief:
    """Every so many prompts of a phase meet the next of its faults: once, or always if it is one that stays."""

    def __init__(self, every: int) -> None:
        self.given: Counter[tuple[str, str]] = Counter()
        self._every = every
        self._next = {phase: cycle(faults) for phase, faults in FAULTS.items()}
        self._seen: Counter[str] = Counter()
        self._planned: dict[str, str] = {}

    def __call__(self, asked: Asked) -> str | None:
        phase = "judge" if asked.schema else "answer"
        reminded = next((fault for text, fault in self._planned.items() if _reminds(asked.text, text)), None)
        if reminded is None and asked.times == 1:
            self._seen[phase] += 1
            if self._seen[phase] % self._every == 0:
                self._planned[asked.text] = next(self._next[phase])
        fault = reminded or self._planned.get(asked.text)
        if fault is None or (fault not in STAYING and (reminded or asked.times > 1)):
            return None
        self.given[phase, fault] += 1
        return "not-json" if fault == "never-json" else fault

    def of(self, phase: str, *faults: str) -> int:
        return sum(self.given[phase, fault] for fault in faults)


def _reminds(text: str, earlier: str) -> bool:
    return text != earlier and text.startswith(earlier)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving(wait_seconds=WAIT_SECONDS) as server:
        yield server


def run(suite: Suite, server: ModelServer, forms: tuple[str, str], *arguments: str, **environment: str) -> Ended:
    answering, judging = forms
    models = ("--answering-model", server.name(answering, "m-1"), "--judge", server.name(judging, "m-2"))
    return suite.run("bench", *models, *arguments, **KEYS, **environment)


def lines_of(suite: Suite) -> list[dict[str, Any]]:
    (run_id,) = suite.run_ids
    return list(read_lines(suite.runs / run_id))


def check_every_call(suite: Suite, server: ModelServer, mischief: Mischief, questions: int) -> None:
    report: dict[str, Any] = suite.report()
    (result,) = report["results"]
    lines = lines_of(suite)
    steps = {phase: [s for line in lines for s in line["steps"] if s["phase"] == phase] for phase in FAULTS}

    # every question is judged, or in an error of the right type
    assert len(lines) == questions == result["questions"]["selected"]
    assert result["questions"]["judged"] + result["questions"]["errors"] == questions
    expected = {
        "answer": mischief.of("answer", "400", "length", "withheld"),
        "judge": mischief.of("judge", "400", "withheld") + mischief.of("judge", "never-json") // 2,
    }
    for phase, error in ERRORS.items():
        errors = Counter(step["error"]["type"] for step in steps[phase] if step["error"])
        assert errors == Counter({error: expected[phase]})
    assert result["questions"]["errors"] == sum(expected.values())

    # as many calls as questions that came so far, and counted retries
    for phase, others in (("answer", 0), ("judge", mischief.of("judge", *ASKED_AGAIN, "never-json"))):
        retried = mischief.of(phase, *RETRIED)
        others -= mischief.of("judge", "never-json") // 2 if phase == "judge" else 0
        asked = [asked for asked in server.requests if bool(asked.schema) == (phase == "judge")]
        attempts = [step["attempts"] for step in steps[phase] if not _unasked(step)]
        assert sum(attempts) == len(attempts) + retried
        assert len(asked) == sum(attempts) + others
    assert result["calls"]["retries"] == sum(mischief.of(phase, *RETRIED) for phase in FAULTS)

    # what was waited is beside the times, and not in them
    for phase in FAULTS:
        assert result["latency_ms"][phase]["max"] < WAIT_SECONDS * 1000
        longest = max(step["waited_ms"] for step in steps[phase])
        assert longest >= WAIT_SECONDS * 1000


def _unasked(step: dict[str, Any]) -> bool:
    """An empty answer is wrong without a judge being asked."""
    return bool(step["usage"]) and step["usage"]["calls"] == 0


@pytest.mark.parametrize("forms", [("openai", "anthropic"), ("google", "openai"), ("anthropic", "google")])
def test_whatever_the_server_does_each_question_ends(suite: Suite, server: ModelServer, forms: tuple[str, str]) -> None:
    server.fault = mischief = Mischief(every=3)
    ended = run(suite, server, forms, "-k", "synthetic", "--synthetic-sessions=20", "--synthetic-questions=60")
    assert "Traceback" not in ended.output
    assert set(mischief.given) >= {(phase, fault) for phase, faults in FAULTS.items() for fault in faults}
    check_every_call(suite, server, mischief, 60)


def test_killed_between_answer_and_judge_no_call_is_paid_twice(suite: Suite, server: ModelServer) -> None:
    """The run dies as a verdict is asked for and not yet given: the answer was paid for, that verdict was not.

    All that was given is in the checkpoint by then: what came a moment ago may still be on its way there.
    """
    models = ("--answering-model", server.name("openai", "m-1"), "--judge", server.name("anthropic", "m-2"))
    small = ("-k", "synthetic", "--synthetic-sessions=20", "--synthetic-questions=20", "--in-flight=1")
    running: list[Running] = []
    judged: list[str] = []

    def fault(asked: Asked) -> str | None:
        if asked.schema:
            judged.append(asked.text)
            if len(judged) in (4, 11):
                given = {"answer": len(server.requests) - len(judged), "judge": len(set(judged)) - 1}
                wait(lambda: _kept(suite) == given)
                kill_group(running[-1], signal.SIGKILL)
                return "cut"
        return None

    server.fault = fault
    running.append(suite.start("bench", *models, *small, **KEYS))
    suite.end(running[-1])
    running.append(suite.start("--lf", **KEYS))
    suite.end(running[-1])
    ended = suite.run("--lf", **KEYS)
    assert [process.returncode for process in running] == [-signal.SIGKILL, -signal.SIGKILL]
    (result,) = suite.report()["results"]
    assert result["questions"]["judged"] == 20, ended.output
    answers = Counter(asked.text for asked in server.requests if not asked.schema)
    assert set(answers.values()) == {1}
    assert len(answers) == 20
    verdicts = Counter(judged)
    assert len(verdicts) == 20
    assert {text for text, times in verdicts.items() if times > 1} == {judged[3], judged[10]}
    assert verdicts.total() == 22


def _kept(suite: Suite) -> dict[str, int]:
    """How many answers and verdicts are in the checkpoint."""
    (run_id,) = suite.run_ids
    with closing(sqlite3.connect(suite.runs / run_id / "checkpoint.sqlite")) as connection:
        counts = dict(connection.execute("SELECT phase, count(*) FROM steps WHERE state = 'done' GROUP BY phase"))
    return {phase: counts.get(phase, 0) for phase in ("answer", "judge")}


def test_judged_again_by_other_rules_the_report_names_those(suite: Suite, server: ModelServer) -> None:
    models = ("--answering-model", server.name("openai", "m-1"), "--judge", server.name("openai", "m-2"))
    asked = ("bench", *models, "-k", "synthetic", "--synthetic-sessions=10", "--synthetic-questions=5", "--run-id=run")
    suite.run(*asked, **KEYS)
    before: dict[str, Any] = suite.report("run")
    answered = sum(not asked.schema for asked in server.requests)
    suite.run(*asked, "--retry-from=judge", "--judge-protocol=locomo-lenient", **KEYS)
    after: dict[str, Any] = suite.report("run")
    assert [report["results"][0]["judge"]["protocol"] for report in (before, after)] == [
        "locomo-strict/1",
        "locomo-lenient/1",
    ]
    assert sum(not asked.schema for asked in server.requests) == answered == 5, "answers are not asked for again"
    assert sum(bool(asked.schema) for asked in server.requests) == 10


@pytest.mark.skipif(LOCOMO is None, reason="needs locomo10.json in the folder that MEMORYBENCH_DATA names")
def test_a_run_of_two_conversations_of_locomo_ends(suite: Suite, server: ModelServer) -> None:
    server.fault = mischief = Mischief(every=10)
    chosen = ("-k", "locomo and (conv-26 or conv-30)", "--in-flight=64")
    ended = run(suite, server, ("openai", "anthropic"), *chosen, MEMORYBENCH_DATA=str(DATA))
    assert "Traceback" not in ended.output
    check_every_call(suite, server, mischief, 199 + 105)


def test_no_key_is_written_or_printed_whatever_goes_wrong(suite: Suite, server: ModelServer) -> None:
    quoting = cycle(["400", "401", "not-json", "broken-json", "500", None, "cut", "withheld", None, None])
    lock = threading.Lock()

    def fault(_asked: Asked) -> str | None:
        with lock:
            return next(quoting)

    server.fault, server.quotes_key = fault, True
    server.reply = lambda asked: "{}" if asked.schema else "A short answer."
    shown = ("-rA", "-vv", "--tb=long", "--showlocals", "--log-level=DEBUG", "-o", "log_cli=true", "--show-wrong=50")
    junit = suite.folder / "junit.xml"
    for number, provider in enumerate(("tests.subjects.faulty_provider:Faulty", "bm25")):
        ended = run(
            suite,
            server,
            ("openai", "anthropic"),
            *("-k", "synthetic", "--synthetic-sessions=20", "--synthetic-questions=30", "--isolation=question"),
            *("--provider", provider, f"--junitxml={junit}-{number}", "--max-errors=0", *shown),
            OPENAI_LOG="debug",
            ANTHROPIC_LOG="debug",
        )
        assert "error" in ended.counted or "errors" in ended.counted
        assert SECRET not in ended.output
    failed = {step["phase"] for run_id in suite.run_ids for step in _failed_steps(suite, run_id)}
    assert failed == {"ingest", "search", "answer", "judge"}
    assert {asked.key for asked in server.requests} == {KEYS["OPENAI_API_KEY"], KEYS["ANTHROPIC_API_KEY"]}
    written = [path for path in suite.folder.rglob("*") if path.is_file()]
    assert {"report.json", "results.jsonl", "checkpoint.sqlite", "junit.xml-0"} <= {path.name for path in written}
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []


def _failed_steps(suite: Suite, run_id: str) -> list[dict[str, Any]]:
    lines = (suite.runs / run_id / "results.jsonl").read_text().splitlines()
    return [step for line in lines for step in json.loads(line)["steps"] if step["error"]]


def test_a_missing_key_is_found_before_anything_runs(suite: Suite) -> None:
    ended = suite.run("bench", "-k", "synthetic", "--judge=gpt-4o", OPENAI_API_KEY="")
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "OPENAI_API_KEY" in ended.output
    assert suite.run_ids == []
