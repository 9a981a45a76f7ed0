"""One run as one process sees it: opened before the first question, reported on after the last."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.base import Benchmark
from bench.cast import Cast, batches_of, known_types, parts_of
from bench.config import SELECTION_FIELDS, BenchmarkConfig
from bench.selection import check_types, describe_selection
from bench.workbench import Workbench
from llms import forget_batches
from reports import (
    VERSION,
    Checkpoint,
    QuestionKey,
    Report,
    RunRecord,
    Threshold,
    begin,
    begin_invocation,
    check_run_id,
    check_threshold_types,
    end_invocation,
    mark_finished,
    new_invocation_id,
    new_run_id,
    parse_threshold,
    read_git,
    read_progress,
    read_run,
    read_versions,
    shown,
    sqlite_url,
    write_run,
)
from schema import Case, CheckpointError, ConfigurationError

ROOT = Path(__file__).parent.parent


@dataclass
class RunSession:
    """What is known of a run before anything of it is on disk, and then the way to its record.

    Making one checks all that can be checked without reading data; it raises `schema.ConfigurationError`.
    `worker` counts from 0 among `workers` processes. `second_look_at` is the finished run whose wrong questions are
    asked again in this one.
    """

    config: BenchmarkConfig
    command: str
    run_id: str = ""
    invocation: str = field(default_factory=new_invocation_id)
    started: float = field(default_factory=time.time)
    second_look_at: str | None = None
    worker: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        if url := self.config.checkpoint_url:
            self.command = self.command.replace(url, shown(url))
        self.run_id = check_run_id(self.run_id or self.config.run_id or new_run_id())
        self.cast = Cast.of(self.config)
        self.thresholds: list[Threshold] = [parse_threshold(text) for text in self.config.fail_under]
        types = known_types()
        check_types(self.config, types)
        check_threshold_types(self.thresholds, types)
        if self.config.retry_from and not self.exists:
            raise ConfigurationError(
                f"--retry-from {self.config.retry_from}: there is no run {self.run_id!r} in {self.config.runs_dir} to "
                "ask again; name one with --run-id."
            )

    @property
    def began(self) -> datetime:
        """When this process or its controller began; a run that is continued began before."""
        return datetime.fromtimestamp(self.started, UTC)

    @property
    def folder(self) -> Path:
        """Where all files of the run lie."""
        return self.config.runs_dir / self.run_id

    @property
    def url(self) -> str:
        """Where the checkpoint is."""
        return self.config.checkpoint_url or sqlite_url(self.folder / "checkpoint.sqlite")

    @property
    def exists(self) -> bool:
        """Whether the run was begun before."""
        if self.config.checkpoint_url is None:
            return (self.folder / "checkpoint.sqlite").is_file()
        checkpoint = Checkpoint(self.url, self.run_id)
        try:
            read_run(checkpoint)
        except CheckpointError:
            return False
        finally:
            checkpoint.close()
        return True

    def open(self) -> Checkpoint:
        """The run's record, begun if it is new.

        Raises `schema.ConfigurationError` if the run was begun with other inputs or its folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"the run's folder {self.folder} cannot be made: {error.strerror}. Choose another with --runs-dir."
            ) from error
        checkpoint = Checkpoint(self.url, self.run_id)
        try:
            begin(checkpoint, self._record(), parts_of(self.config, self.cast, VERSION), self.config.retry_from)
            if self.config.retry_from:
                forget_batches(batches_of(self.folder))  # else it would be given the same verdicts again
            begin_invocation(checkpoint, self.invocation, self.command)
        except BaseException:
            checkpoint.close()
            raise
        return checkpoint

    def work(self, checkpoint: Checkpoint, benchmarks: dict[str, Benchmark]) -> Workbench:
        """What this process does of the run."""
        return Workbench(
            self.config,
            checkpoint,
            self.folder,
            self.invocation,
            benchmarks,
            worker=self.worker,
            workers=self.workers,
        )

    def finish(self, checkpoint: Checkpoint) -> Report:
        """Write down that this work is over, and the report of all that the run knows."""
        if read_progress(checkpoint, self.config.until).finished:
            mark_finished(checkpoint)
        end_invocation(checkpoint, self.invocation)
        return write_run(
            self.folder,
            read_run(checkpoint),
            checkpoint.question_records(),
            checkpoint.container_records(),
            thresholds=self.thresholds,
            max_errors=self.config.max_errors,
        )

    def _record(self) -> RunRecord:
        return RunRecord(
            id=self.run_id,
            fingerprint="",
            started=self.began,
            finished=None,
            command=self.command,
            versions=read_versions(),
            git=read_git(ROOT),
            until=self.config.until,
            top_k=self.config.top_k,
            isolation=self.config.isolation,
            selection=self.config.model_dump(mode="json", include=set(SELECTION_FIELDS)),
            sampled=describe_selection(self.config),
            second_look_at=self.second_look_at,
            in_flight=self.config.in_flight,
            workers=self.workers,
            loop_lag_ms_p99=None,
            providers=self.cast.provider_records,
            benchmarks=(),
            answerer=self.cast.answerer_record,
            judge=self.cast.judge_record,
        )


def keys_of(selected: Iterable[tuple[str, Case]]) -> list[QuestionKey]:
    """The checkpoint's keys of (provider, case) pairs."""
    return [QuestionKey(provider, case.benchmark, case.id) for provider, case in selected]


def each_once(selected: Sequence[tuple[str, Case]]) -> list[tuple[str, Case]]:
    """(provider, case) pairs without those that are there already: several tests may be about one question."""
    return list(dict(zip(keys_of(selected), selected, strict=True)).values())
