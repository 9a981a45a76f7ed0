"""``--shard I/N``: which of the parts of a run this place takes, also as a scheduler counts them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

AUTO = "auto"

_FIRST = "SLURM_ARRAY_TASK_MIN"
_STEP = "SLURM_ARRAY_TASK_STEP"
_WAY_OUT = "write --shard I/N"


@dataclass(frozen=True)
class Scheduler:
    """The variables of a scheduler: the number of a task, what the first task has there, and how many there are."""

    name: str
    index: str
    first: int
    count: str | None


SCHEDULERS = (
    Scheduler("Kubernetes", "JOB_COMPLETION_INDEX", 0, None),
    Scheduler("Slurm", "SLURM_ARRAY_TASK_ID", 0, "SLURM_ARRAY_TASK_COUNT"),
    Scheduler("GitLab", "CI_NODE_INDEX", 1, "CI_NODE_TOTAL"),
)


def parse_shard(text: str, environment: Mapping[str, str]) -> str:
    """`text` as ``I/N``, 1 <= I <= N; ``auto`` and ``auto/N`` are read from the variables of the scheduler.

    Raises `ValueError` with what is wrong and what to do.
    """
    if text == AUTO or text.startswith(f"{AUTO}/"):
        index, count = _scheduled(environment, text.removeprefix(AUTO).removeprefix("/"))
    elif re.fullmatch(r"\d{1,6}/\d{1,6}", text):
        index, count = map(int, text.split("/"))
    else:
        raise ValueError("write I/N, as in 2/8, or auto for what the scheduler says")
    if not 1 <= index <= count:
        raise ValueError(f"there is no shard {index} of {count}; the first is 1/{max(count, 1)}")
    return f"{index}/{count}"


def shard_numbers(text: str) -> tuple[int, int]:
    """Which shard it is, from 1, and of how many; of what `parse_shard` gives."""
    index, _slash, count = text.partition("/")
    return int(index), int(count)


def _scheduled(environment: Mapping[str, str], given: str) -> tuple[int, int]:
    found = [one for one in SCHEDULERS if environment.get(one.index)]
    if not found:
        known = ", ".join(one.index for one in SCHEDULERS)
        raise ValueError(f"no scheduler says which shard this is ({known}); {_WAY_OUT}")
    if len(found) > 1:
        raise ValueError(f"the variables {' and '.join(one.index for one in found)} are both set; {_WAY_OUT}")
    (scheduler,) = found
    index = _number(environment, scheduler.index)
    stated = _number(environment, scheduler.count) if scheduler.count and environment.get(scheduler.count) else None
    if given and not re.fullmatch(r"\d{1,6}", given):
        raise ValueError(f"{given!r} is not a number of shards; write {AUTO}/8")
    if not given and stated is None:
        raise ValueError(f"no variable of {scheduler.name} says how many shards there are; write {AUTO}/N")
    count = int(given) if given else stated or 0
    if stated is not None and stated != count:
        raise ValueError(f"the variable {scheduler.count} is {stated}; to start some tasks again write I/{count}")
    if scheduler.name == "Slurm":
        return _of_an_array(environment, index, count), count
    return index - scheduler.first + 1, count


def _of_an_array(environment: Mapping[str, str], task: int, count: int) -> int:
    """Which of the tasks of a Slurm array it is; an array may begin anywhere, and go on in steps."""
    first = _number(environment, _FIRST) if environment.get(_FIRST) else 0
    step = _number(environment, _STEP) if environment.get(_STEP) else 1
    index, rest = divmod(task - first, max(step, 1))
    if rest or not 0 <= index < count:
        raise ValueError(f"task {task} is not among {count} tasks from {first} in steps of {step}; {_WAY_OUT}")
    return index + 1


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment[name]
    if not re.fullmatch(r"\d{1,6}", text):
        raise ValueError(f"the variable {name} is {text!r}, which is not a number; {_WAY_OUT}")
    return int(text)
