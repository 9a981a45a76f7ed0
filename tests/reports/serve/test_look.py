"""A look at a run in either kind of database: what is new, what was made again, and what a report would say."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from reports.serve.look import Look
from reports.store import Checkpoint, Step, StepError, begin_invocation, read_only_engine
from reports.store.run_lock import lock_run
from tests.reports import made_records
from tests.reports.store.checkpoint_workers import key, make_run

ERROR = StepError(type="ProviderError", message="no\nanswer")


def test_steps_are_counted_as_they_come_and_again_when_they_are_made_again(url: str, tmp_path: Path) -> None:
    cases = [made_records.case(number, conversation=number % 2) for number in range(6)]
    lock = lock_run(tmp_path)
    with (
        closing(make_run(url, "one", cases)) as run,
        closing(Look(Checkpoint(url, "one", engine=read_only_engine(url)), tmp_path)) as look,
    ):
        begin_invocation(run, "now", "pytest bench")
        assert (look.take().state, look.take().selected, look.take().ended) == ("running", 6, 0)

        def judge(number: int, label: str) -> None:
            result = f'{{"label": "{label}", "explanation": ""}}'
            run.save(key(cases[number]), Step(phase="judge"), inputs="", result=result).result()

        for number in range(4):
            run.save(key(cases[number]), Step(phase="answer"), inputs="", result='{"hypothesis": "May"}').result()
            judge(number, "correct" if number else "wrong")
        for number in (4, 5):
            run.save(key(cases[number]), Step(phase="search", error=ERROR), inputs="", result=None).result()
        standing = look.take()
        (pair,) = standing.pairs
        assert (pair.done["judge"], pair.errors, pair.correct, pair.ended) == (4, 2, 3, 6)
        assert pair.accuracy is not None
        assert (pair.accuracy.correct, pair.accuracy.n) == (3, 6)  # all have ended: of all that was selected
        assert "2 clusters" in pair.accuracy.method
        (error,) = standing.errors
        assert (error.type, error.phase, error.number, error.message) == ("ProviderError", "search", 2, "no answer")
        assert [failure.outcome for failure in standing.failures] == ["error", "error", "wrong"]
        assert standing.failures[-1].answer == "May"
        assert standing.in_flight == 0

        run.save(key(cases[4]), Step(phase="search"), inputs="", result="[]").result()
        judge(4, "correct")
        judge(0, "correct")
        os.close(lock)  # what is made again is seen by the time that the state changes, if not before
        (pair,) = look.take().pairs
        assert (pair.done["judge"], pair.errors, pair.correct) == (5, 1, 5)
        assert [failure.key for failure in look.take().failures] == [key(cases[5])]
