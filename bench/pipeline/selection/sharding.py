"""The shards of a run: contiguous parts of what it selects, each with whole haystacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from bench.shard import shard_numbers
from reports.store import Checkpoint, QuestionKey, SelectedQuestion, ShardRecord, read_run
from vocabulary import ConfigurationError


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a selection: where each of its questions stands in the whole."""

    record: ShardRecord
    ordinals: Mapping[QuestionKey, int]


def shard_of(selected: Sequence[SelectedQuestion], shard: str) -> Shard:
    """The part ``I/N`` of all that is `selected`, in its order.

    Raises `ConfigurationError` if there are fewer haystacks than shards.
    """
    index, count = shard_numbers(shard)
    parts = divide(selected, count)
    if len(parts) < count:
        raise ConfigurationError(
            f"--shard {shard}: {len(selected)} questions over {len(parts)} haystacks, counted for each provider, are "
            f"selected, and a haystack stays whole. Use {len(parts)} shards or fewer."
        )
    keys = [question.key for question in selected]
    digest = sha256("\n".join("\t".join(key) for key in keys).encode()).hexdigest()[:16]
    record = ShardRecord(index=index, count=count, selected=len(keys), selection=digest)
    return Shard(record, {keys[ordinal]: ordinal for ordinal in parts[index - 1]})


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
