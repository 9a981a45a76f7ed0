"""Which questions of a benchmark a run asks: the same ones on every machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from bench.base import Benchmark
from bench.config import BenchmarkConfig
from reports import SampleRecord
from schema import Case, UnknownNameError


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases that are asked, in the data's order, and what is to be said of the choice."""

    cases: tuple[Case, ...]
    sample: SampleRecord


def select_from(benchmark: Benchmark, config: BenchmarkConfig) -> Selection:
    """What `config` chooses from `benchmark`."""
    return select(benchmark.cases(), config, benchmark.types)


def select(cases: Sequence[Case], config: BenchmarkConfig, types: Sequence[str] = ()) -> Selection:
    """What `config` chooses from `cases`: by type, then a sample of each, then the first ones.

    Where the first ones would all be of one type although several were chosen (the files of LongMemEval are grouped by
    type) they are the first ones of each type, in proportion to the types. `types` is the benchmark's order of types.
    """
    counts = Counter(_type(case) for case in cases)
    ordered = [name for name in dict.fromkeys((*types, *counts)) if name in counts]
    among = [name for name in ordered if not config.question_type or name in config.question_type]
    choice = [case for case in cases if _type(case) in among]
    clusters = len({case.cluster for case in choice})
    told = [f"only the types {', '.join(config.question_type)}"] if config.question_type else []
    if config.sample is not None:
        choice = _sample(choice, config.sample, config.sample_seed)
        told.append(_sample_told(config))
    drawn = config.sample is not None
    if config.limit is not None and config.limit < len(choice):
        choice, words = _limit(choice, config.limit, among)
        told.append(words)
        drawn = False
    record = SampleRecord(
        told=", ".join(told) if len(choice) < len(cases) else None,
        population={name: counts[name] for name in ordered},
        types=tuple(among),
        clusters=clusters,
        chosen=len(choice),
        drawn=drawn,
    )
    return Selection(tuple(choice), record)


def describe_selection(config: BenchmarkConfig) -> str | None:
    """In plain words what is asked for of each benchmark; None for the whole, as it was published."""
    told = []
    if config.question_type:
        told.append(f"only the types {', '.join(config.question_type)}")
    if config.sample is not None:
        told.append(_sample_told(config))
    if config.limit is not None:
        told.append(f"at most {_counted(config.limit)}")
    if config.context_size:
        *others, last = map(str, config.context_size)
        sizes = f"{', '.join(others)} or {last}" if others else last
        told.append(f"haystacks of {sizes} conversation{'' if config.context_size == (1,) else 's'}")
    if config.as_of:
        told.append("without sessions dated after the question")
    return ", ".join(told) or None


def check_types(config: BenchmarkConfig, known: Iterable[str]) -> None:
    """Make sure that each `config.question_type` exists; raises `schema.UnknownNameError`."""
    known = set(known)
    for question_type in config.question_type:
        if question_type not in known:
            raise UnknownNameError("question type", question_type, known)


def _sample(cases: Sequence[Case], size: int, seed: int) -> list[Case]:
    """`size` cases of each type: those whose hash with the seed is smallest, so no random generator is involved."""

    def drawn(case: Case) -> str:
        return sha256(f"{seed}:{case.benchmark}:{case.id}".encode()).hexdigest()

    by_type: dict[str, list[Case]] = {}
    for case in cases:
        by_type.setdefault(_type(case), []).append(case)
    kept = {case.id for same_type in by_type.values() for case in sorted(same_type, key=drawn)[:size]}
    return [case for case in cases if case.id in kept]


def _limit(cases: Sequence[Case], limit: int, types: Sequence[str]) -> tuple[list[Case], str]:
    """The first `limit` of `cases`, or the first ones of each type; and what is to be said of it."""
    first = list(cases[:limit])
    held = {_type(case) for case in first}
    counts = Counter(_type(case) for case in cases)
    if limit == 1 or len(held) > 1 or len(counts) == 1:
        return first, f"the first {_counted(limit)}"
    seats = _apportioned(limit, {name: counts[name] for name in types if name in counts})
    taken = Counter[str]()
    kept = []
    for case in cases:
        taken[_type(case)] += 1
        if taken[_type(case)] <= seats[_type(case)]:
            kept.append(case)
    told = f"the first {limit} questions would all be {held.pop()}, so {limit} in proportion to the types instead"
    return kept, told


def _apportioned(places: int, counts: Mapping[str, int]) -> dict[str, int]:
    """`places`, of which there are no more than are counted, shared out in proportion to `counts`.

    By the largest remainder, in whole numbers; where two are equal the first one has it. Each has one place if there
    are enough: of a type that is not asked nothing can be said.
    """
    total, fewest = sum(counts.values()), int(places >= len(counts))
    seats = dict.fromkeys(counts, fewest)
    for _seat in range(places - sum(seats.values())):
        lacking = max(counts, key=lambda name: places * counts[name] - seats[name] * total)
        seats[lacking] += 1
    return seats


def _type(case: Case) -> str:
    return case.gold.question_type


def _sample_told(config: BenchmarkConfig) -> str:
    return f"a sample of {_counted(config.sample or 0)} of each type (seed {config.sample_seed})"


def _counted(number: int) -> str:
    return f"{number} question{'' if number == 1 else 's'}"
