"""Which questions of a benchmark a run asks: the same ones on every machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from bench.config import BenchmarkConfig
from schema import Case, UnknownNameError


def select(cases: Sequence[Case], config: BenchmarkConfig) -> list[Case]:
    """The cases that `config` chooses, in the data's order: by type, then a sample of each, then the first ones."""
    chosen = [case for case in cases if not config.question_type or case.gold.question_type in config.question_type]
    if config.sample is not None:
        chosen = _sample(chosen, config.sample, config.sample_seed)
    return chosen if config.limit is None else chosen[: config.limit]


def describe_selection(config: BenchmarkConfig) -> str | None:
    """In plain words what of each benchmark is asked; None for the whole."""
    told = []
    if config.question_type:
        told.append(f"only the types {', '.join(config.question_type)}")
    if config.sample is not None:
        told.append(f"a sample of {config.sample} questions of each type (seed {config.sample_seed})")
    if config.limit is not None:
        told.append(f"the first {config.limit} questions")
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
        by_type.setdefault(case.gold.question_type, []).append(case)
    kept = {case.id for same_type in by_type.values() for case in sorted(same_type, key=drawn)[:size]}
    return [case for case in cases if case.id in kept]
