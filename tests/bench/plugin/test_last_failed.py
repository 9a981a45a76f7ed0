"""``pytest --lf``: finishes what was cut short, however it was cut; looks again at what was wrong in a finished run."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.bench.plugin.suite import SMALL, WATCHED, Ended, Suite, comparable, kill_group, wait
from tests.repository import ROOT

SLOW = (
    "bench",
    "--synthetic-sessions=20",
    "--synthetic-questions=40",
    "--provider=tests.subjects.watched:Slow",
    *WATCHED[1:],
)
CHOSEN = ("-k", "synthetic and not abstention", "--top-k=20", "--in-flight=4")
ASKED = 32
"""How many of the 40 questions are chosen."""
ALONE_AND_DIVIDED = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The report of the same run when nothing disturbs it."""
    suite = Suite(tmp_path_factory.mktemp("undisturbed"))
    ended = suite.run(*SLOW, *CHOSEN)
    assert ended.counted["deselected"] >= 8
    return comparable(suite.report())


def cut_short(suite: Suite, how: signal.Signals, *workers: str, after: int | None = None) -> Ended:
    """Begin a run and put an end to it once some questions are judged."""
    process = suite.start(*SLOW, *CHOSEN, *workers)
    suite.wait_for("judge", after if after is not None else random.randint(1, 12), process)
    kill_group(process, how)
    return suite.end(process)


def check_resumed(suite: Suite, undisturbed: object, *workers: str) -> None:
    """``--lf`` finishes the only run, asks what has no verdict and nothing else, and reports as if nothing had been."""
    before, calls = verdicts(suite), suite.calls("judge")
    assert before <= set(calls)
    resumed = suite.run("--lf", *workers)
    assert f"{len(before)} of {ASKED} questions are done" in resumed.output
    asked_again = suite.calls("judge") - calls
    assert not asked_again.keys() & before
    assert len(asked_again) == ASKED - len(before) == message(resumed)
    assert comparable(suite.report()) == undisturbed


def message(ended: Ended) -> int:
    """How many questions were told of."""
    return sum(ended.counted.get(word, 0) for word in ("correct", "wrong", "abstained"))


def verdicts(suite: Suite) -> set[str]:
    """The opaque ids of the questions that have a verdict in the only run."""
    (run_id,) = suite.run_ids
    connection = sqlite3.connect(suite.runs / run_id / "checkpoint.sqlite")
    try:
        rows = connection.execute(
            "select record from questions join steps using (run_id, provider, benchmark, question) "
            "where phase = 'judge' and state = 'done'"
        ).fetchall()
    finally:
        connection.close()
    return {json.loads(record)["question"]["id"] for (record,) in rows}


@ALONE_AND_DIVIDED
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_a_run_that_was_stopped_is_finished(
    suite: Suite, undisturbed: object, how: signal.Signals, workers: tuple[str, ...]
) -> None:
    ended = cut_short(suite, how, *workers)
    if how is signal.SIGINT:
        assert ended.status == pytest.ExitCode.INTERRUPTED
        assert "the run is not finished" in ended.output
        assert "Traceback" not in ended.output
    check_resumed(suite, undisturbed, *workers)


def test_ctrl_c_at_the_main_process_alone_stops_the_workers_too(suite: Suite, undisturbed: object) -> None:
    process = suite.start(*SLOW, *CHOSEN, "-n2", SLOW="0.5")
    suite.wait_for("judge", 1, process)
    process.send_signal(signal.SIGINT)
    ended = suite.end(process)
    assert ended.status == pytest.ExitCode.INTERRUPTED
    assert suite.calls("search").total() < ASKED, "they do not go on with what they were given"
    check_resumed(suite, undisturbed)


