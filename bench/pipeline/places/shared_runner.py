"""The runner of a place: it claims questions and does them, whatever pytest waits for, and shows those of others."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import islice

from bench.pipeline.places.following import Following
from bench.pipeline.places.plan import FREE, HERE, OVER, Stretch, block_size
from bench.pipeline.run_part import Job, RunPart
from bench.pipeline.runner import WAITING
from reports.report import is_reached
from reports.store import QuestionKey, SelectedQuestion, StoredStep
from reports.store.sharing import Presence, Wanted
from vocabulary import InfrastructureError

_KEPT = 64
"""How many questions that are done are kept for pytest; the others are read again when it comes to them."""

_RESPECTED_SECONDS = 60.0
"""How long an idle place waits for a question that nobody claims, since another folder has its haystack."""


class SharedRunner(Following):
    """Takes part in a run that other places may work on too: its thread claims and begins questions.

    What `is_own` comes before the other parts of the run.
    """

    def __init__(self, part: RunPart, presence: Presence, is_own: Callable[[SelectedQuestion], bool]) -> None:
        super().__init__(part, presence, is_own)
        self._claimed: deque[tuple[SelectedQuestion, dict[str, StoredStep]]] = deque()
        self._running: set[QuestionKey] = set()
        self._making: dict[Stretch, int] = {}
        self._ended: deque[Job] = deque()
        self._kept: set[QuestionKey] = set()

    @property
    def in_flight(self) -> int:
        """An even part; what other places do not need of theirs comes on top."""
        return max(1, -(-self.config.in_flight // self._presence.living))

    @property
    def block(self) -> int:
        """How many questions to claim at once."""
        return block_size(self._plan.free, self._presence.living)

    def look_ahead(self, upcoming: Iterable[SelectedQuestion]) -> None:
        """Let the containers that came to be this worker's with the questions that it was sent be claimed."""
        if self._part.workers > 1:
            with self._lock:
                for question in islice(upcoming, self.window):
                    if self._plan.stretch(question.key).closed:
                        self._plan.open(question.key)
                        self._wake.set()

    def forget(self, question: SelectedQuestion) -> None:
        """Free the memory of a question that was reported."""
        with self._lock:
            super().forget(question)
            self._kept.discard(question.key)

    # --- the thread that claims ------------------------------------------------------------------------------------

    def _advance(self) -> None:
        self._settle()
        looked = self._look()
        self._serve(looked=looked)
        self._fill()

    def _settle(self) -> None:
        """Take note of the jobs that have ended, and keep a few of them."""
        with self._lock:
            while self._ended:
                job = self._ended.popleft()
                key = job.key
                self._running.discard(key)
                if not job.stopped:
                    self._plan.mark(key, OVER)
                if self._jobs.get(key) is job and key != self._current:
                    if len(self._kept) >= _KEPT:
                        del self._jobs[key]
                    else:
                        self._kept.add(key)

    def _free(self, left: set[QuestionKey]) -> None:
        with self._lock:
            for key in left & self._plan.index.keys():
                self._plan.mark(key, FREE)
            self._plan.forget_others()

    def _serve(self, *, looked: bool) -> None:
        """Begin what tests wait for, or give them what others have done."""
        for key, again in list(self._awaited.items()):
            question = self._plan.order[self._plan.index[key]]
            untried = not self._plan.stretch(key).elsewhere
            if self._plan.state(key) == FREE and (looked or untried):
                wanted = self._plan.alone(key)
                if self._is_left_to_us(key):
                    wanted = [one._replace(alone=False) for one in wanted]
                self._claim(wanted, 1)
            with self._lock:
                state = self._plan.state(key)
                if key in self._running:
                    continue  # an attempt whose end is not noted yet
                if again or state == HERE:
                    mine = next((one for one in self._claimed if one[0].key == key), None)
                    if mine is not None:
                        self._claimed.remove(mine)
                    self._take_up(question, mine[1] if mine else self.checkpoint.steps([key])[key], again=again)
                elif state == OVER:
                    del self._awaited[key]
                    self._read(question)

    def _is_left_to_us(self, key: QuestionKey) -> bool:
        """Whether nobody else will do a question: the folder that has its haystack may not have selected it."""
        waited = time.monotonic() - self._since if key == self._current else 0.0
        return not self._running and waited > _RESPECTED_SECONDS

    def _fill(self) -> None:
        """Begin as many questions as may be under way, claiming more where there are none left."""
        self._idle = False
        if self._presence.lapsed and self._claimed:
            held = self._claims.held()
            self._claimed = deque(one for one in self._claimed if one[0].key in held)
        while self._counted < self.window and len(self._running) < self.window * WAITING and not self._leaving:
            may_begin = sum(list(self._making.values())) <= self.in_flight
            if self._meter is not None and is_reached(self._meter.usd(), self.config.max_usd):
                return  # what tests wait for is done all the same, so that pytest gets to stop
            if not self._claimed:
                most = self.block
                making_own = any(stretch.own for stretch in list(self._making))
                with self._lock:
                    wanted = self._plan.wanted(most, may_begin=may_begin, making_own=making_own)
                if not wanted:
                    self._idle = may_begin
                    return
                self._claim(wanted, most)
                continue
            question, stored = self._claimed[0]
            stretch = self._plan.stretch(question.key)
            if not (may_begin or stretch.ready or stretch in self._making):
                return
            self._claimed.popleft()
            with self._lock:
                self._take_up(question, stored)

    def _claim(self, wanted: Sequence[Wanted], most: int) -> None:
        granted = self._claims.take(wanted, most)
        with self._lock:
            mine = self._plan.note(wanted, granted, most)
        stored = self.checkpoint.steps(question.key for question in mine) if mine else {}
        self._claimed.extend((question, stored[question.key]) for question in mine)

    def _take_up(self, question: SelectedQuestion, stored: dict[str, StoredStep], *, again: bool = False) -> None:
        """Do a question that was claimed."""
        key = question.key
        self._awaited.pop(key, None)
        job = self._jobs.setdefault(key, self._new_job(question, stored))
        job.stored = stored
        if not self._start(question, job, again=again):  # the place that had it before had done it
            self._plan.mark(key, OVER)
            if key != self._current:
                del self._jobs[key]
            return
        self._running.add(key)
        stretch = self._plan.stretch(key)
        if not stretch.ready and stretch not in self._making:
            self._making[stretch] = self._lanes(question)
        job.ingested.add_done_callback(partial(self._made, stretch))
        assert job.task is not None, "it was started"
        job.task.add_done_callback(partial(self._done, job))

    def _made(self, stretch: Stretch, _future: Future[None]) -> None:
        stretch.ready = True
        self._making.pop(stretch, None)
        self._wake.set()

    def _done(self, job: Job, _future: Future[None]) -> None:
        if any(isinstance(future.exception(), InfrastructureError) for future in job.futures if future.done()):
            self._failed_here.add(job.key)
            self._claims.failed(job.key)
        self._ended.append(job)
        self._wake.set()

    @property
    def _counted(self) -> int:
        waiting = list(self._waiting.values())
        return len(self._running) - len(waiting) + len(set(waiting))

    def _lanes(self, question: SelectedQuestion) -> int:
        """How many sessions of the question's haystack are ingested at once."""
        most = self._assembly.client(question.provider).provider.limits.sessions
        haystack = self._part.benchmarks[question.case.benchmark].benchmark.haystack(question.case.haystack)
        return min(most, haystack.session_count)
