"""What one process does of a run: its configuration, participants, benchmarks and jobs, and where it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # whatever a phase gives

from bench.cache import StepCache
from bench.config import BenchmarkConfig
from bench.pipeline.participants import Participants, judge_record
from bench.pipeline.selection import OpenBenchmark
from llms.clients import BatchFile, BatchRecord
from net import Ledger, RunLimits
from providers import Limits
from reports.report import uses_models
from reports.store import Checkpoint, SelectedQuestion, StoredStep, recorded
from reports.store.sharing import BatchRows
from vocabulary import Answer, Phase, SearchResult, Verdict

SEARCH_SECONDS = 180.0
"""How long a search may take unless ``--call-timeout`` says otherwise."""

MODEL_SECONDS = 3600.0
"""The same for an answer or a verdict; the clients of models that are here have shorter limits of their own."""


ONLY_PROCESS = "main"
"""The name of the process of an invocation without workers."""


@dataclass(frozen=True)
class RunPart:
    """The part of one process in a run that was begun; `worker` counts from 0 among `workers`.

    `folder` is the run's, `invocation` identifies this start of it in leases. `benchmarks` are by name. `process` names
    this one among all that the invocation has ever had. `cache` is None where nothing is shared with other runs.
    `folder_id` tells the run's folder from others that work on the same run, "" where there can be none; `limits` are
    those of all places then.
    """

    config: BenchmarkConfig
    participants: Participants
    checkpoint: Checkpoint
    folder: Path
    invocation: str
    benchmarks: Mapping[str, OpenBenchmark]
    worker: int = 0
    workers: int = 1
    process: str = ONLY_PROCESS
    cache: StepCache | None = None
    folder_id: str = ""
    limits: RunLimits | None = None

    def holder(self, limits: Limits) -> str:
        """What the run's containers are named after, in a provider with these limits."""
        return (
            f"{self.checkpoint.run_id}-{self.folder_id}" if limits.local and self.folder_id else self.checkpoint.run_id
        )

    @property
    def in_flight(self) -> int:
        """Calls in flight at once in this process."""
        total = self.config.in_flight
        return max(1, total // self.workers + (self.worker < total % self.workers))

    @property
    def search_seconds(self) -> float:
        """How long a search may take."""
        return self.config.call_timeout or SEARCH_SECONDS

    @property
    def model_seconds(self) -> float:
        """How long an answer or a verdict may take."""
        return self.config.call_timeout or MODEL_SECONDS

    def open_ledger(self) -> Ledger:
        """A new ledger of this process's calls."""
        alone = self.process == ONLY_PROCESS
        return Ledger(calls_folder(self.folder), self.invocation, self.process, witness=alone)

    @property
    def in_batches(self) -> bool:
        """Whether verdicts come from batch endpoints."""
        return self.config.judge_batch and self.config.until == "judge"


class Job:
    """One question on its way: a future for each thing that will come of it, for any thread to wait on.

    `stored` is what the checkpoint has of it already, `place` its turn among the questions of this process.
    """

    def __init__(self, question: SelectedQuestion, stored: dict[str, StoredStep], place: int) -> None:
        self.key = question.key
        self.case = question.case
        self.stored = stored
        self.place = place
        self.ingested: Future[None] = Future()
        self.searched: Future[Sequence[SearchResult]] = Future()
        self.answered: Future[Answer] = Future()
        self.judged: Future[Verdict] = Future()
        self.task: Future[None] | None = None
        self.stopped = False

    @property
    def futures(self) -> tuple[Future[Any], ...]:
        """In the order of the phases."""
        return self.ingested, self.searched, self.answered, self.judged

    @property
    def failed(self) -> bool:
        """Whether it ended in an error."""
        return any(future.done() and future.exception() is not None for future in self.futures)

    def text(self, phase: Phase, inputs: str) -> str | None:
        """What a step gave that was done with the same inputs, as JSON; None without one."""
        step = self.stored.get(phase)
        return step.result if step is not None and step.state == "done" and step.inputs == inputs else None

    def recorded(self, phase: Phase, inputs: str) -> Any:
        """The same as a value; raises `RecordError`."""
        text = self.text(phase, inputs)
        return None if text is None else recorded(phase, text)

    def stop(self) -> None:
        """Go no further: somebody wants to do the rest with something else."""
        self.stopped = True
        if self.task:
            self.task.cancel()

    def fail(self, error: BaseException) -> None:
        """Give everybody who still waits the error."""
        for future in self.futures:
            if not future.done():
                future.set_exception(error)


def calls_folder(run: Path) -> Path:
    """Where the processes of the run in that folder note their calls in flight."""
    return run / "calls"


def batches_of(config: BenchmarkConfig, run: Path) -> BatchRecord:
    """Where the run in that folder writes down which batches it has sent: in PostgreSQL if its checkpoint is there."""
    if config.checkpoint_url and config.shares_run:
        return BatchRows(config.checkpoint_url, run.name, config.patience)
    return BatchFile(run / "judge_batches.sqlite")


def calls_models(participants: Participants, until: Phase) -> bool:
    """Whether a run that goes `until` a phase calls a model."""
    judges = [judge_record(judge) for judge in participants.judges] if until == "judge" else []
    return until in ("answer", "judge") and uses_models(participants.answerer_record, judges)
