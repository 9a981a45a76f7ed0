"""Everything that one process needs to take questions through a run: benchmarks, pipelines, and what lies ahead."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from pathlib import Path

from bench.background import BackgroundLoop
from bench.base import Benchmark
from bench.config import SELECTION_FIELDS, BenchmarkConfig
from bench.pipeline import Job, Pipeline, Services, fingerprint_of
from bench.provider_options import provider_settings, recorded_settings
from bench.selection import select_from
from judges import Judge, find_judge
from llms import Answerer, find_answerer
from providers import Limits, Provider, ProviderSettings, find_provider
from reports import (
    AnswererRecord,
    BenchmarkRecord,
    Checkpoint,
    JudgeRecord,
    Parts,
    Phase,
    ProviderRecord,
    QuestionKey,
    SampleRecord,
    check_selection,
    note_lag,
)
from schema import Answer, Case, JudgeError, ModelError, ProviderError, SearchResult, Verdict, find_class, known_classes

INGEST_AHEAD = 4
"""How many haystacks a process makes ready beyond those of the questions that it looks ahead to."""

LOOK_AHEAD = 4
"""How many times as many questions are begun as may be in flight, so that a slow one holds nobody back."""


@dataclass(frozen=True)
class Cast:
    """Who takes part in a run, found by name before anything is begun."""

    providers: dict[str, type[Provider]]
    settings: dict[str, ProviderSettings]
    answerer: type[Answerer]
    judge: type[Judge]

    @classmethod
    def of(cls, config: BenchmarkConfig) -> Cast:
        """The classes that `config` names, the providers with their settings; raises `schema.ConfigurationError`."""
        providers = {name: find_provider(name) for name in config.provider}
        return cls(
            providers,
            provider_settings(providers, config.provider_option),
            find_answerer(config.answering_model),
            find_judge(config.judge),
        )

    @property
    def provider_records(self) -> tuple[ProviderRecord, ...]:
        """What a report says of the providers."""
        return tuple(
            ProviderRecord(name=name, version=found.version, settings=recorded_settings(self.settings[name]))
            for name, found in self.providers.items()
        )

    @property
    def answerer_record(self) -> AnswererRecord:
        """What a report says of the answering model."""
        return AnswererRecord(name=self.answerer.name, version=self.answerer.version, offline=self.answerer.offline)

    @property
    def judge_record(self) -> JudgeRecord:
        """What a report says of the judge."""
        return JudgeRecord(name=self.judge.name, protocol=self.judge.protocol, model=self.judge.model)


def known_types() -> set[str]:
    """The question types of all benchmarks."""
    return {name for benchmark in known_classes(Benchmark, "bench").values() for name in benchmark.types}


def benchmark_names() -> list[str]:
    """The benchmarks that can be asked for by name."""
    return sorted(known_classes(Benchmark, "bench"))


def find_benchmark(name: str) -> type[Benchmark]:
    """The benchmark class of that name or dotted path; raises `schema.UnknownNameError`."""
    return find_class("benchmark", name, Benchmark, "bench")


def record_of(benchmark: Benchmark, sample: SampleRecord) -> BenchmarkRecord:
    """What the checkpoint keeps of a benchmark, and of what was chosen from it."""
    return BenchmarkRecord(
        **benchmark.info.model_dump(),
        types=benchmark.types,
        official_f1=benchmark.official_f1,
        official_retrieval=benchmark.official_retrieval,
        sample=sample,
    )


def parts_of(config: BenchmarkConfig, cast: Cast, version: str) -> Parts:
    """All that the numbers depend on and that is known before any data is read."""
    selection = config.model_dump(mode="json", include=set(SELECTION_FIELDS))
    return {
        "suite.version": version,
        "ingest.isolation": config.isolation,
        "search.top_k": config.top_k,
        "answer.model": cast.answerer_record.model_dump(mode="json"),
        "judge.judge": cast.judge_record.model_dump(mode="json"),
        **{f"selection.{name}": value for name, value in selection.items()},
        **{f"ingest.provider.{record.name}": record.model_dump(mode="json") for record in cast.provider_records},
    }


class Workbench:
    """One process's part in a run that has been begun.

    `worker` counts from 0 among `workers`; `benchmarks` are those that are open already.
    """

    def __init__(
        self,
        config: BenchmarkConfig,
        checkpoint: Checkpoint,
        folder: Path,
        invocation: str,
        benchmarks: dict[str, Benchmark],
        *,
        worker: int = 0,
        workers: int = 1,
    ) -> None:
        self.config = config
        self.checkpoint = checkpoint
        self.cast = Cast.of(config)
        self.in_flight = max(1, config.in_flight // workers + (worker < config.in_flight % workers))
        self._folder = folder
        self._invocation = invocation
        self._benchmarks = benchmarks
        self._workers = workers
        self._background = BackgroundLoop()
        self._pipelines: dict[tuple[str, str], Pipeline] = {}
        self._providers: dict[str, Provider] = {}
        self._jobs: dict[QuestionKey, Job] = {}
        self._failed: set[QuestionKey] = set()
        self._places = count()
        self._stopped = False
        self._expected: deque[tuple[str, Case]] = deque()

    @property
    def window(self) -> int:
        """How many questions are begun ahead of the one that is waited for."""
        return self.in_flight * LOOK_AHEAD

    def seal(self, selected: Sequence[tuple[str, Case]]) -> None:
        """Fix what the run is about, or make sure that it is about this; raises `schema.ConfigurationError`."""
        used = {case.benchmark for _provider, case in selected}
        opened = [benchmark for name, benchmark in self._benchmarks.items() if name in used]
        records = [record_of(benchmark, select_from(benchmark, self.config).sample) for benchmark in opened]
        self.checkpoint.seal(selected, records)
        keys = [QuestionKey(provider, case.benchmark, case.id) for provider, case in selected]
        check_selection(self.checkpoint, keys, records)

    # --- one question ----------------------------------------------------------------------------------------------

    def job(self, provider: str, case: Case) -> Job:
        """The job of a question: begun now if it is not under way."""
        self._begin([(provider, case)])
        return self._jobs[QuestionKey(provider, case.benchmark, case.id)]

    def retry(self, provider: str, case: Case) -> None:
        """Begin a question anew if it ended in an error; a verdict is never asked for again."""
        key = QuestionKey(provider, case.benchmark, case.id)
        if key in self._failed or (key in self._jobs and self._jobs[key].failed):
            self._failed.discard(key)
            self._jobs.pop(key, None)
            self._begin([(provider, case)], again=True)

    def forget(self, provider: str, case: Case) -> None:
        """Let go of what a reported question holds in memory."""
        key = QuestionKey(provider, case.benchmark, case.id)
        job = self._jobs.pop(key, None)
        if job is not None and job.failed:
            self._failed.add(key)

    def answer(self, provider: str, case: Case, results: tuple[SearchResult, ...]) -> Answer:
        """The answer from `results`: the one under way, or another one if a test has changed what was found."""
        job = self.job(provider, case)
        if results == job.searched.result():
            return job.answered.result()
        job.stop()
        return self._background.run(self.pipeline(provider, case.benchmark).answer(job, results))

    def judge(self, provider: str, case: Case, answer: Answer) -> Verdict:
        """The verdict on `answer`: the one under way, or another one if a test has changed the answer."""
        job = self.job(provider, case)
        if not job.stopped and answer == job.answered.result():
            return job.judged.result()
        job.stop()
        return self._background.run(self.pipeline(provider, case.benchmark).judge(job, answer))

    def expect(self, order: Iterable[tuple[str, Case]]) -> None:
        """Say which questions this process will probably get, so that their haystacks can be made ready ahead."""
        distinct = {(provider, self._container(provider, case)): case for provider, case in order}
        self._expected = deque((provider, case) for (provider, _container), case in distinct.items())

    def look_ahead(self, upcoming: Iterable[tuple[str, Case]]) -> None:
        """Begin the questions that come next, and make the haystacks after them ready."""
        if len(self._jobs) <= self.window * 3 // 4:  # in strides: each look at what is begun already costs a little
            self._begin([(provider, case) for provider, case in islice(upcoming, self.window)])
        while self._expected and sum(pipeline.ingesting for pipeline in self._pipelines.values()) < INGEST_AHEAD:
            provider, case = self._expected.popleft()
            self._background.submit(self.pipeline(provider, case.benchmark).make_ready(case))

    def _begin(self, asked: Sequence[tuple[str, Case]], *, again: bool = False) -> None:
        """Begin the questions that are not under way yet."""
        new = {
            key: case
            for provider, case in asked
            if (key := QuestionKey(provider, case.benchmark, case.id)) not in self._jobs
        }
        if not new:
            return
        stored = self.checkpoint.steps(new)
        for key, case in new.items():
            self._jobs[key] = job = Job(case, stored[key], next(self._places))
            pipeline = self.pipeline(key.provider, case.benchmark)
            job.task = self._background.submit(pipeline.run(job, again=again))

    def _container(self, provider: str, case: Case) -> str:
        return self.pipeline(provider, case.benchmark).container(case)

    # --- what it is made of ----------------------------------------------------------------------------------------

    def pipeline(self, provider: str, benchmark: str) -> Pipeline:
        """The pipeline of a provider over a benchmark."""
        key = (provider, benchmark)
        if key not in self._pipelines:
            self._pipelines[key] = self._background.run(self._make_pipeline(provider, benchmark))
        return self._pipelines[key]

    async def _make_pipeline(self, provider: str, benchmark: str) -> Pipeline:
        found = self.cast.providers[provider]
        if provider not in self._providers:
            workspace = self._folder / "providers" / "".join(letter if letter.isalnum() else "-" for letter in provider)
            workspace.mkdir(parents=True, exist_ok=True)
            self._providers[provider] = found(self.cast.settings[provider], workspace)
        answerer, judge = self._models
        services = self._services
        answering = _bounded(answerer.concurrency, answerer.offline)
        judging = _bounded(judge.concurrency, judge.model is None)
        record = next(record for record in self.cast.provider_records if record.name == provider)
        inputs: dict[Phase, str] = {
            "search": fingerprint_of([record.model_dump(mode="json"), self.config.top_k]),
            "answer": fingerprint_of(self.cast.answerer_record.model_dump(mode="json")),
            "judge": fingerprint_of(self.cast.judge_record.model_dump(mode="json")),
        }
        return Pipeline(
            benchmark=self._benchmarks[benchmark],
            provider=self._providers[provider],
            provider_name=provider,
            answerer=answerer,
            judge=judge,
            callers=(
                services.caller(f"provider-{provider}", self._providers[provider].limits, ProviderError),
                services.caller(f"answerer-{answerer.name}", answering, ModelError),
                services.caller(f"judge-{judge.name}", judging, JudgeError),
            ),
            checkpoint=self.checkpoint,
            invocation=self._invocation,
            top_k=self.config.top_k,
            per_question=self.config.isolation == "question",
            until=self.config.until,
            inputs=inputs,
        )

    @cached_property
    def _models(self) -> tuple[Answerer, Judge]:
        return self.cast.answerer(), self.cast.judge()

    @cached_property
    def _services(self) -> Services:
        return Services(in_flight=self.in_flight, workers=self._workers, folder=self._folder / "limits")

    def stop(self) -> None:
        """Cancel what is under way and keep what is done; nothing can be begun after it."""
        if self._stopped:
            return
        self._stopped = True
        lag = self._background.lag_ms_p99() if self._times_on_the_loop else None
        self._background.run(self._background.cancel_all())
        self._background.run(self._close_services())
        self._background.stop()
        if "_services" in self.__dict__:
            self._services.close()
        if lag is not None:
            note_lag(self.checkpoint, self._invocation, lag)

    def close(self) -> None:
        """Stop, and let go of the checkpoint."""
        self.stop()
        self.checkpoint.close()

    @property
    def _times_on_the_loop(self) -> bool:
        """Whether any call is a coroutine: only those are timed late when the loop lags."""
        answerer, judge = self._models
        calls = [*(provider.search for provider in self._providers.values()), answerer.answer, judge.evaluate]
        return any(inspect.iscoroutinefunction(call) for call in calls)

    async def _close_services(self) -> None:
        used = [*self._providers.values(), *(self.__dict__.get("_models") or ())]
        for one in used:
            try:
                closing = one.close()
                if closing is not None:
                    await closing
            except Exception as error:  # noqa: BLE001  what it was asked for is done; its report must not be lost to this
                logging.getLogger(__name__).warning("%s did not close: %r", type(one).__name__, error)


def _bounded(concurrency: int | None, offline: bool) -> Limits:
    """A model behind a server may be called by all in flight; one that computes here shares this process's cores."""
    if offline and concurrency is None:
        return Limits(concurrency=1, scope="process")
    return Limits(concurrency=concurrency)
