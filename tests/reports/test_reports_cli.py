"""``python -m reports`` on runs that were really made, stopped and killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from bench.config import build_benchmark_config
from bench.pipeline import RunSession
from bench.run import BenchmarkResult, run_benchmark
from reports.__main__ import main
from reports.report.model import report_schema
from reports.show.listing import overview
from reports.store import open_run
from tests.prepared_python import run_prepared
from tests.processes import DEVNULL, PIPE, Finished, Process
from tests.repository import ROOT

SMALL = {"synthetic_sessions": 10, "synthetic_questions": 10}
SLOW = '''
import time

from providers.base import Limits, Provider
from vocabulary import ProviderError


class Slow(Provider):
    """Takes its time over a search, and fails on one."""

    name = "slow"
    limits = Limits(concurrency=1)
    searched = 0

    def ingest(self, container, session):
        pass

    def search(self, container, question, top_k):
        Slow.searched += 1
        time.sleep(0.05)
        if Slow.searched == 2:
            raise ProviderError("the second\\nsearch is broken")
        if Slow.searched > 5:
            time.sleep(60)
        return []

    def clear(self, container):
        pass
'''


def cli(*arguments: str) -> Finished:
    """The command in a process of its own, outside the repository's warnings and locks."""
    return run_prepared("reports", *arguments)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def finished(runs: Path) -> BenchmarkResult:
    options = build_benchmark_config(runs_dir=runs, run_id="finished", provider=("bm25", "none"), **SMALL)
    return run_benchmark(options, "synthetic")


