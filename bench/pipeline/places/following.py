"""What all who take part in a run of several places do: tests wait here for questions that others ask."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence

from bench.pipeline.places.plan import HERE, OVER, Plan, Stretch
from bench.pipeline.places.recorded_errors import fail_as_recorded
from bench.pipeline.run_part import Job, RunPart, calls_models
from bench.pipeline.runner import Runner
from reports.report import Meter
from reports.store import QuestionKey, SelectedQuestion, StoredStep, read_run
from reports.store.sharing import Claims, Presence

LOOK_SECONDS = 1.0
"""How often a place that waits for others looks at what they have done."""

_FOLLOWED = 2000
"""How many questions, from the one that pytest waits for, it looks at then."""

_READ_TOGETHER = 50
"""How many questions of others are read at once."""

_LEAVING_SECONDS = 10.0


class Following(Runner):
    """A place of a run, whose thread gives tests what is done of their questions, here or elsewhere.

    A test waits for its question: what another place has done is read from the checkpoint, as in a run that is
    continued.
    """

    def __init__(self, part: RunPart, presence: Presence, is_own: Callable[[SelectedQuestion], bool]) -> None:
        super().__init__(part)
        self._presence, self._is_own = presence, is_own
        self._claims = Claims(presence)
        self._plan = Plan([], set(), self._container, self._stretch)
        self._lock = threading.RLock()  # of `_jobs`, `_awaited` and the plan
        self._wake = threading.Event()
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

    # --- what tests ask --------------------------------------------------------------------------------------------

    def expect(self, order: Iterable[SelectedQuestion]) -> None:
        """Join the run, and begin to work on its questions in this order."""
        self._presence.begin()
        self._presence.look()
        self._plan = self._planned(order)
        self._assembly.use_request_forms()
        if self.config.max_usd is not None and calls_models(self._part.participants, self.config.until):
            self._meter = Meter(self.checkpoint, read_run(self.checkpoint))
        self._thread.start()

    def _planned(self, order: Iterable[SelectedQuestion]) -> Plan:
        """What there is to do of these questions."""
        questions = list({question.key: question for question in order}.values())
        over = self._claims.over([question.key for question in questions])
        return Plan(questions, over, self._container, self._stretch)

    def look_ahead(self, upcoming: Iterable[SelectedQuestion]) -> None:
        """Nothing is begun here because pytest comes near it."""

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
        """Give a test what is recorded of its question; those that follow it are read with it."""
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

    # --- the thread ------------------------------------------------------------------------------------------------

    def _drive(self) -> None:
        try:
            while not self._leaving:
                self._wake.clear()
                self._advance()
                waits = self._awaited or self._idle
                self._wake.wait(max(0.01, self._looked + LOOK_SECONDS - time.monotonic()) if waits else None)
        except BaseException as error:  # noqa: BLE001  given to the tests that wait
            self._presence.end()
            with self._lock:
                self._failure = error
                for key in self._awaited:
                    self._jobs[key].fail(error)

    @abstractmethod
    def _advance(self) -> None:
        """Do what is to be done now; called when `_wake` is set, and every `LOOK_SECONDS` while anything is awaited."""

    def _look(self) -> bool:
        """Look at what others do, if anything depends on it and the time has come."""
        if not (self._awaited or self._idle) or time.monotonic() < self._looked + LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        if gone := self._presence.look():
            self._free(self._claims.left_by(gone))
        if self._awaited and self._current is not None:
            with self._lock:
                following = self._plan.after(self._current, _FOLLOWED)
            over = self._claims.over(following)
            with self._lock:
                for key in over:
                    if self._plan.state(key) != HERE or key in self._awaited:
                        self._plan.mark(key, OVER)
        return True

    def _free(self, left: set[QuestionKey]) -> None:
        """Places are gone that had `left` these questions."""

    def _stretch(self, question: SelectedQuestion) -> Stretch:
        local = self._assembly.client(question.provider).provider.limits.local
        haystack = self._container(question).removesuffix(f"-{self._part.folder_id}")  # as other folders call it
        return Stretch(haystack, local, self._one_of_several(question), own=self._is_own(question))

    def stop(self) -> None:
        """Cancel what is under way, and leave the run to the other places."""
        self._leaving = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_LEAVING_SECONDS)  # it may be waiting for a database that is away
        super().stop()
        self._presence.end()
