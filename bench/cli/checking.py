"""``python -m bench check``: what is wrong in a user's own data set, what it lacks, and what that costs."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.benchmarks.own import Fault, check_name, find_faults, find_source

_FEW_QUESTIONS = 100
_FEW_HAYSTACKS = 5


def check_dataset(path: Path) -> tuple[list[str], int]:
    """Lines about the data set at `path`, and how many faults it has.

    Raises `DataError` or `ConfigurationError` if it cannot be read at all, or if its name is taken.
    """
    source = find_source(path)
    check_name(source)
    faults, gathering = find_faults(source)
    if faults:
        return [
            *map(str, sorted(faults, key=_place)),
            f"{_counted(len(faults), 'fault')}: a run refuses this data set",
        ], len(faults)
    facts = Counter(gathering.facts)
    types = Counter(case.gold.question_type for case in gathering.cases)
    clusters = len({case.cluster for case in gathering.cases})
    lines = [
        f"{source.name}: {_counted(facts['questions'], 'question')} about {_counted(clusters, 'haystack')}, "
        f"{_counted(facts['sessions'], 'session')}, {_counted(facts['messages'], 'message')}",
        *(f"  {name:<20} {count:>7,}" for name, count in types.items()),
        *(f"lacking: {line}" for line in _lacks(facts, len(types), clusters)),
        f"no faults: pytest bench -k mine --dataset {shlex.quote(str(path))}",
    ]
    return lines, 0


def _place(fault: Fault) -> tuple[Path, int]:
    return fault.file, fault.line


def _lacks(facts: Counter[str], types: int, haystacks: int) -> Iterator[str]:
    """What a run over such data cannot say."""
    questions, sessions = facts["questions"], facts["sessions"]
    answerable = questions - facts["unanswerable questions"]
    if missing := answerable - facts["questions with evidence"]:
        yield f"evidence of {_counted(missing, 'question')}: no retrieval scores (recall, MRR, nDCG) for these"
    if missing := facts["questions with evidence"] - facts["questions with message evidence"]:
        yield f"messages as evidence of {_counted(missing, 'question')}: retrieval is scored by sessions alone there"
    if missing := sessions - facts["dated sessions"]:
        yield f"dates of {_counted(missing, 'session')}: what was said when cannot be answered from them"
    if missing := questions - facts["questions with a date"]:
        yield f"dates of {_counted(missing, 'question')}: 'last week' has no meaning there, --as-of drops nothing"
    if facts["questions with a type"] < questions and types == 1:
        yield "types of questions: one figure for all of them, and --sample draws from all alike"
    if not facts["unanswerable questions"]:
        yield "questions that cannot be answered: a system that invents answers is not found out"
    if facts["questions with an id"] < questions:
        yield "ids of questions: they are numbered, and one that is put between others renames those after it"
    if haystacks < _FEW_HAYSTACKS:
        yield f"haystacks: intervals over {haystacks} of them are wide or say nothing about other users"
    if questions < _FEW_QUESTIONS:
        margin = 0.98 / questions**0.5
        yield f"questions: with {questions}, an accuracy of a half is known to about ±{margin:.0%}"
    if late := facts["sessions before their predecessor"]:
        yield f"order: {_counted(late, 'session')} dated before the preceding one, kept in the file's order"


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
