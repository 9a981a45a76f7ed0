"""The way of a question: ingest, search, answer, judge; each step once, written down when it is done.

Asynchronous, and knows nothing of pytest. The fixtures and `run_benchmark` both stand on it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from bench.attempts import Caller, Done
from bench.base import Benchmark
from bench.ingest import Ingest
from bench.limits import InFlight, Limiter
from bench.panel import Panel, Voter, outcome_of
from llms import Answerer
from providers import Ceiling, Limits, Provider
from reports import PHASES, RESULTS, Checkpoint, Leases, Phase, QuestionKey, Step, StepError, StoredStep
from schema import Answer, Case, InfrastructureError, SearchResult, Usage, Verdict

__all__ = ["Job", "Pipeline", "Services", "Voter", "fingerprint_of"]

UNHURRIED = 1_000_000
"""How many calls may be under way where calls are not counted."""

T = TypeVar("T")
Said = TypeVar("Said", Answer, Verdict)


class Job:
    """One question on its way: a future for each thing that will come of it, for any thread to wait on.

    `stored` is what the checkpoint has of it already, `place` its turn among the questions of this process.
    """

    def __init__(self, case: Case, stored: dict[str, StoredStep], place: int) -> None:
        self.case = case
        self.stored = stored
        self.place = place
        self.ingested: Future[None] = Future()
        self.searched: Future[tuple[SearchResult, ...]] = Future()
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


class Services:
    """What one process may have under way: `in_flight` in all, and each service within its own limits."""

    def __init__(self, *, in_flight: int, workers: int, folder: Path) -> None:
        self._in_flight = in_flight
        self._under_way = InFlight(in_flight)
        self._workers = workers
        self._folder = folder
        self._callers: dict[str, Caller] = {}
        self._limiters: list[Limiter] = []
        self._pools: list[ThreadPoolExecutor] = []

    def caller(
        self, name: str, limits: Limits, failure: type[InfrastructureError], *, unhurried: bool = False
    ) -> Caller:
        """The caller for the service `name` with `limits`: one for all who ask.

        Calls to one that is `unhurried` are not counted as in flight: they wait for hours, and keep nothing busy.
        """
        if name in self._callers:
            return self._callers[name]
        in_flight = UNHURRIED if unhurried else self._in_flight
        most = min(in_flight, limits.concurrency or in_flight)
        over_all = limits.scope == "run" and self._workers > 1
        limiter = Limiter(
            self._folder,
            "".join(letter if letter.isalnum() else "-" for letter in name),
            most=most,
            shared=limits.concurrency if over_all else None,
            per_minute=limits.per_minute,
        )
        pool = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._limiters.append(limiter)
        self._pools.append(pool)
        under_way = InFlight(UNHURRIED) if unhurried else self._under_way
        self._callers[name] = Caller(limiter, pool, failure, under_way)
        return self._callers[name]

    def close(self) -> None:
        """Let go of threads and files."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for limiter in self._limiters:
            limiter.close()


