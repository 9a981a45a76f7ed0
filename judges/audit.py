"""Auditing a judge: it grades answers with known labels, and its errors are counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, NamedTuple, Protocol, TypeVar

from judges.audit_set import LABELS, AuditItem, Kind, audit_set_sha256
from judges.base import Judge
from judges.model_judge import ModelJudge
from net import CallLimits, CallRecord, Services
from reports.metrics import cohen_kappa, interval
from reports.report import Accepted, AcceptedShare, JudgeAudit
from vocabulary import Answer, Gold, InfrastructureError, JudgeError, Question, Verdict

GIVE_UP = 20
"""An audit is given up when this many items have ended in errors and none in a verdict."""


class Gradable(Protocol):
    """An answer to a question, and the truth about it as a judge under a protocol gets it."""

    @property
    def id(self) -> str: ...  # noqa: D102  of the item, unlike all others
    @property
    def question(self) -> Question: ...  # noqa: D102
    @property
    def answer(self) -> Answer: ...  # noqa: D102
    def gold_for(self, protocol: str) -> Gold: ...  # noqa: D102


Item = TypeVar("Item", bound=Gradable)


class Graded(NamedTuple, Generic[Item]):
    """An item with its verdict, or with the error that it ended in."""

    item: Item
    verdict: Verdict | None
    error: InfrastructureError | None = None

    @property
    def accepted(self) -> bool:
        """Whether the judge called the answer correct."""
        return self.verdict is not None and self.verdict.correct


GradedItem = Graded[AuditItem]


async def grade(
    judge: Judge, items: Sequence[Item], in_flight: int, tell: Callable[[int], None] | None = None
) -> list[Graded[Item]]:
    """Have `judge` grade `items`, so many at once as it bears and at most `in_flight`, and close it.

    `tell` is called with how many are done. What is worth another attempt gets five. An item that ends in an error has
    no verdict; raises the first error where nothing but errors comes, as from a server that is not there.
    """
    graded: dict[str, Graded[Item]] = {}
    waiting = iter(items)
    with TemporaryDirectory() as folder:
        services = Services(in_flight=in_flight, workers=1, folder=Path(folder))
        caller = services.caller(judge.name, CallLimits(concurrency=judge.concurrency), JudgeError)

        async def work() -> None:
            for item in waiting:
                if _hopeless(graded.values()):
                    return
                done: CallRecord[Verdict] = await caller.call(
                    judge.evaluate, item.question, item.gold_for(judge.protocol), item.answer
                )
                graded[item.id] = Graded(item, done.value, done.error)
                if tell:
                    tell(len(graded))

        try:
            if isinstance(judge, ModelJudge):
                negotiated = await caller.call(judge.chat.negotiate, judge.reply)
                if negotiated.error is not None:
                    raise negotiated.error
            await asyncio.gather(*(work() for _ in range(caller.most)))
        finally:
            services.close()
            closing = judge.close()
            if closing is not None:
                await closing
    errors = [one.error for one in graded.values() if one.error is not None]
    if errors and len(errors) == len(graded):
        raise errors[0]
    return [graded[item.id] for item in items]


def audit_of(judge: Judge, graded: Sequence[GradedItem]) -> JudgeAudit:
    """The figures of `judge` over what it graded.

    An item without a verdict counts as not agreeing in the accuracy, and is left out of kappa and of the shares of
    accepted answers: an error is neither praise nor blame. Intervals respect that the items of one question belong
    together.
    """
    decided = [one for one in graded if one.verdict is not None]
    accuracy = interval(_by_question((one, _agrees(judge, one)) for one in graded))
    assert accuracy is not None, "the labelled set is not empty"
    labels = [one.item.label(judge.protocol) == "correct" for one in decided]
    vague = [one for one in graded if one.item.kind == "vague"]
    share = interval(_by_question((one, one.accepted) for one in vague if one.verdict is not None))
    models = dict.fromkeys(one.verdict.model for one in graded if one.verdict is not None and one.verdict.model)
    return JudgeAudit(
        judge=judge.name,
        protocol=judge.protocol,
        model=", ".join(models) or judge.model,
        set_sha256=audit_set_sha256(),
        items=len(graded),
        graded=len(decided),
        errors=dict(sorted(Counter(type(one.error).__name__ for one in graded if one.error is not None).items())),
        accuracy=accuracy.model_copy(update={"method": accuracy.method.replace("haystack", "question")}),
        kappa=cohen_kappa(labels, [one.accepted for one in decided]),
        vague_accepted=AcceptedShare(**dict(_accepted(judge, vague)), ci95=share and share.ci95),
        kinds={
            kind: _accepted(judge, [one for one in graded if one.item.kind == kind])
            for kind in _kinds(one.item.kind for one in graded)
        },
    )


def accepting_everything(judge: Judge, items: Iterable[AuditItem]) -> JudgeAudit:
    """The figures that a judge would have who calls each answer correct, by the labels that hold for `judge`."""
    verdict = Verdict(label="correct", explanation="Everything is correct.")
    return audit_of(judge, [Graded(item, verdict) for item in items])


def _kinds(found: Iterable[Kind]) -> list[Kind]:
    there = set(found)
    return [kind for kind in LABELS if kind in there]


def _agrees(judge: Judge, one: GradedItem) -> bool:
    return one.verdict is not None and one.accepted == (one.item.label(judge.protocol) == "correct")


def _by_question(found: Iterable[tuple[GradedItem, bool]]) -> dict[str, tuple[int, int]]:
    """(true, all) by question."""
    counts: dict[str, tuple[int, int]] = {}
    for one, true in found:
        right, n = counts.get(one.item.question_name, (0, 0))
        counts[one.item.question_name] = right + true, n + 1
    return counts


def _accepted(judge: Judge, graded: Sequence[GradedItem]) -> Accepted:
    decided = [one for one in graded if one.verdict is not None]
    accepted = sum(one.accepted for one in decided)
    return Accepted(
        items=len(graded),
        errors=len(graded) - len(decided),
        labelled_correct=sum(one.item.label(judge.protocol) == "correct" for one in graded),
        accepted=accepted,
        share=accepted / len(decided) if decided else None,
    )


def _hopeless(graded: Iterable[Graded[Item]]) -> bool:
    verdicts = [one.verdict for one in graded]
    return len(verdicts) >= GIVE_UP and not any(verdicts)
