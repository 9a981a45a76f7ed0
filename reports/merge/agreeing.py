"""Whether runs are the parts of one: all of them, each once, made with the same inputs. Each error is one line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from reports.merge.shards import ShardRun, ordinals_of
from reports.store import BenchmarkRecord, QuestionKey, RunRecord
from vocabulary import ConfigurationError


def check_agreement(shards: Sequence[ShardRun]) -> None:
    """Make sure that `shards`, in the order of their numbers, make one run; raises `ConfigurationError`."""
    first, *others = shards
    for one, other in pairwise(shards):
        if (one.id, one.checkpoint.url) == (other.id, other.checkpoint.url):
            raise ConfigurationError(f"run {one.id} is named twice: name each shard once.")
    for other in others:
        _check_same(first, other, _differences(first, other))
    for one, other in combinations(shards, 2):  # a benchmark may be in none but these
        _check_same(one, other, _other_data(one, other))
    _check_numbers(shards)
    _check_questions(shards)


def benchmarks_of(shards: Sequence[ShardRun]) -> list[BenchmarkRecord]:
    """The benchmarks of all shards, in the order of the selection."""
    return list({one.name: one for shard in shards for one in shard.run.benchmarks}.values())


def _check_same(first: ShardRun, other: ShardRun, differences: Iterator[tuple[str, object, object]]) -> None:
    for name, mine, theirs in differences:
        raise ConfigurationError(
            f"{name} is {_text(theirs)} in run {other.id} and {_text(mine)} in run {first.id}: shards of one run are "
            "made with the same options and data."
        )


def _differences(first: ShardRun, other: ShardRun) -> Iterator[tuple[str, object, object]]:
    """What must be the same and is not: its name, and both values."""
    for name in sorted({*first.parts, *other.parts}):
        if first.parts.get(name) != other.parts.get(name):
            yield name, first.parts.get(name), other.parts.get(name)
    if first.run.until != other.run.until:
        yield "--until", first.run.until, other.run.until
    forms = _forms(first.run)
    for asked, form in _forms(other.run).items():
        if forms.get(asked, form) != form:
            yield f"the request form of {asked}", forms[asked], form
    if first.shard.count != other.shard.count:
        yield "the number of shards", first.shard.count, other.shard.count
    if first.shard.selected != other.shard.selected:
        yield "the number of selected questions", first.shard.selected, other.shard.selected
    if first.shard.selection != other.shard.selection:
        yield "the hash of the selection", first.shard.selection, other.shard.selection


def _other_data(first: ShardRun, other: ShardRun) -> Iterator[tuple[str, object, object]]:
    """What differs in the benchmarks of both."""
    known = {one.name: one for one in first.run.benchmarks}
    for one in other.run.benchmarks:
        same = known.get(one.name, one)
        for field in BenchmarkRecord.model_fields:
            mine, theirs = getattr(same, field), getattr(one, field)
            if mine != theirs:
                yield f"{one.name}.{field}", mine, theirs


def _forms(run: RunRecord) -> dict[str, object]:
    return {asked.part: asked.answers_depend_on for asked in run.requests if asked.form is not None}


def _check_numbers(shards: Sequence[ShardRun]) -> None:
    by_index: dict[int, str] = {}
    for one in shards:
        if one.shard.index in by_index:
            raise ConfigurationError(f"runs {by_index[one.shard.index]} and {one.id} are both {one.shard}: name one.")
        by_index[one.shard.index] = one.id
    count = shards[0].shard.count
    if missing := [str(index) for index in range(1, count + 1) if index not in by_index]:
        which = f"shard {missing[0]} is" if len(missing) == 1 else f"shards {', '.join(missing)} are"
        raise ConfigurationError(f"{which} missing: {len(shards)} of the {count} shards are named.")


def _check_questions(shards: Sequence[ShardRun]) -> None:
    """Each question of the selection in one shard: a checkpoint that was changed since may have other ones."""
    places: dict[int, str] = {}
    keys: dict[QuestionKey, str] = {}
    for one in shards:
        for ordinal, key in ordinals_of(one):
            if there := keys.get(key) or places.get(ordinal):
                raise ConfigurationError(
                    f"runs {there} and {one.id} overlap: both have question {ordinal + 1} of the selection, "
                    f"{key.question} with {key.provider}."
                )
            places[ordinal] = keys[key] = one.id
    selected = shards[0].shard.selected
    gaps = [ordinal + 1 for ordinal in range(selected) if ordinal not in places]
    if gaps:
        ids = ", ".join(one.id for one in shards)
        raise ConfigurationError(f"{len(gaps)} of {selected} questions, such as number {gaps[0]}, are not in {ids}.")


def _text(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
