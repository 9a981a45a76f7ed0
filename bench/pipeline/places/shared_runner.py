"""The runner of a place: it claims questions and does them, whatever pytest waits for, and shows those of others."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import islice

from bench.pipeline.places.plan import FREE, HERE, OVER, Plan, Stretch
from bench.pipeline.places.recorded_errors import fail_as_recorded
from bench.pipeline.run_part import Job, RunPart, calls_models
from bench.pipeline.runner import WAITING, Runner
from reports.report import Meter, is_reached
from reports.store import QuestionKey, SelectedQuestion, StoredStep, read_run
from reports.store.sharing import Claims, Presence, Wanted
from vocabulary import InfrastructureError

LOOK_SECONDS = 1.0
"""How often a place that waits for others looks at what they have done."""

_FOLLOWED = 2000
"""How many questions, from the one that pytest waits for, it looks at then."""

_READ_TOGETHER = 50
"""How many questions of others are read at once."""

_KEPT = 64
"""How many questions that are done are kept for pytest; the others are read again when it comes to them."""

_LEAVING_SECONDS = 10.0

_RESPECTED_SECONDS = 60.0
"""How long an idle place waits for a question that nobody claims, since another folder has its haystack."""


class SharedRunner(Runner):
    """Takes part in a run that other places may work on too.

    A thread claims and begins questions. A test waits for its question: what another place has done is
    read from the checkpoint, as in a run that is continued. What `is_own` comes before the other parts of the run.
    """

    def __init__(self, part: RunPart, presence: Presence, is_own: Callable[[SelectedQuestion], bool]) -> None:
        super().__init__(part)
        self._presence, self._is_own = presence, is_own
        self._claims = Claims(presence)
        self._plan = Plan([], set(), self._container, self._stretch)
        self._lock = threading.RLock()  # of `_jobs`, `_awaited` and the plan
        self._wake = threading.Event()
        self._claimed: deque[tuple[SelectedQuestion, dict[str, StoredStep]]] = deque()
        self._running: set[QuestionKey] = set()
        self._making: dict[Stretch, int] = {}
        self._ended: deque[Job] = deque()
        self._kept: set[QuestionKey] = set()
        self._failed_here: set[QuestionKey] = set()
        self._awaited: dict[QuestionKey, bool] = {}
        self._current: QuestionKey | None = None
        self._since = 0.0
        self._looked = -LOOK_SECONDS
        self._idle = False
        self._leaving = False
        self._failure: BaseException | None = None
        self._meter: Meter | None = None
        self._thread = threading.Thread(target=self._drive, name="bench-claims", daemon=True)

    @property
    def in_flight(self) -> int:
        """An even part; what other places do not need of theirs comes on top."""
        return max(1, -(-self.config.in_flight // self._presence.living))

    # --- what tests ask --------------------------------------------------------------------------------------------

    def expect(self, order: Iterable[SelectedQuestion]) -> None:
        """Join the run, and begin to work on its questions in this order."""
        self._presence.begin()
        self._presence.look()
        questions = list({question.key: question for question in order}.values())
        over = self._claims.over([question.key for question in questions])
        self._plan = Plan(questions, over, self._container, self._stretch)
        self._assembly.use_request_forms()
        if self.config.max_usd is not None and calls_models(self._part.participants, self.config.until):
            self._meter = Meter(self.checkpoint, read_run(self.checkpoint))
        self._thread.start()

    def look_ahead(self, upcoming: Iterable[SelectedQuestion]) -> None:
        """Let the containers that came to be this worker's with the questions that it was sent be claimed."""
        if self._part.workers > 1:
            with self._lock:
                for question in islice(upcoming, self.window):
                    if self._plan.stretch(question.key).closed:
                        self._plan.open(question.key)
                        self._wake.set()

    def job(self, question: SelectedQuestion) -> Job:
        """The job of a question, done here or elsewhere."""
        with self._lock:
            if self._current != question.key:
                self._current, self._since = question.key, time.monotonic()
            return super().job(question)

    def forget(self, question: SelectedQuestion) -> None:
        """Free the memory of a question that was reported."""
        with self._lock:
            super().forget(question)
            self._kept.discard(question.key)
            self._plan.mark(question.key, OVER)

    def _begin(self, questions: Sequence[SelectedQuestion], *, again: bool = False) -> None:
        """Wait for these questions, of whichever place; `again` tries anew what failed here."""
        with self._lock:
            for question in questions:
                if question.key in self._jobs:
                    continue
                if self._failure is not None:
                    raise self._failure
                anew = again and question.key in self._failed_here
                if self._plan.state(question.key) == OVER and not anew:
                    self._read(question)
                    continue
                self._jobs[question.key] = self._new_job(question, {})
                self._awaited[question.key] = anew
                self._wake.set()

    def _read(self, question: SelectedQuestion) -> None:
        """Give the question, and those after it, what is recorded of them."""
        following = self._plan.over_from(question.key, _READ_TOGETHER)
        new = [one for one in following if one.key == question.key or one.key not in self._jobs]
        stored = self.checkpoint.steps(one.key for one in new)
        for one in new:
            job = self._jobs.get(one.key) or self._new_job(one, {})
            job.stored = stored[one.key]
            if self._pipeline_of(one).replay(job):
                self._jobs[one.key] = job
            elif one.key == question.key:
                self._jobs[one.key] = job
                if not fail_as_recorded(job, self.checkpoint):
                    self._awaited[one.key] = True  # a test made something else of it, or it cannot be read
                    self._wake.set()

    def _new_job(self, question: SelectedQuestion, stored: dict[str, StoredStep]) -> Job:
        return Job(question, stored, self._plan.index[question.key])

    # --- the thread that claims ------------------------------------------------------------------------------------

    def _drive(self) -> None:
        try:
            while not self._leaving:
                self._wake.clear()
                self._settle()
                looked = self._look()
                self._serve(looked=looked)
                self._fill()
                waits = self._awaited or self._idle
                self._wake.wait(max(0.01, self._looked + LOOK_SECONDS - time.monotonic()) if waits else None)
        except BaseException as error:  # noqa: BLE001  given to the tests that wait
            self._presence.end()
            with self._lock:
                self._failure = error
                for key in self._awaited:
                    self._jobs[key].fail(error)

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

    def _look(self) -> bool:
        """Look at what others do, if anything depends on it and the time has come."""
        if not (self._awaited or self._idle) or time.monotonic() < self._looked + LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        if gone := self._presence.look():
            left = self._claims.left_by(gone)
            with self._lock:
                for key in left & self._plan.index.keys():
                    self._plan.mark(key, FREE)
                self._plan.forget_others()
        if self._awaited and self._current is not None:
            with self._lock:
                following = self._plan.after(self._current, _FOLLOWED)
            over = self._claims.over(following)
            with self._lock:
                for key in over:
                    if self._plan.state(key) != HERE or key in self._awaited:
                        self._plan.mark(key, OVER)
        return True

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
                most = self._plan.block(self._presence.living)
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

    def _stretch(self, question: SelectedQuestion) -> Stretch:
        local = self._assembly.client(question.provider).provider.limits.local
        haystack = self._container(question).removesuffix(f"-{self._part.folder_id}")  # as other folders call it
        return Stretch(haystack, local, self._one_of_several(question), own=self._is_own(question))

    def _lanes(self, question: SelectedQuestion) -> int:
        """How many sessions of the question's haystack are ingested at once."""
        most = self._assembly.client(question.provider).provider.limits.sessions
        haystack = self._part.benchmarks[question.case.benchmark].benchmark.haystack(question.case.haystack)
        return min(most, haystack.session_count)

    def stop(self) -> None:
        """Claim nothing more, cancel what is under way, and leave the run to the other places."""
        self._leaving = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_LEAVING_SECONDS)  # it may be waiting for a database that is away
        super().stop()
        self._presence.end()
