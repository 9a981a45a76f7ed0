"""The shards of a run: contiguous parts of what it selects, each with whole haystacks.

A place asks its part only, or where places share a run begins with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from bench.config import BenchmarkConfig
from bench.shard import shard_numbers
from reports.store import (
    Checkpoint,
    QuestionKey,
    SelectedQuestion,
    ShardRecord,
    check_run_id,
    new_run_id,
    read_run,
)
from vocabulary import ConfigurationError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a selection: where each of its questions stands in the whole.

    `record` is None where places share the run, and this one only begins with the part.
    """

    record: ShardRecord | None
    ordinals: Mapping[QuestionKey, int]


def shard_of(selected: Sequence[SelectedQuestion], shard: str, *, shared: bool = False) -> Shard:
    """The part ``I/N`` of all that is `selected`, in its order; `shared` if places share the run.

    Raises `ConfigurationError` if there are fewer haystacks than shards; if it is `shared`, some begin with the same.
    """
    index, count = shard_numbers(shard)
    parts = divide(selected, count)
    if shared:
        return Shard(None, {selected[ordinal].key: ordinal for ordinal in parts[(index - 1) % len(parts)]})
    if len(parts) < count:
        raise ConfigurationError(
            f"--shard {shard}: {len(selected)} questions over {len(parts)} haystacks, counted for each provider, are "
            f"selected, and a haystack stays whole. Use {len(parts)} shards or fewer."
        )
    keys = [question.key for question in selected]
    digest = sha256("\n".join("\t".join(key) for key in keys).encode()).hexdigest()[:16]
    record = ShardRecord(index=index, count=count, selected=len(keys), selection=digest)
    return Shard(record, {keys[ordinal]: ordinal for ordinal in parts[index - 1]})


def own_first(everything: Sequence[T], is_own: Callable[[T], bool]) -> list[T]:
    """What is this place's own, then what follows the first of it, then what is before."""
    first = next((number for number, one in enumerate(everything) if is_own(one)), 0)
    return sorted([*everything[first:], *everything[:first]], key=lambda one: not is_own(one))


def choose_run_id(config: BenchmarkConfig, given: str, *, second_look: bool) -> str:
    """The id of a run: `given`, configured or new; raises `ConfigurationError` where each shard would get its own."""
    known = given or config.run_id
    if not known and config.shard and config.shares_run and not second_look:
        raise ConfigurationError(
            f"--shard {config.shard} with PostgreSQL needs --run-id, the same for all shards: they are one run, and "
            "under an id of its own each would ask everything."
        )
    return check_run_id(known or new_run_id())


def check_shard(checkpoint: Checkpoint, shard: Shard | None) -> None:
    """Make sure that the run was begun as this shard of this selection; raises `ConfigurationError`."""
    begun, now = read_run(checkpoint).shard, shard.record if shard else None
    if begun != now:
        what = f"{begun} of another selection" if begun and now and str(begun) == str(now) else begun or "no shard"
        raise ConfigurationError(
            f"run {checkpoint.run_id!r} is {what}, and cannot be continued as {now or 'a whole run'}. Use another "
            "--run-id, or the same selection and --shard."
        )


def divide(selected: Sequence[SelectedQuestion], count: int) -> list[list[int]]:
    """The positions in `selected` of `count` parts, about equal in questions and none of them empty.

    A haystack of a provider is in one part; where there are fewer of them than `count`, there are as many parts.
    """
    haystacks: dict[tuple[str, str], list[int]] = {}
    for position, question in enumerate(selected):
        haystacks.setdefault((question.provider, question.case.haystack), []).append(position)
    whole = list(haystacks.values())
    parts: list[list[int]] = []
    left, begun = len(selected), 0
    for later in range(min(count, len(whole)) - 1, -1, -1):  # how many parts come after this one
        part, share = list(whole[begun]), left / (later + 1)
        begun += 1
        while begun < len(whole) - later and (later == 0 or len(part) + len(whole[begun]) / 2 <= share):
            part += whole[begun]
            begun += 1
        parts.append(sorted(part))
        left -= len(part)
    return parts
