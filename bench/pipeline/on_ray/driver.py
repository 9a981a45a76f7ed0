"""The runner of a run whose questions are asked by a cluster: it hands out blocks, and shows what is done of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from bench.pipeline.on_ray.blocks import Block, block_size, blocks_of
from bench.pipeline.on_ray.cluster import RETRIES, LostError, Tasks, processors
from bench.pipeline.on_ray.shipping import Assignment
from bench.pipeline.on_ray.worker import Ended, do_block
from bench.pipeline.places import OVER, Following, Plan
from bench.pipeline.run_part import RunPart
from bench.pipeline.session import RunSession
from reports.store import QuestionKey, SelectedQuestion
from reports.store.sharing import Presence
from vocabulary import InfrastructureError, StalledError

LOG = "ray.log"
"""In the run's folder: what the processes of the cluster have printed."""

_LAST_SECONDS = 10.0
"""How long tasks may take to end whose questions are all recorded."""


class RayRunner(Following):
    """Has the blocks of a run done by tasks, whose processes are places of the run."""

    def __init__(
        self, session: RunSession, part: RunPart, presence: Presence, is_own: Callable[[SelectedQuestion], bool]
    ) -> None:
        super().__init__(part, presence, is_own)
        self._log = part.folder / LOG
        self._tasks: Tasks[Ended] = Tasks(do_block, Assignment.of(session, part.benchmarks), self._write)
        self._undone: set[QuestionKey] = set()

    def _planned(self, order: Iterable[SelectedQuestion]) -> Plan:
        """Begin the blocks of all that is to be done."""
        plan, cpus = super()._planned(order), processors()
        haystacks = plan.left()
        size = block_size(sum(len(keys) for _stretch, keys in haystacks), self._part.in_flight, cpus)
        for block in blocks_of(haystacks, size, cpus, mixed=plan.is_mixed):
            self._tasks.begin(block)
        return plan

    def _advance(self) -> None:
        self._collect()
        self._look()
        with self._lock:
            for key in list(self._awaited):
                again = self._awaited[key]
                if self._plan.state(key) == OVER and not again:
                    del self._awaited[key]
                    self._read(self._plan.order[self._plan.index[key]])
                elif again or key in self._undone or not len(self._tasks):
                    del self._awaited[key]
                    self._jobs[key].fail(InfrastructureError(self._why_undone()))

    def _collect(self) -> None:
        """Take note of the tasks that have ended; raises `StalledError` if the run cannot go on."""
        try:
            for block, ended in self._tasks.ended():
                self._note(block, ended)
        except LostError as error:
            raise StalledError(f"--engine ray: a task was begun {RETRIES + 1} times and lost: {error}") from error

    def _note(self, block: Block, ended: Ended) -> None:
        self._log_end(block, ended)
        if ended.refusal:
            raise StalledError(f"--engine ray: {ended.where} cannot go on: {ended.refusal}")
        over = self._claims.over(block)
        with self._lock:
            for key in over:
                self._plan.mark(key, OVER)
        self._undone.update(set(block) - over)

    def _why_undone(self) -> str:
        if self.config.max_usd is not None:
            return "this question was not asked: the money is used (--max-usd)"
        return "the cluster has not done this question, or its record cannot be used: ask it with --lf --engine local"

    def stop(self) -> None:
        """End the tasks, and leave the run to other places."""
        self._leaving = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        if not self._plan.left():
            self._tasks.wait(_LAST_SECONDS)
        with suppress(LostError):
            for block, ended in self._tasks.ended():
                self._log_end(block, ended)
        self._tasks.cancel()
        self._presence.end_invocation()
        super().stop()

    def _log_end(self, block: Block, ended: Ended) -> None:
        self._write(f"{ended.where}: {len(block)} questions, from {block[0].question}, in {ended.seconds:.1f} s")
        self._write(ended.printed)

    def _write(self, text: str) -> None:
        """Add to the log."""
        if text:
            self._log.touch(mode=0o600)  # it may hold what a question or an answer says
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%H:%M:%S')} {text.rstrip()}\n")
