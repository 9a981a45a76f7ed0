"""Imported answers with the grades of their publisher, as labelled sets: what a judge can be measured on beside ours.

A run that ``python -m bench import`` made holds all that is needed: question, ground truth, answer and grade.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from reports.store import QuestionRecord, list_runs, open_run, read_run
from vocabulary import Answer, CheckpointError, ConfigurationError, Gold, Question

_PROTOCOLS = ("longmemeval", "convomem")
_USUAL = "locomo-lenient"


class LabelledAnswer(NamedTuple):
    """An answer and whether it is right, as its publisher has it; `cluster` is the conversation that it is about.

    `held_out` is fixed by a hash of the question's id: settle rules and prompts of a judge on the other half.
    """

    id: str
    question: Question
    gold: Gold
    answer: Answer
    right: bool
    cluster: str
    held_out: bool

    def gold_for(self, protocol: str) -> Gold:
        """The truth as a judge gets it, under any protocol."""
        del protocol
        return self.gold


class LabelledSet(NamedTuple):
    """The answers of one publisher to one benchmark; `all_wrong` says that each is wrong on purpose."""

    name: str
    benchmark: str
    all_wrong: bool
    answers: Sequence[LabelledAnswer]

    def some(self, limit: int) -> Sequence[LabelledAnswer]:
        """So many of the answers, always the same ones, chosen by a hash of their ids."""
        return sorted(self.answers, key=lambda one: sha256(one.id.encode()).digest())[:limit]

    @property
    def protocol(self) -> str:
        """By which rules its benchmark is judged where nothing else is asked for."""
        return next((name for name in _PROTOCOLS if self.benchmark.startswith(name)), _USUAL)


def read_sets(runs_dir: Path, runs: Sequence[str]) -> list[LabelledSet]:
    """The labelled sets in the imports `runs`, in all of `runs_dir` if none is named.

    Raises `ConfigurationError` if there is none with published grades.
    """
    found = [one for run in runs or list_runs(runs_dir) for one in _sets(runs_dir, run, named=bool(runs))]
    if not found:
        where = ", ".join(runs) or str(runs_dir)
        raise ConfigurationError(
            f"--on published: {where} has no imported answers with grades. Make some with python -m bench import FILE."
        )
    return found


def is_held_out(question_id: str) -> bool:
    """Whether a question is in the half that is held out: the same one in every set of its benchmark."""
    return int(sha256(question_id.encode()).hexdigest(), 16) % 2 == 1


def _sets(runs_dir: Path, run_id: str, *, named: bool) -> Iterator[LabelledSet]:
    try:
        with closing(open_run(runs_dir, run_id, read_only=True)) as checkpoint:
            run = read_run(checkpoint)
            if run.answers_from != run.id:
                return
            labels = {
                (note.provider, note.benchmark, note.question): note.value > 0.5
                for note in run.notes
                if note.kind == "published"
            }
            answers: dict[tuple[str, str], list[LabelledAnswer]] = {}
            for record in checkpoint.question_records():
                right = labels.get((record.provider, record.case.benchmark, record.case.id))
                if right is not None and record.answer is not None:
                    key = record.provider, record.case.benchmark
                    answers.setdefault(key, []).append(_labelled(record, record.answer, right=right))
    except CheckpointError:
        if named:
            raise
        return  # a run that cannot be read is none of those that are meant
    settings = {provider.name: provider.settings for provider in run.providers}
    for (provider, benchmark), labelled in answers.items():
        facts = settings[provider].get(benchmark)
        wrong = isinstance(facts, dict) and facts.get("all_wrong") is True
        kept = [one._replace(right=False) for one in labelled] if wrong else labelled
        yield LabelledSet(f"{provider.removeprefix('published:')} on {benchmark}", benchmark, wrong, kept)


def _labelled(record: QuestionRecord, answer: Answer, *, right: bool) -> LabelledAnswer:
    case = record.case
    return LabelledAnswer(
        id=f"{record.provider}/{case.benchmark}/{case.id}",
        question=case.question,
        gold=case.gold,
        answer=answer,
        right=right,
        cluster=case.cluster,
        held_out=is_held_out(case.source_id),
    )
