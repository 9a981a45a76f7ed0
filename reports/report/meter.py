"""What a run has spent so far, while it goes on: read from its checkpoint, and seldom."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any  # the columns of a row are known only when it is read

import sqlalchemy as sa

from reports.report.prices import Prices, Spending, answer_paid, dollars, verdict_paid, votes_paid
from reports.store import AnswererRecord, Checkpoint, JudgeRecord, QuestionKey, RunRecord, recorded, tables
from vocabulary import ConfigurationError, RecordError

_EVERY_SECONDS = 1.0
_SHARE_OF_TIME = 0.05
"""Reading a large checkpoint takes long: the most that a run spends on it, counted in seconds of CPU."""


class Meter:
    """Adds up the usage that a checkpoint holds, at most once a second, and in no more than a `share` of the time."""

    def __init__(self, checkpoint: Checkpoint, run: RunRecord, share: float = _SHARE_OF_TIME) -> None:
        self._checkpoint = checkpoint
        self._run = run
        self._share = share
        self._prices = Prices(run.started)
        self._usd: Decimal | None = Decimal(0)
        self._next = 0.0
        self._looked = False

    def usd(self) -> Decimal | None:
        """The dollars that were spent when it was last looked; None if the price of any of it is unknown."""
        if time.monotonic() >= self._next:
            began = time.thread_time()  # a busy machine makes a short read look long
            self._usd = self.look()
            took = time.thread_time() - began if self._looked else 0.0
            self._looked = True
            self._next = time.monotonic() + max(_EVERY_SECONDS, took / self._share)
        return self._usd

    def shown(self) -> str:
        """The same in words."""
        return dollars(self.usd())

    def look(self) -> Decimal | None:
        """The dollars that are spent now."""
        spending = Spending(self._prices)
        # by the judges' names alone: their rules differ between benchmarks, who sells their models does not
        judges = [judge for benchmark in self._run.benchmarks for judge in benchmark.judges] or [self._run.judge]
        voted: set[QuestionKey] = set()
        for row in self._paid_for(tables.votes):
            voted.add(QuestionKey(row.provider, row.benchmark, row.question))
            with suppress(RecordError):  # its question will be asked again, and count as an error until then
                spending.add(votes_paid(judges, [recorded("vote", row.result)]))
        steps = tables.steps.c
        for row in self._paid_for(tables.steps, steps.phase == "answer"):
            with suppress(RecordError):
                spending.add(answer_paid(self._run.answerer, recorded("answer", row.result)))
        for row in self._paid_for(tables.steps, steps.phase == "judge"):
            if QuestionKey(row.provider, row.benchmark, row.question) not in voted:
                with suppress(RecordError):
                    spending.add(verdict_paid(judges, recorded("judge", row.result)))
        return spending.usd

    def _paid_for(self, table: sa.Table, *which: sa.ColumnElement[bool]) -> Iterable[sa.Row[Any]]:
        """What has a result; what is to be asked again was paid for too, and stands there until it is replaced.

        What comes from the step cache took no attempt.
        """
        columns = table.c
        query = sa.select(columns.provider, columns.benchmark, columns.question, columns.result)
        return self._checkpoint.read(query.where(columns.result.is_not(None), columns.attempts > 0, *which))


def is_reached(usd: Decimal | None, limit: float | None) -> bool:
    """Whether a limit in dollars is reached; of what is unknown nobody can say that it is less."""
    return limit is not None and (usd is None or usd >= Decimal(str(limit)))


def uses_models(answerer: AnswererRecord, judges: Sequence[JudgeRecord]) -> bool:
    """Whether anybody has to be paid for."""
    return not answerer.offline or any(judge.model is not None for judge in judges)


def check_limit(usd: float, prices: Prices, answerer: AnswererRecord | None, judges: Sequence[JudgeRecord]) -> None:
    """Make sure that a limit on what these cost can hold; raises `ConfigurationError` where a price is unknown."""
    models = [] if answerer is None or answerer.offline else [(answerer.name, answerer.priced_by)]
    models += [(judge.model, judge.priced_by) for judge in judges if judge.model is not None]
    unpriced = sorted({name for name, priced_by in models if not prices.knows(name, priced_by)})
    if unpriced:
        raise ConfigurationError(
            f"--max-usd {usd:g} cannot hold: {prices.source} has no price for {', '.join(unpriced)}. Leave out "
            "--max-usd, or choose a model whose price is listed."
        )
