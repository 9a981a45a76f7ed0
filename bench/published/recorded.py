"""The answers of a run, imported or its own, for other runs to judge."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from reports.report import run_folder
from reports.store import (
    BenchmarkRecord,
    Checkpoint,
    ProviderRecord,
    QuestionKey,
    RunRecord,
    open_run,
    read_run,
    recorded,
    selected_case,
    tables,
)
from vocabulary import Answer, Case, CheckpointError, ConfigurationError, UnansweredError

IMPORTED = "imported"
"""What the steps of such answers have in the place of a hash of their inputs."""


class RecordedAnswers:
    """The answers that the run `name` in `runs_dir` holds: its id, its folder, or ``last``.

    Raises `ConfigurationError` if there is no such run or it has no answers, `CheckpointError` if it cannot be read.
    """

    def __init__(self, runs_dir: Path, name: str) -> None:
        folder = Path(name)
        self.folder = folder if (folder / "checkpoint.sqlite").is_file() else run_folder(runs_dir, name)
        self._checkpoint: Checkpoint = open_run(self.folder.parent, self.folder.name, read_only=True)
        self.run: RunRecord = read_run(self._checkpoint)
        if self.run.until not in ("answer", "judge"):
            raise ConfigurationError(f"--answers {name}: that run went until {self.run.until}, and has no answers.")
        self._grades = {
            QuestionKey(note.provider, note.benchmark, note.question): note.value
            for note in self.run.notes
            if note.kind == "published"
        }

    @cached_property
    def digest(self) -> str:
        """A hash of all answers and of whose they are."""
        columns, found = tables.steps.c, sha256()
        query = sa.select(columns.provider, columns.benchmark, columns.question, columns.result)
        mine = query.where(columns.phase == "answer").order_by(*tables.steps.primary_key)
        for row in self._checkpoint.read(mine):
            found.update(repr(tuple(row)).encode())
        return found.hexdigest()

    def providers(self, chosen: Iterable[str] | None) -> tuple[ProviderRecord, ...]:
        """Whose answers they are: all, or those `chosen`; raises `ConfigurationError` for somebody else's."""
        known = {record.name: record for record in self.run.providers}
        for name in chosen or ():
            if name not in known:
                raise ConfigurationError(
                    f"--provider {name}: run {self.run.id} has no answers of it. It has those of {', '.join(known)}."
                )
        return tuple(known[name] for name in chosen or known)

    def benchmark(self, name: str) -> BenchmarkRecord | None:
        """The benchmark of that name as that run asked it; None if it did not."""
        return next((record for record in self.run.benchmarks if record.name == name), None)

    def cases(self, benchmark: str) -> dict[tuple[str, str], Case]:
        """The questions of a benchmark that it is about, by provider and id, in its order."""
        columns = tables.questions.c
        mine = sa.select(tables.questions).where(columns.benchmark == benchmark).order_by(columns.ordinal)
        return {(row.provider, row.question): selected_case(row) for row in self._checkpoint.read(mine)}

    def answer(self, key: QuestionKey) -> Answer:
        """The answer to a question; raises `UnansweredError` if there is none, or it belongs to no question."""
        step = self._checkpoint.steps([key])[key].get("answer")
        if step is None or step.result is None:
            failed = self._checkpoint.question_record(key, results=False).error
            reason = failed.error.message if failed and failed.error else "the run was not finished"
            raise UnansweredError(f"run {self.run.id} has no answer to judge: {reason}")
        found: Answer = recorded("answer", step.result)
        return found.model_copy(update={"usage": None})  # that run has paid for it

    def grade(self, key: QuestionKey) -> float | None:
        """The share of its publisher's judgements that accept the answer; None without any."""
        return self._grades.get(key)

    def check(self, benchmark: str, digest: str) -> None:
        """Make sure that `digest` is of the data that the answers were matched to; raises `CheckpointError`."""
        record = self.benchmark(benchmark)
        if record is not None and record.sha256 != digest:
            raise CheckpointError(
                f"the answers of run {self.run.id} are to {benchmark} with sha256 {record.sha256}, and the data here "
                f"has {digest}: use the same data, or import them again."
            )
