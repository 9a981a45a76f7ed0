"""The jobs of one process: which questions are begun, how far ahead, and what is kept of them until reported."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import count, islice

from bench.pipeline.assembly import Assembly
from bench.pipeline.background import BackgroundLoop
from bench.pipeline.participants import record_of
from bench.pipeline.pipeline import Pipeline
from bench.pipeline.run_part import Job, RunPart
from bench.pipeline.selection import Shard, check_shard
from reports.store import QuestionKey, SelectedQuestion, check_selection, note_lag, save_note
from vocabulary import Answer, SearchResult, StalledError, Verdict

INGEST_AHEAD = 4
"""How many haystacks a process makes ready beyond those of the questions that it looks ahead to."""

BATCH_AHEAD = 10_000
"""How many questions are begun ahead where verdicts come in batches: a batch is to hold as many as it can."""

LOOK_AHEAD = 4
"""How many times as many questions are begun as may be in flight, so that a slow one holds nobody back."""

STALLED_AFTER = 10.0
"""How many seconds longer than a search the event loop may stand still before the run is given up."""

WAITING = 8
"""How many windows of questions are begun at most, those that wait for an ingest included."""


class Runner:
    """Takes the questions of one process through their pipelines, ahead of the tests that wait for them."""

    def __init__(self, part: RunPart) -> None:
        self.config = part.config
        self.checkpoint = part.checkpoint
        self._part = part
        self._background = BackgroundLoop(part.search_seconds + STALLED_AFTER, self._fail)
        self._assembly = Assembly(part)
        self._pipelines: dict[tuple[str, str], Pipeline] = {}
        self._jobs: dict[QuestionKey, Job] = {}
        self._waiting: dict[QuestionKey, str] = {}
        self._failed: set[QuestionKey] = set()
        self._places = count()
        self._begun = 0
        self._stopped = False
        self._under_way = False
        self._expected: deque[SelectedQuestion] = deque()
        self._followed: set[str] = set()

    @property
    def window(self) -> int:
        """How many questions are begun ahead of the one that is waited for; capped at `in_flight` by ``--max-usd``."""
        if self.config.max_usd is not None:
            return self.in_flight
        return BATCH_AHEAD if self._part.in_batches else self.in_flight * LOOK_AHEAD

    @property
    def in_flight(self) -> int:
        """How many calls this process has in flight at once."""
        return self._part.in_flight

    def seal(self, selected: Sequence[SelectedQuestion], shard: Shard | None = None) -> None:
        """Fix what the run is about, or make sure that it is about this; raises `ConfigurationError`."""
        used = {question.case.benchmark for question in selected}
        opened = [one for name, one in self._part.benchmarks.items() if name in used]
        records = [record_of(one.benchmark, one.selection.sample, self._part.participants) for one in opened]
        self.checkpoint.seal(selected, records, shard.ordinals if shard else {})
        self.checkpoint.renew(records)
        check_shard(self.checkpoint, shard)
        check_selection(self.checkpoint, [question.key for question in selected], records)

    # --- one question ----------------------------------------------------------------------------------------------

    def job(self, question: SelectedQuestion) -> Job:
        """The job of a question: begun now if it is not under way."""
        self._begin([question])
        return self._jobs[question.key]

    def retry(self, question: SelectedQuestion) -> None:
        """Begin a question anew if it ended in an error; a verdict is never asked for again."""
        key = question.key
        if key in self._failed or (key in self._jobs and self._jobs[key].failed):
            self._failed.discard(key)
            self._jobs.pop(key, None)
            self._begin([question], again=True)

    def forget(self, question: SelectedQuestion) -> None:
        """Free the memory of a question that was reported."""
        job = self._jobs.pop(question.key, None)
        if job is not None and job.failed:
            self._failed.add(question.key)

    def answer(self, question: SelectedQuestion, results: Sequence[SearchResult]) -> Answer:
        """The answer from `results`: the one under way, or another one if a test has changed what was found."""
        job = self.job(question)
        if results is job.searched.result() or results == job.searched.result():
            return job.answered.result()
        job.stop()
        return self._background.run(self._pipeline_of(question).answer(job, results))

    def judge(self, question: SelectedQuestion, answer: Answer) -> Verdict:
        """The verdict on `answer`: the one under way, or another one if a test has changed the answer."""
        job = self.job(question)
        if not job.stopped and answer == job.answered.result():
            return job.judged.result()
        job.stop()
        return self._background.run(self._pipeline_of(question).judge(job, answer))

    def expect(self, order: Iterable[SelectedQuestion]) -> None:
        """Take note of the questions that this process will probably get, to make their haystacks ready ahead.

        A container that one process has to itself may yet be another worker's: it waits until its questions are sent.
        What was searched already needs none.
        """
        searched = self.checkpoint.ended("search")
        distinct = {
            (question.provider, self._container(question)): question
            for question in order
            if question.key not in searched
            and not self._one_of_several(question)
            and (self.config.until == "ingest" or not self._pipeline_of(question).is_shared(question.case))
        }
        self._expected = deque(distinct.values())

    def look_ahead(self, upcoming: Iterable[SelectedQuestion]) -> None:
        """Begin the questions that come next, and make the haystacks after them ready."""
        # in strides: each look at what is begun already costs a little, and in batches all may be begun
        most = self._begun if self._part.in_batches and self._begun else self.window
        if self._counted <= most * 3 // 4:
            following = iter(upcoming)
            self._begin(list(islice(following, self.window)))
            while self._counted <= self.window // 2 and len(self._jobs) < self.window * WAITING:
                stride = list(islice(following, self.window))
                if not stride:
                    break
                self._begin(stride)
            self._begun = self._counted
            self._follow(following)
        while self._expected and sum(pipeline.ingesting for pipeline in self._pipelines.values()) < INGEST_AHEAD:
            question = self._expected.popleft()
            self._background.submit(self._pipeline_of(question).make_ready(question.case))

    @property
    def _counted(self) -> int:
        """How many questions are begun; those that wait for the same ingest count as one.

        So a question whose haystack is ready does not wait for one whose haystack is not.
        """
        if self.config.max_usd is not None:
            return len(self._jobs)
        waiting = list(self._waiting.values())
        return len(self._jobs) - len(waiting) + len(set(waiting))

    def _follow(self, sent: Iterable[SelectedQuestion]) -> None:
        """Expect the containers that came to be this worker's with the questions that it was sent."""
        if self._part.workers == 1:
            return
        new = {
            container: question
            for question in sent
            if (container := self.lone_container(question)) is not None and container not in self._followed
        }
        self._followed.update(new)
        self._expected.extendleft(reversed(new.values()))

    def lone_container(self, question: SelectedQuestion) -> str | None:
        """The container of a question if only one process may have it open; None if any worker may be asked."""
        alone = self._assembly.client(question.provider).provider.limits.containers == "one-process"
        return f"{question.provider} {self._container(question)}" if alone else None

    def _one_of_several(self, question: SelectedQuestion) -> bool:
        return self._part.workers > 1 and self.lone_container(question) is not None

    def _begin(self, questions: Sequence[SelectedQuestion], *, again: bool = False) -> None:
        """Begin the questions that are not under way yet."""
        new = {key: question for question in questions if (key := question.key) not in self._jobs}
        if not new:
            return
        if not self._under_way:
            self._assembly.use_request_forms()
            self._under_way = True
        stored = self.checkpoint.steps(new)
        for key, question in new.items():
            self._jobs[key] = job = Job(question, stored[key], next(self._places))
            self._start(question, job, again=again)

    def _start(self, question: SelectedQuestion, job: Job, *, again: bool = False) -> bool:
        """Take a question through its pipeline; False if all of it is recorded."""
        pipeline = self._pipeline_of(question)
        if not again and pipeline.replay(job):
            return False
        if "search" not in job.stored:
            self._waiting[job.key] = self._container(question)
            job.ingested.add_done_callback(partial(self._ingested, job.key))
        job.task = self._background.submit(pipeline.run(job, again=again))
        return True

    def _ingested(self, key: QuestionKey, _future: Future[None]) -> None:
        self._waiting.pop(key, None)

    def _container(self, question: SelectedQuestion) -> str:
        return self._pipeline_of(question).container(question.case)

    def _pipeline_of(self, question: SelectedQuestion) -> Pipeline:
        return self.pipeline(question.provider, question.case.benchmark)

    def pipeline(self, provider: str, benchmark: str) -> Pipeline:
        """The pipeline of a provider over a benchmark."""
        key = (provider, benchmark)
        if key not in self._pipelines:
            making = self._assembly.pipeline(provider, self._part.benchmarks[benchmark].benchmark)
            self._pipelines[key] = self._background.run(making)
        return self._pipelines[key]

    def _fail(self, error: StalledError) -> None:
        for job in list(self._jobs.values()):
            job.fail(error)

    def hold(self) -> None:
        """Begin no further call; may be called by any thread, shortly before the process ends."""
        self._assembly.hold()

    def stop(self) -> None:
        """Cancel what is under way and keep what is done; nothing can be begun after it."""
        if self._stopped:
            return
        self._stopped = True
        if self._background.failure:
            return
        lag = self._lag()
        self._background.run(self._background.cancel_all())
        self._background.run(self._assembly.close())
        self._background.close()
        if self._part.cache:
            self._part.cache.close()
        self._note_delays(lag)

    def _note_delays(self, lag: float | None) -> None:
        """Record what delayed calls in this process so far."""
        if lag is not None:
            note_lag(self.checkpoint, self._part.invocation, lag)
        for service, seconds in self._assembly.blocking().items():
            save_note(self.checkpoint, "blocked", QuestionKey(service, "", ""), seconds)

    def _lag(self) -> float | None:
        return self._background.lag_ms_p99() if self._assembly.times_on_the_loop else None

    def close(self) -> None:
        """Stop, and close the checkpoint."""
        self.stop()
        self.checkpoint.close()
