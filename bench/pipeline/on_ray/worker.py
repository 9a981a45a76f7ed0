"""What a process of a cluster does: it opens the run when it gets its first block of it, and keeps it open."""

from __future__ import annotations

import os
import socket
import time
import traceback
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, wait
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import platformdirs

from bench.pipeline.on_ray.shipping import Assignment
from bench.pipeline.participants import find_benchmarks
from bench.pipeline.places import SharedRunner
from bench.pipeline.run_part import Job
from bench.pipeline.selection import OpenBenchmark
from bench.pipeline.session import RunSession
from reports.report import is_reached
from reports.store import QuestionKey, SelectedQuestion
from vocabulary import PHASES, ConfigurationError, InfrastructureError, MemoryBenchError

_KEPT_CHARACTERS = 1 << 16
_WAKE_SECONDS = 0.5
"""How long a thread waits at most before it can be interrupted: Ray cancels a task without a signal."""


@dataclass(frozen=True)
class Ended:
    """How a task ended: in which process, after how long, what it has printed, and why no task can be done there."""

    where: str
    seconds: float
    printed: str
    refusal: str | None = None


@dataclass
class _Open:
    """The run that this process has open."""

    invocation: str
    runner: BlockRunner
    questions: dict[QuestionKey, SelectedQuestion]


class BlockRunner(SharedRunner):
    """Does one block of questions after the other; no other place is to do a part of one."""

    @property
    def block(self) -> int:
        """All of a block is claimed at once."""
        return max(1, self._plan.free)

    def do(self, questions: Sequence[SelectedQuestion]) -> bool:
        """Return when all of these are done, here or elsewhere; False when the run's money is used."""
        if self._thread.ident is None:
            self.expect(questions)
        else:
            with self._lock:
                self._plan = self._planned(questions)
        for question in questions:
            if self._meter is not None and is_reached(self._meter.usd(), self.config.max_usd):
                return False
            _await(self.job(question), PHASES.index(self.config.until))
            self.forget(question)
        while self._running or self._ended:  # else what is noted of them would be noted in the next plan
            time.sleep(0.001)
        self._note_delays(self._lag())
        self.checkpoint.writer.submit(lambda _connection: None).result()  # after all that was submitted before it
        return True


_open: list[_Open] = []


def do_block(assignment: Assignment, keys: Sequence[QuestionKey]) -> Ended:
    """Do a block of questions of a run; what is recorded of them already is not done again."""
    begun, printed, refusal, done = time.monotonic(), StringIO(), None, False
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            run = _opened(assignment, keys)
            done = run.runner.do([run.questions[key] for key in keys])
        except MemoryBenchError as error:
            refusal = str(error)
        except Exception as error:  # noqa: BLE001  shown where the run was begun
            traceback.print_exc()
            refusal = f"{type(error).__name__}: {error}"
        finally:
            if not done:
                _close()
    where = f"process {os.getpid()} of {socket.gethostname()}"
    return Ended(where, time.monotonic() - begun, printed.getvalue()[-_KEPT_CHARACTERS:], refusal)


def _opened(assignment: Assignment, keys: Sequence[QuestionKey]) -> _Open:
    """The run, opened at its first block; a run that was open before is closed."""
    if _open and _open[0].invocation == assignment.invocation:
        return _open[0]
    _close()
    os.environ.update(assignment.environment)
    changes: dict[str, Any] = {"runs_dir": _runs_dir(assignment)}
    changes["data"] = os.environ.get("MEMORYBENCH_DATA") or assignment.data
    session = RunSession(
        assignment.config.model_copy(update=changes),
        assignment.command,
        run_id=assignment.run_id,
        invocation=assignment.invocation,
        started=assignment.started,
        leads=False,
        process=f"ray-{uuid.uuid4().hex[:8]}",
        shared=BlockRunner,
    )
    config = session.config
    kinds = [kind for name in assignment.benchmarks for kind in find_benchmarks(name, config.benchmark_options)]
    opened = [OpenBenchmark.of(kind, config) for kind in kinds]
    questions = {question.key: question for one in opened for question in one.questions(config.provider)}
    if missing := [key for key in keys if key not in questions]:
        raise ConfigurationError(f"question {missing[0].question} of {missing[0].benchmark} is not among its data.")
    runner = session.work(session.open(), {one.benchmark.name: one for one in opened})
    assert isinstance(runner, BlockRunner), "a run of a cluster is in PostgreSQL and shared"
    runner.seal([questions[key] for key in keys])
    _open.append(_Open(assignment.invocation, runner, questions))
    return _open[0]


def _close() -> None:
    """Leave the run that is open."""
    while _open:
        _open.pop().runner.close()


def _runs_dir(assignment: Assignment) -> Path:
    """Where the run's folder is on this node: that of the driver if this node has it too, else one of this node's."""
    try:
        if (assignment.folder / "folder.id").read_text() == assignment.folder_id:
            return assignment.folder.parent
    except OSError:
        pass
    return platformdirs.user_cache_path("memorybench") / "ray" / assignment.folder_id


def _await(job: Job, phase: int) -> None:
    """Return when a question has ended, in an error or not; raises what ends the run."""
    last: Future[Any] = job.futures[phase]
    while not wait([last], timeout=_WAKE_SECONDS).done:
        pass
    error = last.exception()
    if error is not None and not isinstance(error, InfrastructureError):
        raise error