@ALONE_AND_DIVIDED
def test_a_run_that_stopped_at_the_first_wrong_answer_is_finished(
    suite: Suite, undisturbed: object, workers: tuple[str, ...]
) -> None:
    ended = suite.run(*SLOW, *CHOSEN, "-x", *workers, SLOW="0.3")
    assert 1 <= ended.counted.get("wrong", 0) + ended.counted.get("abstained", 0) <= 1 + 3 * len(workers)
    assert suite.calls("search").total() < ASKED
    check_resumed(suite, undisturbed, *workers)


def test_it_can_be_killed_again_and_again(suite: Suite, undisturbed: object) -> None:
    cut_short(suite, signal.SIGKILL, "-n2", after=5)
    for judged in (15, 25):
        process = suite.start("--lf", "-n2")
        suite.wait_for("judge", judged, process)
        kill_group(process, signal.SIGKILL)
        suite.end(process)
    check_resumed(suite, undisturbed, "-n2")
    assert max(suite.calls("ingest").values()) <= 1 + suite.calls("clear").total(), "twice only after clearing"


@pytest.mark.parametrize(
    ("workers", "moment"), [((), "cache/d/memorybench/run.json"), (("-n2",), "runs/*")], ids=["alone", "n2"]
)
def test_a_run_killed_before_its_first_question_begins_anew(
    suite: Suite, undisturbed: object, workers: tuple[str, ...], moment: str
) -> None:
    suite.run("bench", *SMALL, *WATCHED, "--limit=1")  # a former run, which is not to be mistaken for this one
    begun = time.time_ns()
    process = suite.start(*SLOW, *CHOSEN, "--run-id=mine", *workers)
    wait(lambda: any(path.stat().st_mtime_ns > begun for path in suite.folder.glob(moment)))
    kill_group(process, signal.SIGKILL)
    suite.end(process)
    resumed = suite.run("--lf", *workers)
    assert "run mine" in resumed.output
    assert comparable(suite.report("mine")) == undisturbed


def test_a_run_that_is_refused_leaves_the_one_before_in_mind(suite: Suite) -> None:
    unfinished(suite)
    (run_id,) = suite.run_ids
    file = suite.folder / "file"
    file.touch()
    for workers in ((), ("-n2",)):
        refused = suite.run("bench", *SMALL, *WATCHED, f"--runs-dir={file}", *workers)
        assert refused.status == pytest.ExitCode.USAGE_ERROR
    assert suite.run("bench", *SMALL, "-k", "nothing_like_it").status == pytest.ExitCode.NO_TESTS_COLLECTED
    assert f"resuming run {run_id}" in suite.run("--lf").output


def test_a_run_killed_before_its_report_is_reported(suite: Suite, undisturbed: object) -> None:
    suite.run(*SLOW, *CHOSEN, "-n2", SLOW="0")
    (run_id,) = suite.run_ids
    (suite.runs / run_id / "report.json").unlink()
    for workers in ((), ("-n2",)):
        resumed = suite.run("--lf", *workers)
        assert "its report is to be written" in resumed.output
        assert resumed.status == pytest.ExitCode.TESTS_FAILED, "some answers are wrong"
        assert comparable(suite.report()) == undisturbed
        assert suite.calls("judge").total() == ASKED
        (suite.runs / run_id / "report.json").unlink()


@pytest.mark.quick
@ALONE_AND_DIVIDED
def test_errors_are_asked_again(suite: Suite, workers: tuple[str, ...]) -> None:
    broken = (
        "bench",
        "-k",
        "synthetic",
        *SMALL,
        *WATCHED[1:],
        "--provider=tests.subjects.watched:Broken",
        "--fail-under=accuracy=0.1",
    )
    first = suite.run(*broken, *workers)
    assert first.counted["errors"] == 3
    assert first.status == pytest.ExitCode.TESTS_FAILED
    assert "gate missed: 3 errors > 0 allowed" in first.output
    searched = suite.calls("search")
    (suite.folder / "mended").touch()
    resumed = suite.run("--lf", *workers)
    assert "17 of 20 questions are done, 3 to do, 3 of them after an error" in resumed.output
    assert (suite.calls("search") - searched).total() == 3
    assert resumed.status == pytest.ExitCode.OK, "the gate is remembered, and now met"
    (result,) = suite.report()["results"]
    assert result["questions"]["errors"] == 0
    assert result["questions"]["judged"] == 20


