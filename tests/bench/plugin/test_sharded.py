"""``--shard`` under pytest: alone, over workers, continued, and refused."""

from __future__ import annotations

import pytest

from reports.merge import merge_shards
from tests.bench.plugin.suite import Suite, comparable

MANY = ("tests/subjects/many_haystacks.py", "--synthetic-sessions=10", "--synthetic-questions=5", "-k", "not q0004")


def test_shards_of_a_selection_make_the_whole(suite: Suite) -> None:
    suite.run(*MANY, "--shard", "1/2", "--run-id", "s1", "-n", "2")
    suite.run(*MANY, "--run-id", "s2", MEMORYBENCH_SHARD="auto/2", JOB_COMPLETION_INDEX="1")
    assert [suite.report(name)["run"]["settings"]["sampled"] for name in ("s1", "s2")] == [
        "shard 1 of 2",
        "shard 2 of 2",
    ]
    suite.run(*MANY, "--run-id", "whole")
    _report, folder = merge_shards(["s1", "s2"], suite.runs, "merged")
    assert comparable(suite.report("merged")) == comparable(suite.report("whole"))
    for name in ("hypotheses.jsonl", "retrieved.jsonl"):
        assert (folder / name).read_bytes() == (suite.runs / "whole" / name).read_bytes()


def test_lf_stays_with_its_shard(suite: Suite) -> None:
    suite.run(*MANY, "--shard", "2/2", "--run-id", "s2")
    wrong = suite.report("s2")["results"][0]["questions"]["outcomes"]["wrong"]
    again = suite.run("--lf")
    assert f"asked again {wrong}, now correct 0" in again.output
    assert 0 < wrong < 16


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--shard", "3/2"], "--shard '3/2': there is no shard 3 of 2; the first is 1/2."),
        (["--shard", "auto"], "--shard 'auto': no scheduler says which shard this is"),
        (["--shard", "1/10"], "--shard 1/10: 36 questions over 9 haystacks, counted for each provider, are selected"),
        (
            ["--shard", "1/2", "--fail-under", "accuracy=0.5"],
            "--fail-under with --shard 1/2: a gate is about the whole",
        ),
        (
            ["--shard", "1/2", "--checkpoint-url", "postgresql+psycopg://localhost/none"],
            "--shard 1/2 with PostgreSQL needs --run-id, the same for all shards",
        ),
        (["--shard", "1/2", "--max-errors", "3"], "--max-errors with --shard 1/2: a gate is about the whole run"),
    ],
)
def test_what_cannot_be_a_shard_is_refused(suite: Suite, arguments: list[str], line: str) -> None:
    ended = suite.run(*MANY, *arguments)
    assert ended.status == 4
    assert ended.about(line)
    assert not suite.runs.exists() or not list(suite.runs.iterdir())


def test_a_run_belongs_to_one_shard_of_one_selection(suite: Suite) -> None:
    suite.run(*MANY, "--shard", "1/2", "--run-id", "s1")
    for arguments, line in {
        ("--shard", "2/2"): "run 's1' is shard 1 of 2, and cannot be continued as shard 2 of 2.",
        (): "run 's1' is shard 1 of 2, and cannot be continued as a whole run.",
        ("--shard", "1/2", "-k", "q0001"): "run 's1' is shard 1 of 2 of another selection, and cannot be continued as",
    }.items():
        ended = suite.run(*MANY, *arguments, "--run-id", "s1")
        assert ended.status == 4
        assert ended.about(line)
