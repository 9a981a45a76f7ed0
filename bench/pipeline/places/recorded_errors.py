"""A question that failed at another place, as the test that waits for it here meets it."""

from __future__ import annotations

from bench.pipeline.run_part import Job
from reports.store import Checkpoint, RecordedResults, StepError, recorded
from vocabulary import (
    PHASES,
    HaystackError,
    IndexingTimeoutError,
    InfrastructureError,
    JudgeError,
    ModelError,
    ProviderError,
    RecordError,
    ReplyError,
)

_KINDS: dict[str, type[InfrastructureError]] = {
    kind.__name__: kind
    for kind in (HaystackError, IndexingTimeoutError, JudgeError, ModelError, ProviderError, RecordError, ReplyError)
}


def fail_as_recorded(job: Job, checkpoint: Checkpoint) -> bool:
    """End `job` in the error that is recorded of it, after what was done before; False if none is recorded."""
    record = checkpoint.question_record(job.key, results=False)
    failed = next((step for step in record.steps if step.error is not None), None)
    if failed is None or failed.error is None:
        return False
    for phase, future in zip(PHASES[: PHASES.index(failed.phase)], job.futures, strict=False):
        text = job.stored[phase].result or "" if phase in job.stored else ""
        future.set_result(RecordedResults(text) if phase == "search" else recorded(phase, text))
    job.fail(_as_it_was(failed.error))
    return True


def _as_it_was(error: StepError) -> InfrastructureError:
    return _KINDS.get(error.type, InfrastructureError)(error.message)