@ALONE_AND_DIVIDED
def test_a_finished_run_gets_a_second_look(suite: Suite, workers: tuple[str, ...]) -> None:
    first = suite.run("bench", "-k", "synthetic", *SMALL, *WATCHED, "--fail-under=accuracy=0.01", *workers)
    assert first.status == pytest.ExitCode.OK
    (run_id,) = suite.run_ids
    untouched = snapshot(suite.runs / run_id)
    wrong = first.counted["wrong"] + first.counted["abstained"]
    second = suite.run("--lf", *workers)
    assert f"second look at run {run_id}" in second.output
    assert f"asked again {wrong}, now correct 0" in second.output
    assert "gate" not in second.output.replace("satisfy no gate", "").replace("no gate", "")
    assert second.status == pytest.ExitCode.TESTS_FAILED
    assert snapshot(suite.runs / run_id) == untouched
    assert suite.calls("judge").total() == 20 + wrong
    assert len(suite.run_ids) == 2


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_look_satisfies_no_gate_and_can_be_resumed(suite: Suite) -> None:
    first = suite.run("bench", *SMALL, *WATCHED[1:], "--provider=tests.subjects.watched:Slow")
    wrong = first.counted["wrong"] + first.counted["abstained"]
    process = suite.start("--lf", "--in-flight=1", "--fail-under=accuracy=0.0")
    suite.wait_for("judge", 20 + 4, process)
    kill_group(process, signal.SIGKILL)
    suite.end(process)
    resumed = suite.run("--lf")
    assert "resuming run" in resumed.output
    assert f"asked again {wrong}, now correct 0" in resumed.output
    assert resumed.status == pytest.ExitCode.TESTS_FAILED
    look = suite.run("--lf", "--fail-under=accuracy=0.0")
    assert "gate refused: a second look" in look.output
    assert look.status == pytest.ExitCode.TESTS_FAILED


@ALONE_AND_DIVIDED
def test_an_unfinished_run_satisfies_no_gate(suite: Suite, workers: tuple[str, ...]) -> None:
    ended = suite.run(*SLOW, *CHOSEN, "-x", "--fail-under=accuracy=0.0", *workers)
    assert "gate refused: the run is not finished" in ended.output
    assert ended.status != pytest.ExitCode.OK


def unfinished(suite: Suite) -> None:
    """Leave a run of 20 questions behind that stopped at its first wrong answer."""
    suite.run("bench", *SMALL, "--provider=tests.subjects.watched:Slow", *WATCHED[1:], "-x", "--in-flight=1")
    assert suite.calls("search").total() < 20


def test_without_a_former_run_it_is_pytests_own(suite: Suite) -> None:
    ended = suite.run("--lf", *SMALL, *WATCHED, "-k", "synthetic")
    assert message(ended) == 20
    assert "run-last-failure: no previously failed tests, not deselecting items." in ended.output


def test_other_tests_keep_pytests_own(suite: Suite, tmp_path: Path) -> None:
    unfinished(suite)
    other = tmp_path / "test_other.py"
    other.write_text("def test_good(): pass\ndef test_bad(): raise ValueError('other')\n")
    suite.run(str(other))
    ended = suite.run(str(other), "--lf")
    assert "run-last-failure: rerun previous 1 failure" in ended.output
    assert ended.counted == {"failed": 1, "deselected": 1}
    assert "memorybench" not in ended.output
    assert "resuming run" in suite.run("--lf").output


