"""A run's choice among the questions of a benchmark: a part, types, a sample, the first ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from bench.base import Benchmark
from bench.config import BenchmarkConfig
from bench.pipeline.selection.parts import part_of
from bench.published import RecordedAnswers
from reports.store import SampleRecord, SelectedQuestion
from vocabulary import Case, UnknownNameError

Stratum = TypeVar("Stratum", str, bool)


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases that are asked, in the data's order, and what is to be said of the choice."""

    cases: tuple[Case, ...]
    sample: SampleRecord


@dataclass(frozen=True, slots=True)
class OpenBenchmark:
    """A benchmark that was opened for a run, and what the run asks of it.

    `answered` has the provider and id of each question that there is a recorded answer to, None where the run answers.
    """

    benchmark: Benchmark
    selection: Selection
    answered: frozenset[tuple[str, str]] | None = None

    @classmethod
    def of(
        cls, benchmark: type[Benchmark], config: BenchmarkConfig, recorded: RecordedAnswers | None = None
    ) -> OpenBenchmark:
        """Open `benchmark` and choose by `config`, among those with a `recorded` answer if these are given.

        Raises `DataError` where the data are missing or damaged, `CheckpointError` where they are not those that the
        answers belong to.
        """
        opened = benchmark(config.benchmark_options)
        if recorded is None:
            return cls(opened, select(opened.cases(), config, opened.types))
        recorded.check(opened.name, opened.info.sha256)
        chosen = {key: case for key, case in recorded.cases(opened.name).items() if key[0] in config.provider}
        cases = {case.id: case for case in chosen.values()}
        return cls(opened, select([*cases.values()], config, opened.types), frozenset(chosen))

    def questions(self, providers: Iterable[str]) -> Iterator[SelectedQuestion]:
        """The cases that are asked, of each provider."""
        for provider in dict.fromkeys(providers):
            for case in self.cases:
                if self.answered is None or (provider, case.id) in self.answered:
                    yield SelectedQuestion(provider, case)

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases that are asked."""
        return self.selection.cases


def select(cases: Sequence[Case], config: BenchmarkConfig, types: Sequence[str] = ()) -> Selection:
    """What `config` chooses from `cases`: a part, by type, then a sample of each, then the first ones.

    Where the first ones would all be of one type although several were chosen (the files of LongMemEval are grouped by
    type) they are the first ones of each type, in proportion to the types, and within a type in proportion to whether
    they can be answered. `types` is the benchmark's order of types. The description says where no question that cannot
    be answered is left.
    """
    total, described = len(cases), []
    if config.part is not None:
        cases, words = part_of(cases, config.part, config.part_seed)
        described.append(words)
    counts = Counter(_type(case) for case in cases)
    ordered = [name for name in dict.fromkeys((*types, *counts)) if name in counts]
    among = [name for name in ordered if not config.question_type or name in config.question_type]
    pool = choice = [case for case in cases if _type(case) in among]
    clusters = len({case.cluster for case in choice})
    if config.question_type:
        described.append(f"only the types {', '.join(config.question_type)}")
    if config.sample is not None:
        choice = _sample(choice, config.sample, config.sample_seed)
        described.append(_sample_description(config))
    drawn = config.sample is not None
    if config.limit is not None and config.limit < len(choice):
        choice, words = _limit(choice, config.limit, among)
        described.append(words)
        drawn = False
    if all(map(_answerable, choice)) and not all(map(_answerable, pool)):
        described.append("no unanswerable question")
    record = SampleRecord(
        description=", ".join(described) if len(choice) < total else None,
        population={name: counts[name] for name in ordered},
        types=tuple(among),
        clusters=clusters,
        chosen=len(choice),
        drawn=drawn,
    )
    return Selection(tuple(choice), record)


def describe_selection(config: BenchmarkConfig) -> str | None:
    """In plain words what is asked for of each benchmark; None for the whole, as it was published."""
    described = []
    if config.part is not None:
        described.append(f"only the {config.part} part (seed {config.part_seed})")
    if config.question_type:
        described.append(f"only the types {', '.join(config.question_type)}")
    if config.sample is not None:
        described.append(_sample_description(config))
    if config.limit is not None:
        described.append(f"at most {_counted(config.limit)}")
    if config.context_size:
        *others, last = map(str, config.context_size)
        sizes = f"{', '.join(others)} or {last}" if others else last
        described.append(f"haystacks of {sizes} conversation{'' if config.context_size == (1,) else 's'}")
    if config.as_of:
        described.append("without sessions dated after the question")
    return ", ".join(described) or None


def check_types(config: BenchmarkConfig, known: Iterable[str]) -> None:
    """Make sure that each `config.question_type` exists; raises `UnknownNameError`."""
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
    kept = {case.id for name, places in seats.items() for case in _first_of_type(cases, name, places)}
    strata = "the types" if all(map(_answerable, cases)) else "the types and their unanswerable questions"
    message = f"the first {limit} questions would all be {held.pop()}, so {limit} in proportion to {strata} instead"
    return [case for case in cases if case.id in kept], message


def _first_of_type(cases: Sequence[Case], name: str, places: int) -> list[Case]:
    """The first cases of a type, answerable and unanswerable ones in proportion."""
    parts = {can: [case for case in cases if _type(case) == name and _answerable(case) == can] for can in (True, False)}
    seats = _apportioned(places, {can: len(part) for can, part in parts.items()}, fewest=0)
    return [case for can, part in parts.items() for case in part[: seats[can]]]


def _apportioned(places: int, counts: Mapping[Stratum, int], fewest: int = 1) -> dict[Stratum, int]:
    """`places`, of which there are no more than are counted, shared out in proportion to `counts`.

    By the largest remainder, in whole numbers; where two are equal the first one has it. Each has `fewest` places if
    there are enough: of a type that is not asked nothing can be said.
    """
    total = sum(counts.values())
    seats = dict.fromkeys(counts, fewest if places >= len(counts) else 0)
    for _seat in range(places - sum(seats.values())):
        lacking = max(counts, key=lambda name: places * counts[name] - seats[name] * total)
        seats[lacking] += 1
    return seats


def _answerable(case: Case) -> bool:
    return case.gold.answerable


def _type(case: Case) -> str:
    return case.gold.question_type


def _sample_description(config: BenchmarkConfig) -> str:
    return f"a sample of {_counted(config.sample or 0)} of each type (seed {config.sample_seed})"


def _counted(number: int) -> str:
    return f"{number} question{'' if number == 1 else 's'}"
