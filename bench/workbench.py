"""Everything that one process needs to take questions through a run: benchmarks, pipelines, and what lies ahead."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import count, islice
from pathlib import Path

from bench.attempts import Caller
from bench.background import BackgroundLoop
from bench.base import Benchmark
from bench.cast import Cast, judge_record, record_of
from bench.config import BenchmarkConfig
from bench.pipeline import Job, Pipeline, Services, Voter, fingerprint_of
from bench.selection import select_from
from judges import Judge
from llms import Answerer
from providers import Limits, Provider
from reports import (
    Checkpoint,
    Phase,
    QuestionKey,
    check_selection,
    note_lag,
)
from schema import (
    Answer,
    Case,
    JudgeError,
    ModelError,
    ProviderError,
    SearchResult,
    Verdict,
)

INGEST_AHEAD = 4
"""How many haystacks a process makes ready beyond those of the questions that it looks ahead to."""

BATCH_AHEAD = 10_000
"""How many questions are begun ahead where verdicts come in batches: a batch is to hold as many as it can."""

LOOK_AHEAD = 4
"""How many times as many questions are begun as may be in flight, so that a slow one holds nobody back."""


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
        self.cast = Cast.of(config, folder)
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
        self._begun = 0
        self._stopped = False
        self._expected: deque[tuple[str, Case]] = deque()
        self._followed: set[str] = set()

    @property
    def window(self) -> int:
        """How many questions are begun ahead of the one that is waited for: with ``--max-usd`` no more than fly."""
        if self.config.max_usd is not None:
            return self.in_flight
        return BATCH_AHEAD if self._in_batches else self.in_flight * LOOK_AHEAD

    @property
    def _in_batches(self) -> bool:
        return self.config.judge_batch and self.config.until == "judge"

    def seal(self, selected: Sequence[tuple[str, Case]]) -> None:
        """Fix what the run is about, or make sure that it is about this; raises `schema.ConfigurationError`."""
        used = {case.benchmark for _provider, case in selected}
        opened = [benchmark for name, benchmark in self._benchmarks.items() if name in used]
        records = [record_of(benchmark, select_from(benchmark, self.config).sample, self.cast) for benchmark in opened]
        self.checkpoint.seal(selected, records)
        self.checkpoint.renew(records)
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
        """Say which questions this process will probably get, so that their haystacks can be made ready ahead.

        A container that one process has to itself may yet be another worker's: it waits until its questions are sent.
        What was searched already needs none.
        """
        searched = self.checkpoint.ended("search")
        distinct = {
            (provider, self._container(provider, case)): case
            for provider, case in order
            if QuestionKey(provider, case.benchmark, case.id) not in searched
            and not self._one_of_several(provider, case)
        }
        self._expected = deque((provider, case) for (provider, _container), case in distinct.items())

    def look_ahead(self, upcoming: Iterable[tuple[str, Case]]) -> None:
        """Begin the questions that come next, and make the haystacks after them ready."""
        # in strides: each look at what is begun already costs a little, and in batches all may be begun
        most = self._begun if self._in_batches and self._begun else self.window
        if len(self._jobs) <= most * 3 // 4:
            following = iter(upcoming)
            self._begin([(provider, case) for provider, case in islice(following, self.window)])
            self._begun = len(self._jobs)
            self._follow(following)
        while self._expected and sum(pipeline.ingesting for pipeline in self._pipelines.values()) < INGEST_AHEAD:
            provider, case = self._expected.popleft()
            self._background.submit(self.pipeline(provider, case.benchmark).make_ready(case))

    def _follow(self, sent: Iterable[tuple[str, Case]]) -> None:
        """Expect the containers that came to be this worker's with the questions that it was sent."""
        if self._workers == 1:
            return
        new = {
            container: (provider, case)
            for provider, case in sent
            if (container := self.lone_container(provider, case)) is not None and container not in self._followed
        }
        self._followed.update(new)
        self._expected.extendleft(reversed(new.values()))

    def lone_container(self, provider: str, case: Case) -> str | None:
        """The container of a question if only one process may have it open; None if any worker may be asked."""
        container = self._container(provider, case)
        alone = self._providers[provider].limits.containers == "one-process"
        return f"{provider} {container}" if alone else None

    def _one_of_several(self, provider: str, case: Case) -> bool:
        return self._workers > 1 and self.lone_container(provider, case) is not None

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
            self._providers[provider] = found(self.cast.settings[provider], workspace_of(self._folder, provider))
        asked, waiting = self._callers_of(provider, self._providers[provider])
        opened = self._benchmarks[benchmark]
        answerer = self.cast.answerer_for(opened, provider, self._providers[provider])
        services = self._services
        answering = _bounded(answerer.concurrency, answerer.offline)
        record = next(record for record in self.cast.provider_records if record.name == provider)
        inputs: dict[Phase, str] = {
            "search": fingerprint_of([record.model_dump(mode="json"), self.config.top_k]),
            "answer": fingerprint_of(
                [self.cast.answerer_record.model_dump(mode="json"), answerer.prompt, self.config.context_tokens]
            ),
        }
        voters = tuple(self._voters(opened))
        if self.config.until in ("answer", "judge"):
            await answerer.open()
        if self.config.until == "judge":
            for judge in dict.fromkeys(voter.judge for voter in voters):
                await judge.open()
        return Pipeline(
            benchmark=opened,
            provider=self._providers[provider],
            provider_name=provider,
            answerer=answerer,
            voters=voters,
            callers=(
                asked,
                waiting,
                services.caller(f"answerer-{answerer.name}", answering, ModelError),
            ),
            checkpoint=self.checkpoint,
            invocation=self._invocation,
            top_k=self.config.top_k,
            per_question=self.config.isolation == "question",
            until=self.config.until,
            inputs=inputs,
        )

    def _callers_of(self, name: str, provider: Provider) -> tuple[Caller, Caller]:
        """Who calls a provider, and who waits for it to be done with indexing: that keeps nothing here busy."""
        asked = self._services.caller(f"provider-{name}", provider.limits, ProviderError)
        provider.hold = asked.hold
        if not inspect.iscoroutinefunction(provider.await_indexing):
            return asked, asked
        return asked, self._services.caller(f"indexing-{name}", Limits(), ProviderError, unhurried=True)

    def _voters(self, benchmark: Benchmark) -> Iterator[Voter]:
        for judge in self.cast.judges_for(benchmark):
            limits = _bounded(judge.concurrency, judge.model is None)
            caller = self._services.caller(f"judge-{judge.name}", limits, JudgeError, unhurried=judge.unhurried)
            record = judge_record(judge)
            for repeat in range(self.config.judge_repeats):
                inputs = fingerprint_of([record.model_dump(mode="json"), repeat])
                yield Voter(judge.for_repeat(repeat), record.name, repeat, caller, inputs)

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
        judges = [judge.evaluate for judge in self.cast.judges]
        calls = [*(provider.search for provider in self._providers.values()), self.cast.answerer.answer, *judges]
        return any(inspect.iscoroutinefunction(call) for call in calls)

    async def _close_services(self) -> None:
        used: list[Provider | Answerer | Judge] = [*self._providers.values(), self.cast.answerer, *self.cast.judges]
        for one in used:
            try:
                closing = one.close()
                if closing is not None:
                    await closing
            except Exception as error:  # noqa: BLE001  what it was asked for is done; its report must not be lost to this
                logging.getLogger(__name__).warning("%s did not close: %r", type(one).__name__, error)


def workspace_of(folder: Path, provider: str) -> Path:
    """The folder that a provider has to itself in the run in `folder`; made if it is not there."""
    workspace = folder / "providers" / "".join(letter if letter.isalnum() else "-" for letter in provider)
    workspace.mkdir(parents=True, exist_ok=True)
    return workspace


def _bounded(concurrency: int | None, offline: bool) -> Limits:
    """A model behind a server may be called by all in flight; one that computes here shares this process's cores."""
    if offline and concurrency is None:
        return Limits(concurrency=1, scope="process")
    return Limits(concurrency=concurrency)
