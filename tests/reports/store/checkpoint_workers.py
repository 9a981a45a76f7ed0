"""What the processes do that tests of the checkpoint start; each gets what it needs as arguments."""

from __future__ import annotations

import asyncio
import os
import pwd
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any  # what a worker is told and tells is its own business

from reports.store import Checkpoint, Leases, QuestionKey, Step, begin
from reports.store.runs import Parts
from reports.store.selected import SelectedQuestion
from tests.processes import FORKSERVER, forked
from tests.reports import made_records
from vocabulary import Case, MemoryBenchError


class Worker:
    """A process that does one thing, and tells of it through a pipe."""

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        self.pipe, far_end = FORKSERVER.Pipe()
        self.process = forked(work, far_end, *arguments)
        far_end.close()

    def hear(self) -> Any:  # whatever the worker tells
        """The next thing that it tells."""
        assert self.pipe.poll(60), "a worker said nothing for a minute"
        return self.pipe.recv()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.join()

    def end(self) -> None:
        """Wait until it ends by itself."""
        self.process.join(60)
        assert self.process.exitcode == 0


def together(count: int, work: Callable[..., None], *arguments: object) -> list[Any]:  # whatever the workers tell
    """Start `count` workers, let them begin at one moment, and give what each tells."""
    workers = [Worker(work, number, *arguments) for number in range(count)]
    for worker in workers:
        assert worker.hear() == "ready"
    for worker in workers:
        worker.pipe.send("go")
    message = [worker.hear() for worker in workers]
    for worker in workers:
        worker.end()
    return message


def at_one_moment(pipe: Connection) -> None:
    """Wait for the others."""
    pipe.send("ready")
    pipe.recv()


def make_run(url: str, run_id: str, cases: list[Case]) -> Checkpoint:
    """A checkpoint whose run is begun and sealed, for one provider."""
    checkpoint = Checkpoint(url, run_id)
    begin(checkpoint, made_records.run(id=run_id), {"search.top_k": 10}, None)
    checkpoint.seal([SelectedQuestion("bm25", case) for case in cases], [made_records.benchmark()])
    return checkpoint


def key(case: Case) -> QuestionKey:
    """The checkpoint's key of a case."""
    return QuestionKey("bm25", case.benchmark, case.id)


def save_many(pipe: Connection, number: int, url: str, steps: int) -> None:
    """Open a database that may be empty and save steps of questions of its own, some at a time."""
    at_one_moment(pipe)
    try:
        checkpoint = Checkpoint(url, "run")
        for first in range(0, steps, 10):
            saved = [
                checkpoint.save(
                    QuestionKey(f"p{number}", "locomo", f"q{one}"), Step(phase="search"), inputs="", result="[]"
                )
                for one in range(first, first + 10)
            ]
            for future in saved:
                future.result()
            assert len(checkpoint.ended("search")) >= first + 10
        checkpoint.close()
    except MemoryBenchError as error:
        pipe.send(str(error))
    else:
        pipe.send("done")


def save_until_killed(pipe: Connection, url: str) -> None:
    """Save steps one by one and tell of each when its future is done."""
    checkpoint = Checkpoint(url, "run")
    for number in range(1_000_000):
        question = QuestionKey("bm25", "locomo", f"q{number}")
        checkpoint.save(question, Step(phase="search"), inputs="i", result="[]").result()
        pipe.send(number)


def open_as_nobody(pipe: Connection, url: str) -> None:
    """Open a database as somebody who may not write it, and tell what came of it."""
    Checkpoint("sqlite://", "run").close()  # what it imports may be out of reach afterwards
    if os.geteuid() == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        Checkpoint(url, "run")
    except MemoryBenchError as error:
        pipe.send(str(error))
    else:
        pipe.send("opened")


def begin_run(pipe: Connection, number: int, url: str, parts: list[Parts]) -> None:
    """Begin the same new run as others do, each with its own parts."""
    checkpoint = Checkpoint(url, "run")
    at_one_moment(pipe)
    try:
        message: object = begin(checkpoint, made_records.run(id="run"), parts[number], None)
    except MemoryBenchError as error:
        message = f"{type(error).__name__}: {error}"
    checkpoint.close()
    pipe.send(message)


def claim_once(pipe: Connection, number: int, url: str) -> None:
    """Want the same container as others do; who gets it ingests it, the others wait until it is ready."""
    checkpoint = Checkpoint(url, "run")
    leases = Leases(checkpoint, "bm25", "locomo", "invocation")
    at_one_moment(pipe)
    states = [leases.claim("c", "h").state.value]
    if states == ["mine"]:
        time.sleep(0.2)
        asyncio.run(leases.indexed("c", messages=number, tokens=1, indexing_ms=1.0))
    while states[-1] == "busy":
        time.sleep(0.02)
        states.append(leases.claim("c", "h").state.value)
    checkpoint.close()
    pipe.send(list(dict.fromkeys(states)))


def hold_until_killed(pipe: Connection, url: str) -> None:
    """Claim a container, put one session into it, and hold it."""
    checkpoint = Checkpoint(url, "run")
    leases = Leases(checkpoint, "bm25", "locomo", "invocation")
    claim = leases.claim("c", "h")
    leases.session_done("c", 0, 1.0, 1)
    asyncio.run(leases.beat("c"))
    pipe.send(claim.state.value)
    time.sleep(600)
