"""A recorded row that cannot be read is an error of its question, in every report; ``--lf`` asks it again."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.bench.plugin.suite import SMALL, WATCHED, Suite
from tests.prepared_python import run_prepared

PARTICIPANTS = (*WATCHED, "--judge-repeats=2")
DAMAGE = [
    ("steps", "search", "result", "[null]"),
    ("steps", "search", "result", '[{"text": "x", "score": NaN, "more": 1}]'),
    ("steps", "search", "result", None),
    ("steps", "answer", "result", '{"hypothesis":'),
    ("steps", "answer", "usage", '{"input_tokens": "many"}'),
    ("steps", "judge", "result", '{"label": "maybe", "explanation": ""}'),
    ("steps", "judge", "result", ""),
    ("votes", None, "result", "[]"),
]


def damage(suite: Suite, run_id: str) -> list[str]:
    """Damage a row of one question each; the ids of these questions."""
    with closing(sqlite3.connect(suite.runs / run_id / "checkpoint.sqlite")) as connection, connection:
        questions = [row[0] for row in connection.execute("select question from questions order by ordinal")]
        for question, (table, phase, column, value) in zip(questions, DAMAGE, strict=False):
            which = "phase = ?" if phase else "? is null"
            changed = connection.execute(
                f"update {table} set {column} = ? where question = ? and {which}", (value, question, phase)
            )
            assert changed.rowcount == (1 if phase else 2)
    return questions[: len(DAMAGE)]


def outcomes(suite: Suite, run_id: str) -> dict[str, int]:
    result: Any = suite.report(run_id)["results"]
    found: dict[str, int] = result[0]["questions"]["outcomes"]
    return found


def reports(suite: Suite, *arguments: str) -> str:
    done = run_prepared("reports", *arguments, "--runs-dir", suite.runs)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_rows_that_cannot_be_read_are_errors_until_they_are_asked_again(suite: Suite) -> None:
    suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run")
    whole = outcomes(suite, "run")
    damaged = damage(suite, "run")

    shown = reports(suite, "show-failures", "run", "--full")
    assert shown.count("RecordError in search: the recorded search results cannot be read") <= 3
    reports(suite, "status", "run")
    reports(suite, "list")

    ended = suite.run("bench", "-k", "syn-q0010", *SMALL, *PARTICIPANTS, "--run-id=run")
    assert "INTERNALERROR" not in ended.output
    assert outcomes(suite, "run")["error"] == len(DAMAGE)
    shown = reports(suite, "show-failures", "run", "--errors-only")
    assert all(question in shown for question in damaged)
    assert shown.count("RecordError in ") == len(DAMAGE)

    calls = suite.calls("search")
    ended = suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run")
    assert "INTERNALERROR" not in ended.output
    assert outcomes(suite, "run") == whole
    assert (suite.calls("search") - calls).total() == 3


def test_lf_asks_what_cannot_be_read_again(suite: Suite) -> None:
    suite.run("bench", *SMALL, *PARTICIPANTS)
    (run_id,) = suite.run_ids
    whole = outcomes(suite, run_id)
    damage(suite, run_id)
    ended = suite.run("--lf", "-n2")
    assert f"{20 - len(DAMAGE)} of 20 questions are done, {len(DAMAGE)} to do" in ended.output
    assert sum(ended.counted.get(word, 0) for word in whole) == len(DAMAGE)
    assert outcomes(suite, run_id) == whole


DAMAGED_RUNS = {
    "newer": ("update runs set schema_version = 99", "was written by another version of the suite"),
    "run": ("update runs set record = '{'", "is damaged: its record of the run"),
    "parts": ("update runs set parts = '['", "is damaged: its record of the run"),
    "benchmarks": ("update runs set benchmarks = '[{}]'", "is damaged: its record of the run"),
    "column": ("alter table steps drop column usage", "cannot be read: no such column"),
    "encoding": ("update steps set result = cast(x'ff8041' as text)", "cannot be read: Could not decode"),
}


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_damaged_or_newer_checkpoint_is_one_line(suite: Suite, workers: str) -> None:
    suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run")
    for statement, message in DAMAGED_RUNS.values() if workers == "-n0" else [DAMAGED_RUNS["column"]]:
        file = suite.runs / "run" / "checkpoint.sqlite"
        whole = file.read_bytes()
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(statement)
        ended = suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run", workers)
        assert ended.status == pytest.ExitCode.USAGE_ERROR, ended.output
        assert message in ended.about("ERROR: ")
        assert "Traceback" not in ended.output
        assert "INTERNALERROR" not in ended.output
        file.write_bytes(whole)


def test_numbers_that_are_none_are_errors_of_their_questions(suite: Suite) -> None:
    suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run")
    with closing(sqlite3.connect(suite.runs / "run" / "checkpoint.sqlite")) as connection, connection:
        connection.execute("update steps set service_ms = 'many' where phase = 'answer'")
    suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run")
    assert outcomes(suite, "run")["error"] == 20


def test_files_of_a_run_are_their_owners_alone(suite: Suite) -> None:
    suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run", "-n2")
    suite.run("bench", *SMALL, "--provider=bm25", *PARTICIPANTS[1:], "--run-id=other")
    for run_id in ("run", "other"):
        paths = [path for path in (suite.runs / run_id).rglob("*") if "subjects" not in path.as_posix()]
        assert {path.name for path in paths} >= {"report.json", "results.jsonl", "checkpoint.sqlite"}
        assert [path for path in paths if path.stat().st_mode & 0o077] == []


def test_drafts_of_a_killed_process_are_removed(suite: Suite) -> None:
    suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run")
    alive, dead = (suite.runs / "run" / f".results.jsonl.{process}.tmp" for process in (os.getpid(), 2**22 + 1))
    alive.touch()
    dead.touch()
    suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run")
    assert (alive.exists(), dead.exists()) == (True, False)


def test_a_question_that_cannot_be_read_is_said_in_a_line(suite: Suite) -> None:
    suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run")
    with closing(sqlite3.connect(suite.runs / "run" / "checkpoint.sqlite")) as connection, connection:
        connection.execute("update questions set record = '{' where ordinal = 3")
    ended = suite.run("bench", *SMALL, *PARTICIPANTS, "--run-id=run")
    assert "its record of the question" in ended.output
    assert "INTERNALERROR" not in ended.output
    assert ended.status == 4
