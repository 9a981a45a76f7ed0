"""A pipeline without ingest, search and answer: the answer comes from another run, and the judge grades it.

Its answer step has no attempt and no time. There is no search step: retrieval was not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any  # those of `Pipeline`

from bench.pipeline.pipeline import Pipeline
from bench.pipeline.run_part import Job
from bench.published import IMPORTED, RecordedAnswers
from net import CallRecord
from reports.store import readable, save_note
from vocabulary import Answer, Case, InfrastructureError, RecordError, SearchResult, UnansweredError, Verdict


class JudgingPipeline(Pipeline):
    """Judges the `recorded` answers of one provider over one benchmark; takes what `Pipeline` takes after it."""

    def __init__(self, recorded: RecordedAnswers, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._recorded = recorded

    def is_shared(self, case: Case) -> bool:
        """No container is needed for any question."""
        del case
        return True

    async def make_ready(self, case: Case, *, again: bool = False) -> None:
        """There is nothing to make ready."""

    def replay(self, job: Job) -> bool:
        """Resolve `job` from what is recorded of it; False if it is to be judged yet."""
        try:
            answer: Answer | None = job.recorded("answer", IMPORTED)
            if answer is None:
                return False
            verdict: Verdict | None = job.recorded("judge", self._verdict_keys(job.case, answer)[0])
        except RecordError:
            return False
        if verdict is None:
            return False
        self._skip_to_answer(job)
        job.answered.set_result(answer)
        job.judged.set_result(verdict)
        return True

    async def run(self, job: Job, *, again: bool = False) -> None:
        """Copy the answer, and have it judged."""
        del again
        job.stored = readable(job.stored)
        try:
            self._skip_to_answer(job)
            answer = await self.answer(job, ())
            job.answered.set_result(answer)
            job.judged.set_result(await self.judge(job, answer))
        except BaseException as error:
            job.fail(error)
            if not isinstance(error, InfrastructureError):
                raise

    async def answer(self, job: Job, results: Sequence[SearchResult]) -> Answer:
        """The recorded answer, whatever a test makes of `results`, which are none."""
        del results
        known: Answer | None = job.recorded("answer", IMPORTED)
        if known is not None:
            return known
        try:
            answer, error = self._recorded.answer(job.key), None
        except (UnansweredError, RecordError) as failed:
            answer, error = None, failed
        if (grade := self._recorded.grade(job.key)) is not None:
            save_note(self._checkpoint, "published", job.key, grade)
        done: CallRecord[Answer] = CallRecord(answer, error, 0.0, 0.0, 0)
        return await self._saved(job, "answer", IMPORTED, done, "")

    @staticmethod
    def _skip_to_answer(job: Job) -> None:
        job.ingested.set_result(None)
        job.searched.set_result(())
