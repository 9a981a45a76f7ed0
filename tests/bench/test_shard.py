"""Which shard a place takes: as it is written, or as its scheduler counts."""

from __future__ import annotations

import pytest

from bench.config import build_benchmark_config
from bench.shard import parse_shard
from vocabulary import ConfigurationError

ARRAY = {"SLURM_ARRAY_TASK_ID": "12", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_COUNT": "4"}


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("2/8", {}, "2/8"),
        ("1/1", {}, "1/1"),
        ("2/8", {"JOB_COMPLETION_INDEX": "6"}, "2/8"),  # what is written is not changed by a variable
        ("auto/8", {"JOB_COMPLETION_INDEX": "0"}, "1/8"),
        ("auto/8", {"JOB_COMPLETION_INDEX": "7"}, "8/8"),
        ("auto", {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "8"}, "1/8"),
        ("auto", ARRAY, "3/4"),
        ("auto/4", ARRAY, "3/4"),
        ("auto", {**ARRAY, "SLURM_ARRAY_TASK_STEP": "2"}, "2/4"),
        ("auto", {"CI_NODE_INDEX": "8", "CI_NODE_TOTAL": "8"}, "8/8"),
    ],
)
def test_a_shard_is_counted_from_one(text: str, environment: dict[str, str], expected: str) -> None:
    assert parse_shard(text, environment) == expected


@pytest.mark.parametrize(
    ("text", "environment", "reason"),
    [
        ("3", {}, "write I/N, as in 2/8, or auto for what the scheduler says"),
        ("0/8", {}, "there is no shard 0 of 8; the first is 1/8"),
        ("9/8", {}, "there is no shard 9 of 8; the first is 1/8"),
        ("1/0", {}, "there is no shard 1 of 0; the first is 1/1"),
        (
            "auto",
            {},
            "no scheduler says which shard this is (JOB_COMPLETION_INDEX, SLURM_ARRAY_TASK_ID, CI_NODE_INDEX)",
        ),
        (
            "auto",
            {"JOB_COMPLETION_INDEX": "1"},
            "no variable of Kubernetes says how many shards there are; write auto/N",
        ),
        ("auto/x", {"JOB_COMPLETION_INDEX": "1"}, "'x' is not a number of shards; write auto/8"),
        ("auto/8", {"JOB_COMPLETION_INDEX": "8"}, "there is no shard 9 of 8"),
        ("auto/8", {"JOB_COMPLETION_INDEX": "?"}, "the variable JOB_COMPLETION_INDEX is '?', which is not a number"),
        ("auto/8", {**ARRAY, "CI_NODE_INDEX": "1"}, "the variables SLURM_ARRAY_TASK_ID and CI_NODE_INDEX are both set"),
        ("auto/8", ARRAY, "the variable SLURM_ARRAY_TASK_COUNT is 4; to start some tasks again write I/8"),
        ("auto", {**ARRAY, "SLURM_ARRAY_TASK_ID": "14"}, "task 14 is not among 4 tasks from 10 in steps of 1"),
        ("auto", {**ARRAY, "SLURM_ARRAY_TASK_STEP": "3"}, "task 12 is not among 4 tasks from 10 in steps of 3"),
    ],
)
def test_what_names_no_shard_is_refused(text: str, environment: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011  the text is compared below
        parse_shard(text, environment)
    assert str(error.value).startswith(reason)


def test_the_setting_is_a_number_once_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "4")
    assert build_benchmark_config().shard is None
    monkeypatch.setenv("MEMORYBENCH_SHARD", "auto/8")
    assert build_benchmark_config().shard == "5/8"
    assert build_benchmark_config(shard="2/3").shard == "2/3"
    with pytest.raises(ConfigurationError, match=r"^--shard '9/8': there is no shard 9 of 8; the first is 1/8\.$"):
        build_benchmark_config(shard="9/8")