class Pipeline:
    """One provider over one benchmark."""

    def __init__(
        self,
        *,
        benchmark: Benchmark,
        provider: Provider,
        provider_name: str,
        answerer: Answerer,
        voters: tuple[Voter, ...],
        callers: tuple[Caller, Caller, Caller],
        checkpoint: Checkpoint,
        invocation: str,
        top_k: int,
        per_question: bool,
        until: Phase,
        inputs: dict[Phase, str],
    ) -> None:
        self._benchmark = benchmark
        self._provider = provider
        self._provider_name = provider_name
        self._answerer = answerer
        self._voters = voters
        self._panel = Panel(voters, checkpoint)
        self._search_caller, indexing_caller, self._answer_caller = callers
        self._checkpoint = checkpoint
        self._top_k = top_k
        self._per_question = per_question
        self._last = PHASES.index(until)
        self._inputs = inputs
        leases = Leases(checkpoint, provider_name, benchmark.name, invocation)
        self._ingest = Ingest(provider, self._search_caller, indexing_caller, leases)

    @property
    def ingesting(self) -> int:
        """How many containers are being made ready."""
        return self._ingest.busy

    async def run(self, job: Job, *, again: bool = False) -> None:
        """Take a question as far as the run goes; what came of it, errors included, is in the job's futures.

        Steps that are recorded are not done again. `again` also tries what failed before in this process.
        """
        try:
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

    async def search(self, job: Job) -> tuple[SearchResult, ...]:
        """What the provider finds for the question."""
        case = job.case
        inputs = _digest(self._inputs["search"], case.question.model_dump_json(), case.haystack)
        if (found := _recorded(job, "search", inputs)) is not None:
            return RESULTS.validate_json(found)
        arguments: tuple[object, ...] = (case.question, self._top_k)
        search: Callable[..., object] = self._provider.search
        if isinstance(self._provider, Ceiling):
            arguments, search = (case.question, case.gold, self._top_k), self._provider.search_gold
        done = await self._search_caller.call(search, self.container(case), *arguments, place=job.place)
        results: tuple[SearchResult, ...] = tuple(done.value or ())
        await self._save(case, "search", inputs, done, RESULTS.dump_json(results).decode())
        return results

    async def answer(self, job: Job, results: Sequence[SearchResult]) -> Answer:
        """What the answering model makes of `results`."""
        question = job.case.question
        read = RESULTS.dump_json(tuple(results)).decode()
        inputs = _digest(self._inputs["answer"], question.model_dump_json(), read)
        if (found := _recorded(job, "answer", inputs)) is not None:
            return Answer.model_validate_json(found)
        done: Done[Answer] = await self._answer_caller.call(self._answerer.answer, question, results, place=job.place)
        return await self._saved(job.case, "answer", inputs, done)

    async def judge(self, job: Job, answer: Answer) -> Verdict:
        """How the judge grades `answer`, or what the votes of several come to."""
        question, gold = job.case.question, job.case.gold
        graded = question.model_dump_json(), gold.model_dump_json(), answer.hypothesis
        each = [_digest(voter.inputs, *graded) for voter in self._voters]
        inputs = each[0] if len(each) == 1 else _digest(*each)
        if (found := _recorded(job, "judge", inputs)) is not None:
            return Verdict.model_validate_json(found)
        if len(each) > 1:
            ballots = await self._panel.vote(self._key(job.case), job.case, answer, each, job.stored, job.place)
            together, usage, failed = outcome_of(ballots)
            return await self._saved(job.case, "judge", inputs, together, usage, blame=failed)
        (voter,) = self._voters
        done: Done[Verdict] = await voter.caller.call(voter.judge.evaluate, question, gold, answer, place=job.place)
        return await self._saved(job.case, "judge", inputs, done)

    def container(self, case: Case) -> str:
        """The name of the container that `case` is searched in."""
        own = f"-{case.question.id}" if self._per_question else ""
        return f"{case.haystack}{own}-{self._checkpoint.run_id}"

    async def _ready(self, job: Job, *, again: bool) -> None:
        search = job.stored.get("search")
        if search is None or search.state != "done":
            try:
                await self.make_ready(job.case, again=again)
            except InfrastructureError as error:
                failed: Done[None] = Done(None, error, 0.0, 0.0, 1)
                await self._save(job.case, "ingest", "", failed, None)
        ingest = job.stored.get("ingest")
        if self._last == 0 or (ingest is not None and ingest.state != "done"):
            done: Done[None] = Done(None, None, 0.0, 0.0, 1)
            await self._save(job.case, "ingest", "", done, "null")
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

    async def _saved(
        self, case: Case, phase: Phase, inputs: str, done: Done[Said], usage: Usage | None = None, blame: str = ""
    ) -> Said:
        value = done.value
        result = None
        if value is not None:
            result, usage = value.model_dump_json(), value.usage
        await self._save(case, phase, inputs, done, result, usage, blame)
        assert value is not None, "a call that gave nothing has an error, and _save raises it"
        return value

    async def _save(
        self,
        case: Case,
        phase: Phase,
        inputs: str,
        done: Done[Any],
        result: str | None,
        usage: Usage | None = None,
        blame: str = "",
    ) -> None:
        """Write a step down, then raise its error if it ended in one; `blame` names who failed, where it may be asked.

        A step that failed may have a usage too: what was paid for before it failed.
        """
        error = done.error
        told = f"{blame}: {error}" if blame else str(error)
        step = Step(
            phase=phase,
            service_ms=done.service_ms,
            waited_ms=done.waited_ms,
            attempts=done.attempts,
            error=StepError(type=type(error).__name__, message=told) if error else None,
            usage=usage,
        )
        written = self._checkpoint.save(self._key(case), step, inputs=inputs, result=None if error else result)
        await asyncio.wrap_future(written)
        if error:
            raise error

    def _key(self, case: Case) -> QuestionKey:
        return QuestionKey(self._provider_name, case.benchmark, case.id)


def fingerprint_of(record: object) -> str:
    """A short hash of what a step depends on."""
    return _digest(json.dumps(record, sort_keys=True))


def _recorded(job: Job, phase: Phase, inputs: str) -> str | None:
    """The result of a step that was done with the same inputs."""
    step = job.stored.get(phase)
    return step.result if step is not None and step.state == "done" and step.inputs == inputs else None


def _digest(*parts: str) -> str:
    return blake2b("\x1f".join(parts).encode(errors="surrogatepass"), digest_size=12).hexdigest()
