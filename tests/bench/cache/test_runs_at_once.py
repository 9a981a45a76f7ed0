"""One cache and several processes under pytest: at the same time, killed, asked again."""

from __future__ import annotations

import signal
from collections import Counter

from tests.bench.plugin.suite import SMALL, WATCHED, Suite, kill_group

QUESTIONS, SESSIONS = 20, 20
ASKED = ("ingest", "search", "answer", "judge")


def arguments(suite: Suite, *more: str) -> tuple[str, ...]:
    return "bench", *SMALL, *WATCHED, f"--cache={suite.folder / 'cached'}", *more


def asked(suite: Suite) -> dict[str, int]:
    return {what: suite.calls(what).total() for what in ASKED}


def test_two_runs_of_two_workers_each_ingest_once_and_a_third_asks_nothing(suite: Suite) -> None:
    both = [suite.start(*arguments(suite, f"--run-id={name}", "-n2")) for name in ("a", "b")]
    for process in both:
        ended = suite.end(process)
        assert ended.status == 1, ended.output
    assert suite.calls("ingest").total() == SESSIONS
    assert suite.calls("clear").total() == 0
    results = [suite.report(name)["results"][0] for name in "ab"]
    assert sorted(result["calls"]["ingest_sessions"] for result in results) == [0, SESSIONS]
    assert results[0]["accuracy"] == results[1]["accuracy"]
    before = asked(suite)
    third = suite.run(*arguments(suite, "--run-id=c", "-n2", "--show-wrong=1"))
    assert asked(suite) == before
    assert third.about("cached: ") == "cached: 20 of 20 questions (ingest 1, search 20, answer 20, judge 20)"
    assert "search from the step cache, answer from the step cache" in third.output
    assert suite.report("c")["results"][0]["accuracy"] == results[0]["accuracy"]


def test_a_run_that_was_killed_in_its_ingest_leaves_nothing_half_done(suite: Suite) -> None:
    process = suite.start(*arguments(suite, "--run-id=a"), SLOW_INGEST="0.1")
    suite.wait_for("ingest", 5, process)
    kill_group(process, signal.SIGKILL)
    process.wait()
    before = suite.calls("ingest").total()
    assert 5 <= before < SESSIONS
    suite.run(*arguments(suite, "--run-id=b"))
    result = suite.report("b")["results"][0]
    assert suite.calls("clear").total() == 1
    assert suite.calls("ingest").total() == before + SESSIONS
    assert (result["questions"]["errors"], result["calls"]["ingest_sessions"]) == (0, SESSIONS)


def test_what_was_to_be_asked_again_still_is_after_a_kill_and_in_a_second_look(suite: Suite) -> None:
    suite.run(*arguments(suite, "--run-id=a"))
    again = arguments(suite, "--run-id=a", "--retry-from=answer", "--in-flight=1")
    process = suite.start(*again, SLOW_ANSWER="0.2")
    suite.wait_for("answer", QUESTIONS + 3, process)
    kill_group(process, signal.SIGKILL)
    process.wait()
    assert suite.calls("answer").total() < 2 * QUESTIONS
    suite.run("--lf")
    times = Counter(suite.calls("answer").values())
    assert times[1] == 0, "each answer was asked for again"
    assert suite.report("a")["results"][0]["cached"] == {}
    before = asked(suite)
    suite.run("--lf")  # a second look at what was wrong
    wrong = QUESTIONS - suite.report("a")["results"][0]["questions"]["correct"]
    assert wrong
    assert asked(suite)["answer"] == before["answer"] + wrong
    assert asked(suite)["ingest"] == before["ingest"] + SESSIONS


def test_a_cache_that_cannot_be_used_is_one_line_and_exit_status_4(suite: Suite) -> None:
    (suite.folder / "cached").mkdir()
    (suite.folder / "cached" / "cache.sqlite").write_bytes(b"no database at all" * 100)
    for workers in ("-n0", "-n2"):
        ended = suite.run(*arguments(suite, workers))
        assert ended.status == 4, ended.output
        assert (
            "cache.sqlite cannot be opened: file is not a database. Remove the folder or name another" in ended.output
        )
        assert "Traceback" not in ended.output
    assert asked(suite) == dict.fromkeys(ASKED, 0)
