"""A small benchmark, and a memory system, an answering model and a judge that write down what they are asked.

Each test makes a `World` of its own: its classes can be found by their path, as somebody else's would be.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any  # Any: whatever the outcome of a question is

from bench.base import Benchmark, BenchmarkInfo, BenchmarkOptions
from bench.config import BenchmarkConfig
from bench.pipeline.run_part import Job
from bench.pipeline.runner import Runner
from bench.pipeline.selection import OpenBenchmark, select
from bench.pipeline.session import RunSession
from judges import Judge
from llms import Answerer
from providers import Limits, Provider
from reports.store import Checkpoint, SelectedQuestion
from vocabulary import PHASES, Answer, Case, Gold, Haystack, Message, Question, SearchResult, Session, Verdict

SESSIONS = 5


class Small(Benchmark):
    """Questions in turn over a few haystacks of five sessions; each session says one number."""

    name = "small"
    types = ("even", "odd")

    def __init__(self, haystacks: int = 3, questions: int = 12) -> None:
        super().__init__(BenchmarkOptions())
        self._haystacks = haystacks
        self._questions = questions

    @property
    def info(self) -> BenchmarkInfo:
        return BenchmarkInfo(name="small", variant="", sha256="00", verified=True, licence="MIT", citation="")

    def cases(self) -> Sequence[Case]:
        return [self._case(number) for number in range(self._questions)]

    def _case(self, number: int) -> Case:
        haystack, session = number % self._haystacks, number % SESSIONS
        return Case(
            id=f"q{number:03}-{self.types[number % 2]}", source_id=str(number), benchmark="small",
            question=Question(id=f"opaque{number}", text=f"what is number {session}?"),
            gold=Gold(
                question_type=self.types[number % 2], ground_truth=f"truth-{haystack}-{session}",
                evidence_messages=(f"m{session}",), evidence_sessions=(f"s{session}",),
            ),
            haystack=f"h{haystack}", cluster=f"h{haystack}",
        )  # fmt: skip

    def haystack(self, haystack_id: str) -> Haystack:
        def read() -> Iterator[Session]:
            for number in range(SESSIONS):
                text = f"number {number} is truth-{haystack_id[1:]}-{number}"
                message = Message(id=f"m{number}", speaker="Ann", role="user", text=text)
                yield Session(id=f"s{number}", date=None, messages=(message,))

        return Haystack(haystack_id, SESSIONS, read)


Hook = Callable[..., Awaitable[None]]


async def nothing(*_arguments: object) -> None:
    """Lets everything be."""


@dataclass
class World:
    """What happens outside: what the services store and are asked, and what a test makes of it."""

    calls: list[tuple[object, ...]] = field(default_factory=list)
    stored: dict[str, list[str]] = field(default_factory=dict)
    seen: list[object] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    on_ingest: Hook = nothing
    on_indexing: Hook = nothing
    on_search: Hook = nothing
    on_answer: Hook = nothing
    on_judge: Hook = nothing
    active: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    async def step(self, hook: Hook, *call: object) -> None:
        """Write a call down, and do what the test wants done in it."""
        self.calls.append(call)
        name = str(call[0])
        self.active[name] += 1
        self.most[name] = max(self.most[name], self.active[name])
        try:
            await hook(*call[1:])
        finally:
            self.active[name] -= 1

    def asked(self, name: str) -> list[tuple[object, ...]]:
        """The calls of that name, without it."""
        return [call[1:] for call in self.calls if call[0] == name]

    def classes(self) -> tuple[type[Provider], type[Answerer], type[Judge]]:
        """The services of this world."""
        world = self

        class Memory(Provider):
            name = "memory"
            limits = world.limits

            async def ingest(self, container: str, session: Session) -> None:
                world.seen += [container, session]
                await world.step(world.on_ingest, "ingest", container, session.id)
                world.stored.setdefault(container, []).append(session.messages[0].text)

            async def await_indexing(self, container: str) -> None:
                await world.step(world.on_indexing, "indexing", container)

            async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
                world.seen += [container, question, top_k]
                await world.step(world.on_search, "search", container, question.id)
                number = question.text.removeprefix("what is ").rstrip("?")
                return [SearchResult(text=text) for text in world.stored.get(container, []) if number in text][:top_k]

            async def clear(self, container: str) -> None:
                await world.step(nothing, "clear", container)
                world.stored.pop(container, None)

        class Reader(Answerer):
            name = "reader"

            async def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
                await world.step(world.on_answer, "answer", question.id)
                return Answer(hypothesis=results[0].text if results else "")

        class Grader(Judge):
            name = "grader"
            protocol = "contains-1"

            async def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
                await world.step(world.on_judge, "judge", question.id)
                right = gold.ground_truth in answer.hypothesis
                return Verdict(label="correct" if right else "wrong", explanation="")

        return Memory, Reader, Grader


@dataclass
class Bench:
    """A run of the small benchmark in a world; `options` are those of `BenchmarkConfig`."""

    world: World
    runs_dir: Path
    benchmark: Small = field(default_factory=Small)
    options: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        memory, reader, grader = self.world.classes()
        module = globals()
        module["Memory"], module["Reader"], module["Grader"] = memory, reader, grader

    def open(self, **more: object) -> tuple[Checkpoint, Runner]:
        """One process's view of the run."""
        given = {
            "provider": (f"{__name__}:Memory",), "answering_model": f"{__name__}:Reader", "judge": f"{__name__}:Grader",
            "run_id": "run", "runs_dir": self.runs_dir,
        }  # fmt: skip
        session = RunSession(BenchmarkConfig.model_validate(given | self.options), "a test", **more)  # type: ignore[arg-type]  # its fields
        checkpoint = session.open()
        opened = OpenBenchmark(self.benchmark, select(self.benchmark.cases(), session.config, self.benchmark.types))
        return checkpoint, session.work(checkpoint, {"small": opened})

    @property
    def provider(self) -> str:
        """The name under which the memory system takes part."""
        return f"{__name__}:Memory"

    def selected(self) -> list[SelectedQuestion]:
        """All questions."""
        return [SelectedQuestion(self.provider, case) for case in self.benchmark.cases()]

    def run(self, **more: object) -> list[Any]:  # Any: a verdict, or whatever else the run ends with
        """All questions at once; for each what it ended with, its error if it ended in one."""
        _checkpoint, runner = self.open(**more)
        runner.seal(self.selected())
        jobs = [runner.job(question) for question in self.selected()]
        ended = [self.end_of(job, runner) for job in jobs]
        runner.close()
        return ended

    def end_of(self, job: Job, runner: Runner) -> Any:  # Any: see `run`
        """What a question ended with; waits for it, for half a minute at most."""
        future = job.futures[PHASES.index(runner.config.until)]
        error = future.exception(30)
        return error or future.result()


def napping(seconds: float) -> Hook:
    """Takes its time."""

    async def nap(*_arguments: object) -> None:
        await asyncio.sleep(seconds)

    return nap


class Loaded(Small):
    """The small benchmark as it is found by its path."""

    def __init__(self, _options: BenchmarkOptions) -> None:
        super().__init__()