def message(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines that the command prints; it must end well."""
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out.splitlines()


@pytest.mark.usefixtures("finished")
def test_list_has_a_line_for_each_run(
    runs: Path, finished: BenchmarkResult, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = message(capsys, "list", "--runs-dir", str(runs))
    (line,) = [line for line in lines if line.startswith("finished ")]
    right, none = (finished.metrics[f"{name}/synthetic/accuracy"] for name in ("bm25", "none"))
    assert lines[0].split()[0] == "RUN"
    assert f"{finished.report.run.started:%Y-%m-%d %H:%M:%S}" in line
    assert line.split("  ")[-1].strip() == f"{right:.3f} / {none:.3f}"
    assert " finished  bm25, none  synthetic   20/20 " in line


def test_status_of_a_finished_run(runs: Path, finished: BenchmarkResult, capsys: pytest.CaptureFixture[str]) -> None:
    lines = message(capsys, "status", "finished", "--runs-dir", str(runs))
    correct = [str(result.questions.correct) for result in finished.report.results]
    assert lines[0] == "run finished: finished"
    assert [line.split() for line in lines if line.startswith(("bm25", "none"))] == [
        ["bm25", "synthetic", "1/1", "10", "10", "10", "10", correct[0], "0"],
        ["none", "synthetic", "1/1", "10", "10", "10", "10", correct[1], "0"],
    ]
    (work,) = [line for line in lines if "run_benchmark('synthetic', config)" in line]
    assert "killed" not in work
    assert not [line for line in lines if line.startswith(("errors", "to finish"))]


def test_failures_are_told_in_their_order(
    runs: Path, finished: BenchmarkResult, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [json.loads(line) for line in finished.jsonl.read_text(encoding="utf-8").splitlines()]
    failed = [(line["question_id"], line["provider"], line["question_type"]) for line in results if not right(line)]
    assert {provider for _name, provider, _type in failed} == {"bm25", "none"}

    def shown(*options: str) -> list[tuple[str, str, str]]:
        lines = message(capsys, "show-failures", "finished", "--runs-dir", str(runs), *options)
        heads = [line.split() for line in lines if line.endswith(" on synthetic)")]
        return [(head[0], head[3].strip("("), head[1]) for head in heads]

    assert shown() == failed
    assert shown("--limit", "3") == failed[:3]
    assert shown("--provider", "none") == [one for one in failed if one[1] == "none"]
    assert shown("--type", "temporal") == [one for one in failed if one[2] == "temporal"] != []
    assert shown("--errors-only") == []
    answered = next(line["question_id"] for line in results if right(line) and line["provider"] == "none")
    assert [name for name, _provider, _type in shown("--question", answered)] == [answered, answered]


def right(line: dict[str, object]) -> bool:
    return line["outcome"] == "correct"


@pytest.mark.usefixtures("finished")
def test_the_whole_story_has_all_results(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("show-failures", "last", "--runs-dir", str(runs), "--question", "syn-q0000", "--provider", "bm25")
    short, full = message(capsys, *asked), message(capsys, *asked, "--full")
    assert len(short) <= 15 < len(full)
    assert any(line.strip().startswith("and ") for line in short)
    assert not any(line.strip().startswith("and ") for line in full)


@pytest.mark.usefixtures("finished")
def test_last_is_the_run_that_was_begun_last(tmp_path: Path, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(runs / "finished", tmp_path / "finished")
    later = build_benchmark_config(runs_dir=tmp_path, run_id="a-later-one", until="search", **SMALL)
    run_benchmark(later, "synthetic")
    os.utime(tmp_path / "finished" / "checkpoint.sqlite")
    lines = message(capsys, "status", "last", "--runs-dir", str(tmp_path))
    assert lines[0] == "run a-later-one: finished"
    assert next(line.split() for line in lines if line.startswith("bm25")) == [
        "bm25",
        "synthetic",
        "1/1",
        "10",
        "10",
        "-",
        "0",
    ]
    assert message(capsys, "show-failures", "last", "--runs-dir", str(tmp_path)) == [
        "run a-later-one: nothing of what was asked for was answered wrongly or ended in an error"
    ]


@pytest.mark.long
def test_a_run_is_followed_while_it_goes_on_and_after_it_was_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "slow_memory.py").write_text(SLOW, encoding="utf-8")
    folder = ("--runs-dir", str(tmp_path / "runs"))
    sizes = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    command = [sys.executable, "-m", "pytest", "bench", "-k", "synthetic", "-p", "no:cacheprovider", *sizes, *folder]
    command += ["--provider=slow_memory:Slow", "--run-id=slow", "--in-flight=1"]
    with Process(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=DEVNULL,
        stderr=DEVNULL,
    ) as process:
        try:
            under_way = wait_for(capsys, "slow_memory:Slow  synthetic  1/1         10        4 ", *folder)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert "run slow: running" in under_way
    assert "still running: pytest bench" in under_way
    after = message(capsys, "status", "slow", *folder)
    detail = "\n".join(after)
    assert "run slow: killed" in detail
    assert "to killed: pytest bench -k synthetic" in detail
    assert "1 ProviderError in search, such as syn-q0001: the second search is broken" in detail
    assert "--run-id slow" in after[-1]
    listed = message(capsys, "list", *folder)[1]
    assert " killed " in listed
    assert " so far" in listed
    errors = message(capsys, "show-failures", "slow", *folder, "--errors-only")
    assert errors[0].split()[:3] == ["syn-q0001", "multi-hop", "error"]
    assert "ProviderError in search: the second search is broken" in "\n".join(errors)


def test_who_only_reads_a_run_is_not_at_work_on_it(tmp_path: Path) -> None:
    options = build_benchmark_config(runs_dir=tmp_path, run_id="stopped", **SMALL)
    session = RunSession(options, "as from a program")
    session.open().close()
    with closing(open_run(tmp_path, "stopped")):
        assert cli("status", "stopped", "--runs-dir", str(tmp_path)).stdout.startswith("run stopped: killed\n")
    with closing(session.open()):
        assert overview(tmp_path, "stopped").state == "running", "also for the process that is at work"
        assert cli("status", "stopped", "--runs-dir", str(tmp_path)).stdout.startswith("run stopped: running\n")
    assert overview(tmp_path, "stopped").state == "killed"


def wait_for(capsys: pytest.CaptureFixture[str], text: str, *folder: str) -> str:
    """What `status` says of the run once it says `text`."""
    for _attempt in range(300):
        main(["status", "slow", *folder])
        printed = capsys.readouterr()
        if text in printed.out:
            return printed.out
        time.sleep(0.1)
    return pytest.fail(f"never seen: {text!r}; last: {printed.out}{printed.err}")


@pytest.mark.long
@pytest.mark.parametrize("arguments", [["schema"], ["show-failures", "finished"]])
@pytest.mark.usefixtures("finished")
def test_a_reader_that_has_read_enough_is_no_fault(runs: Path, arguments: list[str]) -> None:
    where = [] if arguments == ["schema"] else ["--runs-dir", str(runs)]
    command = [sys.executable, "-u", "-m", "reports", *arguments, *where]
    with Process(command, cwd=ROOT, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # before it has printed its first line
        assert (process.stderr.read(), process.wait()) == ("", 0)


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status", "finishd"], "there is no run 'finishd'"),
        (["show-failures", "finished", "--type", "temporl"], "Did you mean 'temporal'?"),
        (["show-failures", "finished", "--provider", "bm52"], "Did you mean 'bm25'?"),
        (["show-failures", "finished", "--question", "q7"], "there is no question 'q7'"),
    ],
)
def test_what_is_not_there_is_one_line(
    runs: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--runs-dir", str(runs)]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.startswith("python -m reports: ")
    assert (printed.err.count("\n"), printed.out) == (1, "")


@pytest.mark.parametrize("arguments", [["stauts"], ["status"], ["show-failures", "x", "--limit", "0"]])
def test_a_wrong_command_line_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m reports")
    assert error.count("\n") == 1


def test_without_a_command_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    assert "show-failures" in "\n".join(message(capsys))


def test_the_folder_comes_from_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORYBENCH_RUNS_DIR", str(tmp_path))
    assert message(capsys, "list") == [f"no runs in {tmp_path}: pytest bench makes one"]
    assert main(["status", "last"]) == 2
    assert "there is no run in" in capsys.readouterr().err
    monkeypatch.setenv("MEMORYBENCH_RUNS_DIR", str(tmp_path / "absent"))
    assert main(["list"]) == 2
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.usefixtures("finished")
def test_an_unreadable_run_hides_no_other(tmp_path: Path, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(runs / "finished", tmp_path / "finished")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "checkpoint.sqlite").write_bytes(b"no database, but long enough to be taken for one" * 100)
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh" / "checkpoint.sqlite").touch()
    lines = message(capsys, "list", "--runs-dir", str(tmp_path))
    assert [line.split()[0] for line in lines] == ["RUN", "finished", "bad:", "fresh:"]
    assert message(capsys, "status", "last", "--runs-dir", str(tmp_path))[0] == "run finished: finished"
    assert main(["status", "bad", "--runs-dir", str(tmp_path)]) == 2
    assert "cannot be" in capsys.readouterr().err


def test_schema_is_the_published_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    assert printed == report_schema() == (ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8")
