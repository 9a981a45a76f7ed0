"""What an interrupted run leaves on the terminal, how to go on, and what is shown of a run that was continued."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.bench.plugin.suite import SMALL, WATCHED, Ended, Suite, kill_group
from tests.processes import run as run_process
from tests.repository import ROOT

SYNTHETIC = ("bench/benchmarks/test_synthetic.py", *SMALL)
SLOW = (*SYNTHETIC, "--provider=tests.subjects.watched:Slow", *WATCHED[1:], "--in-flight=1")
ALONE_AND_DIVIDED = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])


def interrupt(suite: Suite, *arguments: str) -> Ended:
    process = suite.start(*SLOW, *arguments)
    suite.wait_for("judge", 3, process)
    kill_group(process, signal.SIGINT)
    return suite.end(process)


@ALONE_AND_DIVIDED
def test_ctrl_c_leaves_a_table_a_report_and_the_way_to_go_on(suite: Suite, workers: tuple[str, ...]) -> None:
    ended = interrupt(suite, "-ptests.subjects.warns_at_the_end", "-Werror", *workers)
    assert ended.status == pytest.ExitCode.INTERRUPTED, ended.output
    assert "Traceback" not in ended.output
    assert "INTERNALERROR" not in ended.output
    assert "tests.subjects.watched:Slow  synthetic" in ended.output
    how = r"^not finished: (\d+) questions are left; continue with: pytest --lf$"
    left = re.search(how, ended.output, re.MULTILINE)
    assert left
    (result,) = suite.report()["results"]
    assert int(left[1]) == result["questions"]["outcomes"]["unjudged"] > 0


@ALONE_AND_DIVIDED
def test_what_lf_shows_is_of_the_whole_run(suite: Suite, workers: tuple[str, ...]) -> None:
    first = interrupt(suite)
    resumed = suite.run("--lf", "-v", *workers)
    (result,) = suite.report()["results"]
    outcomes = result["questions"]["outcomes"]
    whole = {word: number for word, number in outcomes.items() if number}
    assert sum(whole.values()) == 20
    assert resumed.counted_in_whole_run == whole
    assert sum(resumed.counted[word] for word in whole if word in resumed.counted) < 20
    listed = re.findall(r"^(syn-q\d+) ", resumed.output, re.MULTILINE)
    assert len(listed) == whole["wrong"] + whole["abstained"]
    assert set(re.findall(r"^(syn-q\d+) ", first.output, re.MULTILINE)) <= set(listed)
    assert "whole run" not in first.last_line


def test_the_last_line_of_a_continued_run_fits_80_columns(suite: Suite) -> None:
    suite.run(*SYNTHETIC, *WATCHED[1:], "--provider=tests.subjects.watched:Broken", "-x", "--in-flight=1")
    (result,) = suite.report()["results"]  # with what was judged after the test that stopped the run
    done = sum(result["questions"]["outcomes"][word] for word in ("correct", "wrong", "abstained"))
    resumed = suite.run("--lf", COLUMNS="80")
    assert re.fullmatch(rf"all: \d+ correct, \d+ wrong, .*, now: {20 - done} in \d+\.\d+s", resumed.last_line)
    long = [line for line in resumed.output.splitlines() if len(line) > 80 and str(suite.folder) not in line]
    assert long == []


@ALONE_AND_DIVIDED
def test_the_status_of_a_continued_run_is_that_of_all_its_answers(suite: Suite, workers: tuple[str, ...]) -> None:
    broken = (*SYNTHETIC, "--provider=tests.subjects.watched:Broken", *WATCHED[1:])
    first = suite.run(*broken, "-k", "syn-q0002 or syn-q0005")
    assert first.counted["error"] == first.counted["wrong"] == 1
    (suite.folder / "mended").touch()
    resumed = suite.run("--lf", *workers)
    assert resumed.counted["correct"] == 1
    assert resumed.counted_in_whole_run == {"correct": 1, "wrong": 1}
    assert resumed.status == pytest.ExitCode.TESTS_FAILED, "one answer was wrong before"


def test_without_a_cache_the_way_to_go_on_is_the_run_id(suite: Suite) -> None:
    ended = suite.run(*SYNTHETIC, *WATCHED, "-x", "-pno:cacheprovider")
    (run_id,) = suite.run_ids
    assert f"continue with the same command and --run-id {run_id}" in ended.output


def test_the_command_that_shows_failures_names_an_unusual_folder(suite: Suite) -> None:
    usual = suite.run(*SYNTHETIC, *WATCHED, "--run-id=usual")
    assert "  python -m reports show-failures usual\n" in usual.output
    elsewhere = suite.folder / "else where"
    other = suite.run(*SYNTHETIC, *WATCHED, "--run-id=other", f"--runs-dir={elsewhere}")
    assert f"  python -m reports show-failures other --runs-dir '{elsewhere}'\n" in other.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(("--top-k=0",), "--top-k '0'"), (("--top-k=7",), "search.top_k was 50, is 7"), (("--judge=no",), "judge 'no'")],
    ids=["value", "inputs", "name"],
)
def test_lf_names_the_run_before_what_is_wrong(suite: Suite, arguments: tuple[str, ...], reason: str) -> None:
    suite.run(*SYNTHETIC, *WATCHED, "-x", "--run-id=mine")
    ended = suite.run("--lf", "-q", *arguments)
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert 0 <= ended.output.index("resuming run mine: ") < ended.output.index(reason)


def test_lf_without_an_earlier_run_says_so(suite: Suite) -> None:
    ended = suite.run(*SYNTHETIC, *WATCHED, "--lf", "--limit=1")
    assert "--lf: no earlier run is remembered here, and a new one begins" in ended.output
    assert sum(ended.counted.values()) == 1


@pytest.mark.parametrize(
    ("paid", "named"),
    [
        (("--answering-model=gpt-5.4-mini",), "answering model gpt-5.4-mini"),
        (("--judge=gpt-5.4-mini",), "judge gpt-5.4-mini"),
        (("--provider=mem0",), "provider mem0"),
    ],
    ids=["answering model", "judge", "provider"],
)
def test_lf_without_an_earlier_run_begins_nothing_that_costs(suite: Suite, paid: tuple[str, ...], named: str) -> None:
    keys = {"OPENAI_API_KEY": "unused", "MEM0_API_KEY": "unused"}
    ended = suite.run(*SYNTHETIC, *paid, "--lf", **keys)
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    line = ended.about("ERROR: --lf: no earlier run is remembered here, and a new one may cost money")
    assert named in line
    assert "--run-id" in line
    assert not suite.runs.exists()


def commit(folder: Path, message: str) -> str:
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", message)):
        run_process(["git", "-C", str(folder), *command], check=True)
    found = run_process(["git", "-C", str(folder), "rev-parse", "HEAD"], check=True)
    return found.stdout[:12]


def test_other_code_of_a_provider_when_a_run_is_continued_is_warned_of(suite: Suite) -> None:
    folder = suite.folder / "elsewhere"
    folder.mkdir()
    module = folder / "my_memory.py"
    module.write_text("from tests.subjects.watched import Watched\n\n\nclass Mine(Watched):\n    name = 'mine'\n")
    paths = {"PYTHONPATH": f"{ROOT}:{folder}", "PYTHONDONTWRITEBYTECODE": "1"}
    before = commit(folder, "first")
    suite.run(*SYNTHETIC, *WATCHED[1:], "--provider=my_memory:Mine", "-x", **paths)
    module.write_text(module.read_text() + "    version = '1'\n")
    after = commit(folder, "second")
    resumed = suite.run("--lf", **paths)
    warning = (
        f"the code of provider my_memory:Mine changed during the run: begun at commit {before}, continued at commit "
        f"{after}"
    )
    assert f"warning: {warning}" in resumed.output
    (result,) = suite.report()["results"]
    assert warning in result["warnings"]
    assert "the code of the suite" not in resumed.output