def test_it_works_from_the_folder_of_the_benchmarks(suite: Suite) -> None:
    unfinished(suite)
    suite.place = ROOT / "bench"
    assert "resuming run" in suite.run("--lf").output
    assert len(suite.calls("judge")) == 20


def test_a_run_that_is_gone_is_told_in_one_line(suite: Suite) -> None:
    suite.run("bench", *SMALL, *WATCHED, "--limit=1")
    (run_id,) = suite.run_ids
    (suite.runs / run_id).rename(suite.folder / "moved")
    ended = suite.run("--lf")
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert ended.about("ERROR").startswith(f"ERROR: --lf: there is no run '{run_id}'")


def test_other_settings_do_not_continue_a_run(suite: Suite) -> None:
    unfinished(suite)
    ended = suite.run("--lf", "--top-k=7")
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "search.top_k was 50, is 7" in ended.about("ERROR")
    ended = suite.run("--lf", "--run-id=other")
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "and not other" in ended.about("ERROR")


def test_a_named_run_is_continued(suite: Suite) -> None:
    named = ("bench", *SMALL, "--provider=tests.subjects.watched:Slow", *WATCHED[1:], "--run-id=mine")
    suite.run(*named, "-x", "--in-flight=1")
    before, calls = verdicts(suite), suite.calls("judge")
    assert 0 < len(before) < 20
    assert message(suite.run(*named)) == 20
    assert len(suite.calls("judge") - calls) == 20 - len(before)
    first, judged = suite.report("mine"), suite.calls("judge").total()
    assert message(suite.run(*named)) == 20
    assert suite.calls("judge").total() == judged
    assert comparable(suite.report("mine")) == comparable(first)


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        (("--top-k=7",), "search.top_k was 50, is 7"),
        (("--top-k=7", "-n2"), "search.top_k was 50, is 7"),
        (("--answering-model=extractive",), "answer.model was"),
        (("--limit=3",), "selection.limit was null, is 3"),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, tuple) else "",
)
def test_a_run_is_not_continued_with_other_settings(suite: Suite, arguments: tuple[str, ...], difference: str) -> None:
    named = ("bench", *SMALL, *WATCHED, "--run-id=mine")
    suite.run(*named)
    refused = suite.run(*named, *arguments)
    assert refused.status == pytest.ExitCode.USAGE_ERROR
    assert "run 'mine' was begun with other inputs" in refused.about("ERROR")
    assert difference in refused.about("ERROR")
    assert "Traceback" not in refused.output


@ALONE_AND_DIVIDED
def test_other_questions_do_not_continue_a_run(suite: Suite, workers: tuple[str, ...]) -> None:
    named = ("bench", *SMALL, *WATCHED, "--run-id=mine")
    suite.run(*named, "-k", "temporal")
    ended = suite.run(*named, *workers)
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "run 'mine' was begun for other questions: 16 of 20 are not among them" in ended.about("ERROR")
    assert suite.calls("judge").total() == 4
    part = suite.run(*named, "-k", "syn-q0002 and temporal", *workers)
    assert message(part) == 1


@ALONE_AND_DIVIDED
def test_a_phase_is_asked_again_for_all(suite: Suite, workers: tuple[str, ...]) -> None:
    named = ("bench", *SMALL, *WATCHED, "--run-id=mine")
    suite.run(*named)
    before = suite.report("mine")
    suite.run(*named, "--retry-from=judge", *workers)
    assert [suite.calls(what).total() for what in ("ingest", "search", "answer", "judge")] == [20, 20, 20, 40]
    (result,) = suite.report("mine")["results"]
    (former,) = before["results"]
    assert result["accuracy"] == former["accuracy"]
    assert result["questions"]["replayed"] == 20


def test_nothing_is_remembered_of_a_collection(suite: Suite) -> None:
    unfinished(suite)
    suite.run("bench", *SMALL, "--collect-only", "-q")
    suite.run("bench", *SMALL, "--plan")
    assert "resuming run" in suite.run("--lf", "--plan").output
