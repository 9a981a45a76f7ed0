"""One run as one process sees it: opened before the first question, reported on after the last."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.cache import StepCache, trim_cache
from bench.config import BenchmarkConfig
from bench.pipeline.gating import Gating, with_lasting_baseline
from bench.pipeline.imported import only_judging
from bench.pipeline.participants import Participants, known_types, parts_of
from bench.pipeline.places import SharedRunner
from bench.pipeline.preflight import check_machine, check_services
from bench.pipeline.run_part import ONLY_PROCESS, RunPart, batches_of, calls_folder
from bench.pipeline.runner import Runner
from bench.pipeline.selection import OpenBenchmark, Shard, check_types, choose_run_id, describe_selection, shard_of
from bench.published import RecordedAnswers
from net import settle_calls
from reports.html import write_html
from reports.metrics import prepare_answer_metrics
from reports.report import Report, write_run
from reports.store import (
    VERSION,
    Checkpoint,
    Lead,
    RunRecord,
    SelectedQuestion,
    begin,
    begin_invocation,
    code_version,
    compare_code,
    end_invocation,
    mark_finished,
    new_invocation_id,
    read_git,
    read_progress,
    read_run,
    read_versions,
    settle_requests,
    sqlite_url,
    write_place,
)
from reports.store.sharing import ClosingFiles, PlaceLimits, Presence, at_work, folder_id
from vocabulary import CheckpointError, ConfigurationError

ROOT = Path(__file__).parents[2]


@dataclass
class RunSession:
    """What is known of a run before anything of it is on disk, and then the way to its record.

    Making one checks all that can be checked without reading published data; it raises `ConfigurationError`, and
    `DataError` for a fault in the user's own data.
    `worker` counts from 0 among `workers` processes; `leads` is False in the workers of a controller, each of which has
    a name of its own in `process`, also one that takes the place of another; `shared` makes the runner of a place.
    `second_look_at` is the finished run whose wrong questions are asked again in this one. `shard` is known once the
    selection is.
    """

    config: BenchmarkConfig
    command: str
    run_id: str = ""
    invocation: str = field(default_factory=new_invocation_id)
    started: float = field(default_factory=time.time)
    second_look_at: str | None = None
    worker: int = 0
    workers: int = 1
    leads: bool = True
    process: str = ONLY_PROCESS
    shared: Callable[[RunPart, Presence, Callable[[SelectedQuestion], bool]], Runner] = SharedRunner
    shard: Shard | None = field(default=None, init=False)
    _lead: Lead | None = field(default=None, init=False)
    _cache: StepCache | None = field(default=None, init=False)
    recorded: RecordedAnswers | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.second_look_at or self.config.retry_from == "ingest":
            self.config = self.config.model_copy(update={"cache": None})  # all of it is to be done again
        self.run_id = choose_run_id(self.config, self.run_id, second_look=bool(self.second_look_at))
        if self.config.answers:
            self.recorded = RecordedAnswers(self.config.runs_dir, self.config.answers)
            self.config = only_judging(self.config, self.recorded, self.run_id)
        self.batches = batches_of(self.config, self.folder)
        self.participants = Participants.of(self.config, self.batches, self.recorded)
        self.config = with_lasting_baseline(self.config)
        self.gating = Gating(self.config, self.run_id)
        check_types(self.config, known_types(self.config.benchmark_options, self.config.question_type))
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
    def calls(self) -> Path:
        """Where its processes note their calls under way."""
        return calls_folder(self.folder)

    @property
    def url(self) -> str:
        """Where the checkpoint is."""
        return self.config.checkpoint_url or sqlite_url(self.folder / "checkpoint.sqlite")

    @property
    def is_exclusive(self) -> bool:
        """Whether no other place may work on the run meanwhile."""
        return bool(self.config.retry_from or self.second_look_at)

    @property
    def exists(self) -> bool:
        """Whether the run was begun before."""
        if self.config.checkpoint_url is None:
            return (self.folder / "checkpoint.sqlite").is_file()
        with closing(Checkpoint(self.url, self.run_id)) as checkpoint, suppress(CheckpointError):
            read_run(checkpoint)
            return True
        return False

    def take_shard(self, selected: Sequence[SelectedQuestion]) -> Sequence[SelectedQuestion]:
        """What this place asks of all that is `selected`; raises `ConfigurationError` if nothing is left for it."""
        if self.config.shard is not None and selected:
            self.shard = shard_of(selected, self.config.shard, shared=self.config.shares_run)
        return selected if self.config.shares_run else [question for question in selected if self.is_own(question)]

    def is_own(self, question: SelectedQuestion) -> bool:
        """Whether a question is in the part that this place asks or, where places share the run, begins with."""
        return self.shard is None or question.key in self.shard.ordinals

    def preflight(self, opened: Sequence[OpenBenchmark] = ()) -> None:
        """Check the machine and the services that the run is going to call; raises `ConfigurationError`."""
        check_machine(self.config.in_flight, self.workers)
        if self.config.retry_from or not self._is_complete:
            check_services(self.participants, self.config.until, opened)

    @property
    def _is_complete(self) -> bool:
        """Whether all is recorded, so that nothing is called."""
        if not self.exists:
            return False
        with closing(Checkpoint(self.url, self.run_id)) as checkpoint:
            return read_progress(checkpoint, self.config.until).complete

    def open(self) -> Checkpoint:
        """The run's record, begun if it is new.

        Raises `ConfigurationError` if the run was begun with other inputs, another invocation is at work on it, or its
        folder cannot be written.
        """
        self.lead()
        if self.config.checkpoint_url is None:
            with suppress(OSError):  # SQLite says what is wrong
                (self.folder / "checkpoint.sqlite").touch(mode=0o600)
        try:
            self._cache = StepCache(self.config.cache) if self.config.cache else None
            checkpoint = Checkpoint(self.url, self.run_id, patience=self.config.patience)
        except BaseException:
            self.release()
            raise
        try:
            if self.is_exclusive and at_work(checkpoint):
                raise ConfigurationError(
                    f"run {self.run_id!r} is being worked on from another folder or machine: wait for its end, or stop "
                    "that."
                )
            begin(checkpoint, self._record(), parts_of(self.config, self.participants, VERSION), self.config.retry_from)
            self.settle(checkpoint)
            if self.config.retry_from:
                self.batches.forget_all()  # else it would be given the same verdicts again
            checkpoint.lock(self.folder, self.release)
            if self.config.checkpoint_url:
                write_place(self.folder, self.run_id, self.config.checkpoint_url)
            begin_invocation(checkpoint, self.invocation, self.command)
        except BaseException:
            checkpoint.close()
            self.release()
            raise
        return checkpoint

    def settle(self, checkpoint: Checkpoint) -> None:
        """Record the forms of requests, once they are known; raises `ConfigurationError` if one has changed."""
        found = [asked for asked in self.participants.requests(self.config.until) if asked.form is not None]
        settle_requests(checkpoint, found, self.config.retry_from)

    def lead(self) -> None:
        """Keep out until `release` those that may not work on the run meanwhile; refuse if one of them does."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)  # it holds prompts and answers
        except OSError as error:
            raise ConfigurationError(
                f"the run's folder {self.folder} cannot be made: {error.strerror}. Choose another with --runs-dir."
            ) from error
        if self.leads and self._lead is None:
            self._lead = Lead(self.folder, self.run_id, self.config.checkpoint_url, exclusive=self.is_exclusive)
            settle_calls(self.calls)

    def release(self) -> None:
        """Let others work on the run."""
        for held in (self._lead, self._cache):
            if held is not None:
                held.close()
        self._lead = self._cache = None

    def work(self, checkpoint: Checkpoint, benchmarks: Mapping[str, OpenBenchmark]) -> Runner:
        """What this process does of the run; it closes the cache when it stops."""
        if self.leads and self.config.until in ("answer", "judge"):
            for opened in benchmarks.values():
                prepare_answer_metrics((opened.benchmark.official_answer or "", *opened.benchmark.paper_metrics))
        cache, self._cache = self._cache, None
        folder = folder_id(self.folder) if checkpoint.engine.dialect.name == "postgresql" else ""
        place = f"{self.invocation}:{self.process}", folder, self.config.until, self.config.shard
        presence = Presence(checkpoint, *place) if folder and not self.is_exclusive else None
        part = RunPart(
            self.config,
            self.participants,
            checkpoint,
            self.folder,
            self.invocation,
            benchmarks,
            worker=self.worker,
            workers=self.workers,
            process=self.process,
            cache=cache,
            folder_id=folder,
            limits=PlaceLimits(presence) if presence else None,
        )
        return self.shared(part, presence, self.is_own) if presence else Runner(part)

    def finish(
        self, checkpoint: Checkpoint, *, complete: bool = True, unmeasured: Mapping[str, str] | None = None
    ) -> Report:
        """Write down that this work is over, and the report of all that the run knows.

        A run is finished once all its questions have ended in an invocation that is `complete`: that went through all
        it had to do. `unmeasured` gives requested benchmarks without data, with the reason.
        """
        if complete and read_progress(checkpoint, self.config.until).finished:
            mark_finished(checkpoint)
        end_invocation(checkpoint, self.invocation)
        run, files = read_run(checkpoint), ClosingFiles(checkpoint)
        report = write_run(
            self.folder,
            run,
            checkpoint.settled_records(),
            checkpoint.container_records(),
            thresholds=self.gating.thresholds,
            max_errors=self.config.max_errors,
            against=self.gating.against,
            unmeasured=unmeasured or {},
            state=checkpoint.digest(),
            besides=write_html,
            shared=files if run.finished and files.are_shared else None,
        )
        if self.config.cache:
            trim_cache(self.config.cache, self.config.cache_mb << 20)
        return report

    def compare_code(self, checkpoint: Checkpoint) -> None:
        """Record what code is not the same as when the run was begun: the report warns of it."""
        compare_code(checkpoint, self._code())

    def _code(self) -> dict[str, str]:
        """The commits of this suite, and of the providers that are not in its repository."""
        found = {"the suite": code_version(ROOT)}
        for name, provider in self.participants.providers.items():
            file = Path(inspect.getfile(provider)).resolve()
            if not file.is_relative_to(ROOT):
                found[f"provider {name}"] = code_version(file.parent, file)
        return found

    def _record(self) -> RunRecord:
        shard = self.shard.record if self.shard else None
        return RunRecord(
            id=self.run_id,
            fingerprint="",
            started=self.began,
            finished=None,
            command=self.command,
            versions=read_versions(),
            git=read_git(ROOT),
            code=self._code(),
            until=self.config.until,
            top_k=self.participants.top_k(self.config),
            isolation=self.config.isolation,
            selection=self.config.selection,
            sampled=", ".join(filter(None, [describe_selection(self.config), str(shard or "")])) or None,
            shard=shard,
            second_look_at=self.second_look_at,
            answers_from=self.recorded.run.id if self.recorded else None,
            in_flight=self.config.in_flight,
            workers=self.workers,
            loop_lag_ms_p99=None,
            providers=self.participants.provider_records,
            benchmarks=(),
            answerer=self.participants.answerer_record,
            judge=self.participants.judge_record,
            requests=self.participants.requests(self.config.until),
        )
