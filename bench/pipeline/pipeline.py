"""The way of a question: ingest, search, answer, judge; each step once, written down when it is done.

Asynchronous, and knows nothing of pytest. The fixtures and `run_benchmark` both stand on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.base import Benchmark
from bench.cache import CachedStore, digest_of, fingerprint_of
from bench.pipeline.border import Found, answer_in
from bench.pipeline.ingest import Ingest
from bench.pipeline.panel import Panel, Voter, outcome_of, verdict_of
from bench.pipeline.provider_client import ProviderClient
from bench.pipeline.run_part import Job, RunPart
from llms import Answerer
from net import Border, Caller, CallRecord
from providers import Ceiling
from reports.store import (
    RESULTS,
    Leases,
    RecordedResults,
    Step,
    StepError,
    StoredStep,
    readable,
    save_note,
)
from vocabulary import PHASES, Answer, Case, InfrastructureError, Phase, RecordError, SearchResult, Usage, Verdict

T = TypeVar("T")
Said = TypeVar("Said", Answer, Verdict)


@dataclass(frozen=True, slots=True)
class Answering:
    """The answering model with its caller; `inputs` is a hash of what its answers depend on beside the question.

    `identity` is one of what they depend on beside these inputs, for other runs to know: its code and request form.
    """

    answerer: Answerer
    caller: Caller
    inputs: str
    identity: Callable[[], str]


class Pipeline:
    """One provider over one benchmark."""

    def __init__(
        self,
        part: RunPart,
        benchmark: Benchmark,
        client: ProviderClient,
        answering: Answering,
        voters: tuple[Voter, ...],
        store: CachedStore | None = None,
    ) -> None:
        self._part = part
        self._checkpoint = part.checkpoint
        self._benchmark, self._client = benchmark, client
        self._answering, self._voters = answering, voters
        retried = part.config.retry_from
        self._panel = Panel(voters, part.checkpoint, part.cache, taking=not retried)
        self._retried = PHASES[PHASES.index(retried) :] if retried else ()
        self._cache, self._store = part.cache, store
        self._adopted: set[str] = set()
        self._top_k = part.config.top_k
        self._per_question = part.config.isolation == "question"
        self._last = PHASES.index(part.config.until)
        record = next(record for record in part.participants.provider_records if record.name == client.name)
        self._search_inputs = fingerprint_of([record.model_dump(mode="json"), self._top_k])
        self._holder = store.holder(benchmark.info) if store else part.holder(client.provider.limits)
        where = (store.cache.checkpoint, store.name) if store else (part.checkpoint, client.name)
        self._ingest = Ingest(client, Leases(*where, benchmark.name, part.invocation))

    @property
    def ingesting(self) -> int:
        """How many containers are being made ready."""
        return self._ingest.busy

    def replay(self, job: Job) -> bool:
        """Resolve `job` from what is recorded of it; False if a step of it is to be done, or was done otherwise."""
        if self._last == 0 or (results := job.text("search", self._search_key(job.case))) is None:
            return False
        answer: Answer | None = None
        verdict: Verdict | None = None
        try:
            if self._last >= 2:
                answer = job.recorded("answer", self._answer_key(job.case, results))
            if answer and self._last >= 3:
                verdict = job.recorded("judge", self._verdict_keys(job.case, answer)[0])
        except RecordError:
            return False
        if None in (answer, verdict)[: self._last - 1]:
            return False
        job.ingested.set_result(None)
        job.searched.set_result(RecordedResults(results))
        if answer:
            job.answered.set_result(answer)
        if verdict:
            job.judged.set_result(verdict)
        return True

    async def run(self, job: Job, *, again: bool = False) -> None:
        """Take a question as far as the run goes; what came of it, errors included, is in the job's futures.

        Steps that are recorded are not done again. `again` also tries what failed before in this process.
        """
        job.stored = readable(job.stored)
        try:
            if self._last:
                await self._take(job, "search", self._search_key(job.case), self._search_cache_key(job.case))
            await self._ready(job, again=again)
            results = await self._until(1, job.searched, self.search, job)
            if results is not None:
                answer = await self._until(2, job.answered, self.answer, job, results)
                if answer is not None:
                    await self._until(3, job.judged, self.judge, job, answer)
        except BaseException as error:
            job.fail(error)
            if not isinstance(error, InfrastructureError):
                raise

    async def make_ready(self, case: Case, *, again: bool = False) -> None:
        """Ingest and index the haystack of `case`, unless that is done."""
        await self._ingest.ready(self.container(case), self._benchmark.haystack(case.haystack), again=again)
        await self._adopt(case)

    async def _adopt(self, case: Case) -> None:
        """Record the container of the cache that `case` is searched in, once."""
        container = self.container(case)
        if self._store and container not in self._adopted:
            self._adopted.add(container)
            await self._store.adopt(self._checkpoint, container, self._part.invocation)

    def is_shared(self, case: Case) -> bool:
        """Whether the cache has the search of `case`, so that no container is needed for it."""
        return bool(self._cache and "search" not in self._retried and self._cache.has(self._search_cache_key(case)))

    async def search(self, job: Job) -> tuple[SearchResult, ...]:
        """What the provider finds for the question."""
        case, inputs = job.case, self._search_key(job.case)
        known: tuple[SearchResult, ...] | None = job.recorded("search", inputs)
        if known is not None:
            return known
        container = self.container(case)
        done = await self._client.find(
            container, case.question, case.gold, self._top_k, place=job.place, seconds=self._part.search_seconds
        )
        found = done.value or Found((), "[]", 0)
        self._note_returned(job, found.returned)
        key = self._search_cache_key(case)
        await self._save(job, "search", inputs, done, found.written, key=key, returned=found.returned)
        return found.results

    async def answer(self, job: Job, results: Sequence[SearchResult]) -> Answer:
        """What the answering model makes of `results`."""
        question = job.case.question
        inputs = self._answer_key(job.case, RESULTS.dump_json(tuple(results)).decode())
        key = self._answer_cache_key(job.case, results) if self._cache else ""
        await self._take(job, "answer", inputs, key)
        known: Answer | None = job.recorded("answer", inputs)
        if known is not None:
            return known
        done: CallRecord[Answer] = await self._answering.caller.call(
            self._answering.answerer.answer,
            question,
            results,
            place=job.place,
            border=Border(check=answer_in, seconds=self._part.model_seconds, mark=("answer", *job.key)),
        )
        return await self._saved(job, "answer", inputs, done, key)

    async def judge(self, job: Job, answer: Answer) -> Verdict:
        """How the judge grades `answer`, or what the votes of several come to."""
        inputs, each = self._verdict_keys(job.case, answer)
        alone = self._voters[0] if len(each) == 1 else None
        key = alone.cache_key(inputs) if alone and self._cache else ""
        await self._take(job, "judge", inputs, key)
        known: Verdict | None = job.recorded("judge", inputs)
        if known is not None:
            return known
        if alone is None:
            vote_calls = await self._panel.vote(job.key, job.case, answer, each, job.stored, job.place)
            together, usage, failed = outcome_of(vote_calls)
            written = together.value.model_dump_json() if together.value else None
            await self._save(job, "judge", inputs, together, written, usage, blame=failed)
            return _value_of(together)
        done = await verdict_of(alone, job.key, job.case, answer, job.place)
        return await self._saved(job, "judge", inputs, done, key)

    def _search_key(self, case: Case) -> str:
        return digest_of(self._search_inputs, case.question.model_dump_json(), case.haystack)

    def _search_cache_key(self, case: Case) -> str:
        """What the same search has in the cache, "" without one: that of a `Ceiling` depends on the gold too."""
        if self._cache is None:
            return ""
        gold = case.gold.model_dump_json() if isinstance(self._client.provider, Ceiling) else ""
        return digest_of("search", self.container(case), self._search_key(case), gold)

    def _answer_key(self, case: Case, results: str) -> str:
        """`results` are as they stand in the checkpoint."""
        return digest_of(self._answering.inputs, case.question.model_dump_json(), results)

    def _answer_cache_key(self, case: Case, results: Sequence[SearchResult]) -> str:
        """By what the answering model reads: other results may come to the same."""
        read = self._answering.answerer.reads(results)
        read = RESULTS.dump_json(tuple(results)).decode() if read is None else read
        return digest_of("answer", self._answering.identity(), self._answer_key(case, read))

    def _verdict_keys(self, case: Case, answer: Answer) -> tuple[str, list[str]]:
        """What a verdict depends on, and what each vote does."""
        graded = case.question.model_dump_json(), case.gold.model_dump_json(), answer.hypothesis
        each = [digest_of(voter.inputs, *graded) for voter in self._voters]
        return each[0] if len(each) == 1 else digest_of(*each), each

    def container(self, case: Case) -> str:
        """The name of the container that `case` is searched in."""
        own = f"-{case.question.id}" if self._per_question else ""
        return f"{case.haystack}{own}-{self._holder}"

    async def _take(self, job: Job, phase: Phase, inputs: str, key: str) -> None:
        """Record the step of the cache with that key as done, unless there is none or it is asked again."""
        step = job.stored.get(phase)
        if self._cache is None or not key or phase in self._retried or (step is not None and step.state == "again"):
            return
        if job.text(phase, inputs) is not None or (found := self._cache.get(key)) is None:
            return
        taken: dict[str, StoredStep] = {phase: StoredStep("done", inputs, found.result, attempts=0)}
        if readable(taken):
            self._note_returned(job, found.returned)
            await self._save(job, phase, inputs, CallRecord(None, None, 0.0, 0.0, 0), found.result)
            job.stored = {**job.stored, **taken}

    def _note_returned(self, job: Job, returned: int) -> None:
        if returned > self._top_k:
            save_note(self._checkpoint, "returned" if self._client.ranks else "unranked", job.key, returned)

    async def _ready(self, job: Job, *, again: bool) -> None:
        search = job.stored.get("search")
        if search is None or search.state != "done":
            try:
                await self.make_ready(job.case, again=again)
            except InfrastructureError as error:
                failed: CallRecord[None] = CallRecord(None, error, 0.0, 0.0, 1)
                await self._save(job, "ingest", "", failed, None)
        else:
            await self._adopt(job.case)
        ingest = job.stored.get("ingest")
        if self._last == 0 or (ingest is not None and ingest.state != "done"):
            done: CallRecord[None] = CallRecord(None, None, 0.0, 0.0, 1)
            await self._save(job, "ingest", "", done, "null")
        job.ingested.set_result(None)

    async def _until(
        self, phase: int, future: Future[T], step: Callable[..., Awaitable[T]], *arguments: object
    ) -> T | None:
        """Do a step and hand on what it gave; None if the run does not go so far."""
        if phase > self._last:
            return None
        value = await step(*arguments)
        future.set_result(value)
        return value

    async def _saved(self, job: Job, phase: Phase, inputs: str, done: CallRecord[Said], key: str) -> Said:
        value = done.value
        result, usage = (value.model_dump_json(), value.usage) if value is not None else (None, None)
        await self._save(job, phase, inputs, done, result, usage, key=key)
        return _value_of(done)

    async def _save(
        self,
        job: Job,
        phase: Phase,
        inputs: str,
        done: CallRecord[Any],
        result: str | None,
        usage: Usage | None = None,
        blame: str = "",
        *,
        key: str = "",
        returned: int = 0,
    ) -> None:
        """Write a step down, then raise its error if it ended in one; `blame` names who failed, where it may be asked.

        A step that failed may have a usage too: what was paid for before it failed. One that did not and has a `key`
        is kept in the cache.
        """
        error = done.error
        detail = f"{blame}: {error}" if blame else str(error)
        step = Step(
            phase=phase,
            service_ms=done.service_ms,
            waited_ms=done.waited_ms,
            attempts=done.attempts,
            error=StepError(type=type(error).__name__, message=detail) if error else None,
            usage=usage,
        )
        written = self._checkpoint.save(job.key, step, inputs=inputs, result=None if error else result)
        await asyncio.wrap_future(written)
        if error:
            raise error
        if self._cache and key and result is not None:
            await asyncio.wrap_future(self._cache.put(key, phase, result, returned))


def _value_of(done: CallRecord[Said]) -> Said:
    assert done.value is not None, "a call that gave nothing has an error, and _save raises it"
    return done.value
