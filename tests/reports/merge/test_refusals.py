"""What is not the whole of one run is refused, in one line that names the run and the value."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.run import run_benchmark
from reports.__main__ import main
from reports.store import open_run
from tests.reports.merge.conftest import MANY, SHARDS, config

OTHERS = SHARDS[1:]
CHANGED = "changed"
"""A copy of the first shard, which a test changes."""


@pytest.fixture(scope="module")
def made(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shards, and runs that were made otherwise."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("whole", *SHARDS):
        shutil.copytree(runs / name, folder / name)
    run_benchmark(config(folder, "top-5", "1/8", top_k=5), MANY)
    run_benchmark(config(folder, "judge-2", "1/8", judge_repeats=2), MANY)
    run_benchmark(config(folder, "option", "1/8", provider_option=("bm25.k1=2",)), MANY)
    run_benchmark(config(folder, "searched", "1/8", until="search"), MANY)
    run_benchmark(config(folder, "seed-1", "1/8", synthetic_seed=1), MANY)
    run_benchmark(config(folder, "quarter", "1/4"), MANY)
    run_benchmark(config(folder, "reversed", "1/8", provider=("none", "bm25")), MANY)
    run_benchmark(config(folder, "synthetic", "1/1"), "synthetic")
    (folder / "empty").mkdir()
    return folder


@contextmanager
def changing(folder: Path) -> Iterator[sqlite3.Connection]:
    """The checkpoint in `folder`, for a test to change as another version or a person might."""
    with closing(sqlite3.connect(folder / "checkpoint.sqlite")) as connection, connection:
        yield connection


def record_with(**values: Any) -> Callable[[Path], None]:  # Any: fields of the record
    def change(folder: Path) -> None:
        with changing(folder) as connection:
            ((text,),) = connection.execute("select record from runs")
            connection.execute("update runs set record = ?", [json.dumps({**json.loads(text), **values})])

    return change


def sql(*statements: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with changing(folder) as connection:
            for statement in statements:
                connection.execute(statement)

    return change


def refused(made: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says, which leaves nothing behind."""
    before = sorted(made.iterdir())
    run_id = () if "--run-id" in arguments else ("--run-id", "merged")
    assert main(["merge", *arguments, *run_id, "--runs-dir", str(made)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert sorted(made.iterdir()) == before
    return said.err.removeprefix("python -m reports: ").rstrip("\n")


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nothing", *OTHERS], "there is no run 'nothing': neither in "),
        (["empty", *OTHERS], "there is no run 'empty': neither in "),
        (["whole"], "run whole is no shard: only runs made with --shard are parts of one, and with"),
        (["s1", *SHARDS], "run s1 is named twice: name each shard once."),
        (OTHERS, "shard 1 is missing: 7 of the 8 shards are named."),
        (["s2", "s4", "s8"], "shards 1, 3, 5, 6, 7 are missing: 3 of the 8 shards are named."),
        (
            ["top-5", *OTHERS],
            "search.top_k is 50 in run s2 and 5 in run top-5: shards of one run are made with the same ",
        ),
        (["judge-2", *OTHERS], "judge.repeats is 1 in run s2 and 2 in run judge-2: "),
        (["option", *OTHERS], 'ingest.provider.bm25 is {"name": "bm25", '),
        (["searched", *OTHERS], '--until is "judge" in run s2 and "search" in run searched: '),
        (["seed-1", *OTHERS], "selection.synthetic_seed is 0 in run s2 and 1 in run seed-1: "),
        (["quarter", *OTHERS], "the number of shards is 8 in run s2 and 4 in run quarter: "),
        (["reversed", *OTHERS], "the hash of the selection is "),
        (["synthetic", *OTHERS], "the number of shards is 8 in run s2 and 1 in run synthetic: "),
        ([*SHARDS, "--run-id", "s1"], "--run-id s1: there is a "),
        ([*SHARDS, "--run-id", "a/b"], "--run-id 'a/b': use up to 80 letters"),
        ([*SHARDS, "--fail-under", "0.5"], "threshold '0.5' has no name. Did you mean accuracy=0.5?"),
        ([*SHARDS, "--fail-under", "recall@30.temporary=0.5"], "threshold 'recall@30.temporary': no selected question"),
        ([*SHARDS, "--max-errors", "-1"], "--max-errors -1: give a number of 0 or more."),
    ],
)
def test_runs_that_are_not_the_parts_of_one(
    made: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    assert refused(made, capsys, *arguments).startswith(line)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (record_with(second_look_at="former"), "run s1 is a second look at former, which no run can contain."),
        (sql("update runs set finished = null", "delete from steps where phase = 'judge'"),
         "run s1 (shard 1 of 8) is not finished: 10 of 10 questions are left. Continue it by its "),
        (sql("update runs set schema_version = 1"), "run s1 was written by another version of the suite"),
        (sql("update runs set schema_version = 99"), "run 's1' was written by another version of the suite"),
        (sql("update runs set record = '{'"), "the checkpoint at sqlite:///"),
        (sql("delete from runs"), "there is no run 'changed' in "),
        (sql("""update runs set benchmarks = replace(benchmarks, '"sha256": "', '"sha256": "f')"""),
         'many.sha256 is "'),
        (sql("update questions set ordinal = ordinal + 10"),
         "runs s1 and s2 overlap: both have question 11 of the selection, h2-syn-q0000 with bm25."),
        (sql("delete from questions where ordinal = 0"),
         "1 of 90 questions, such as number 1, are not in s1, s2, s3, s4, s5, s6, s7, s8."),
        (record_with(shard={"index": 3, "count": 8, "selected": 90, "selection": ""}),
         "the hash of the selection is"),
        (record_with(shard=None), "run s1 is no shard"),
        (lambda folder: (folder / "checkpoint.sqlite").write_bytes(b"no database" * 1000), "the checkpoint at sqlite:///"),
    ],
)  # fmt: skip
def test_a_shard_that_was_changed(
    made: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], object], line: str
) -> None:
    shutil.rmtree(made / CHANGED, ignore_errors=True)
    shutil.copytree(made / "s1", made / CHANGED)
    change(made / CHANGED)
    said = refused(made, capsys, CHANGED, *OTHERS)
    shutil.rmtree(made / CHANGED)
    assert said.startswith(line)


def test_other_data_of_a_benchmark_that_the_first_shard_has_not(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("s1", "s8"):
        shutil.copytree(made / name, tmp_path / name)
    sql("update runs set benchmarks = '[]'")(tmp_path / "s1")
    sql("""update runs set benchmarks = replace(benchmarks, '"sha256": "', '"sha256": "f')""")(tmp_path / "s8")
    said = refused(made, capsys, str(tmp_path / "s1"), *OTHERS[:-1], str(tmp_path / "s8"))
    assert said.startswith('many.sha256 is "f')
    assert "in run s8 and " in said
    assert "in run s2: shards of one run" in said


def test_two_runs_of_one_shard(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(made / "s1", tmp_path / "s1")
    said = refused(made, capsys, str(tmp_path / "s1"), *SHARDS)
    assert said == "runs s1 and s1 are both shard 1 of 8: name one."


def test_a_shard_that_goes_on(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(open_run(made, "s1")) as checkpoint:
        checkpoint.lock(made / "s1")
        said = refused(made, capsys, *SHARDS)
    assert said == "run s1 (shard 1 of 8) is still going on: merge when it has ended."
