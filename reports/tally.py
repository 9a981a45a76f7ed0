"""Counting questions one at a time: what is kept of each is a few numbers, so that a run of any length fits."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from reports.figures import (
    Accuracy,
    Breakdown,
    Latency,
    OfficialRetrieval,
    OfficialScores,
    Outcomes,
    Questions,
    Retrieval,
    RetrievalLevels,
    StepLatency,
)
from reports.latency import summarise
from reports.official_retrieval import OfficialLevel, OfficialSummary
from reports.records import QuestionRecord, Step
from reports.retrieval_metrics import FAILED, K, Level, RetrievalMean, RetrievalScores, ranking_of, score_ranking
from reports.statistics import interval
from reports.story import outcome

TIMED = ("search", "answer", "judge")
LEVELS: tuple[Level, ...] = ("message", "session")


@dataclass(frozen=True, slots=True)
class Digest:
    """What counting needs of one question. `retrieval` has the levels at which the question names evidence."""

    outcome: str
    cluster: str
    retrieval: dict[Level, RetrievalScores]
    done: tuple[Step, ...]
    replayed: bool
    retried: bool


def digest(record: QuestionRecord) -> Digest:
    """Score and sort one question; a search that was not done found nothing."""
    gold = record.case.gold
    retrieval: dict[Level, RetrievalScores] = {}
    named: dict[Level, tuple[str, ...]] = {"message": gold.evidence_messages, "session": gold.evidence_sessions}
    for level, evidence in named.items():
        if evidence:
            found = record.results
            retrieval[level] = FAILED if found is None else score_ranking(ranking_of(found, level), evidence)
    return Digest(
        outcome=outcome(record),
        cluster=record.case.cluster,
        retrieval=retrieval,
        done=tuple(step for step in record.steps if step.error is None),
        replayed=record.replayed,
        retried=any(step.attempts > 1 or step.retried for step in record.steps),
    )


class Tally:
    """The numbers of a set of questions."""

    def __init__(self, top_k: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self.replayed = self.retried = 0
        self.retrieval: dict[Level, RetrievalMean] = {level: RetrievalMean(top_k) for level in LEVELS}
        self.service = {phase: array("d") for phase in TIMED}
        self.waited = {phase: array("d") for phase in TIMED}
        self._clusters: dict[str, tuple[int, int]] = {}

    def add(self, one: Digest) -> None:
        """Count one question."""
        self.outcomes[one.outcome] += 1
        self.replayed += one.replayed
        self.retried += one.retried
        correct, n = self._clusters.get(one.cluster, (0, 0))
        self._clusters[one.cluster] = correct + (one.outcome == "correct"), n + 1
        for level, scores in one.retrieval.items():
            self.retrieval[level].add(scores)
        for step in one.done:
            batched = step.usage is not None and step.usage.batched  # how long a batch took is no time of the service
            if step.phase in self.service and not batched:
                self.service[step.phase].append(step.service_ms)
                self.waited[step.phase].append(step.waited_ms)

    @property
    def clusters(self) -> Mapping[str, tuple[int, int]]:
        """(correct, n) of each cluster so far."""
        return self._clusters

    def correct_of(self) -> tuple[int, int]:
        """How many are correct, of how many."""
        return self.outcomes["correct"], self.outcomes.total()

    def questions(self) -> Questions:
        """The counts so far."""
        counts = {name: self.outcomes[name] for name in Outcomes.model_fields}
        return Questions(
            selected=self.outcomes.total(),
            judged=counts["correct"] + counts["wrong"] + counts["abstained"],
            correct=counts["correct"],
            errors=counts["error"],
            replayed=self.replayed,
            retried=self.retried,
            outcomes=Outcomes(**counts),
        )

    def accuracy(self) -> Accuracy:
        """Correct answers among all questions so far, of which there must be one."""
        share = interval(self._clusters)
        return Accuracy.model_validate(share.model_dump())

    def levels(self, shown: set[Level]) -> RetrievalLevels:
        """Retrieval at the levels in `shown`."""
        return RetrievalLevels(
            message=_retrieval(self.retrieval["message"]) if "message" in shown else None,
            session=_retrieval(self.retrieval["session"]) if "session" in shown else None,
        )

    def breakdown(self, shown: set[Level], judged: bool) -> Breakdown:
        """All of it; accuracy only if verdicts were asked for."""
        return Breakdown(
            questions=self.questions(),
            accuracy=self.accuracy() if judged else None,
            retrieval=self.levels(shown),
            latency_ms=step_latency(self.service),
        )


def step_latency(times: dict[str, array[float]]) -> StepLatency:
    """Summaries of the times of each step."""
    return StepLatency(**{phase: latency(times[phase]) for phase in TIMED})


def latency(times: array[float]) -> Latency:
    """The summary of `times`."""
    return Latency.model_validate(summarise(times).model_dump())


def official_levels(found: Mapping[OfficialLevel, OfficialSummary], shown: set[Level]) -> OfficialRetrieval:
    """A data set's own retrieval metrics, as far as our levels in `shown` can be measured."""
    return OfficialRetrieval(
        session=_official(found["session"]) if "session" in shown else None,
        turn=_official(found["turn"]) if "message" in shown else None,
    )


def _official(summary: OfficialSummary) -> OfficialScores:
    every = dict.fromkeys(map(str, K))
    return OfficialScores(
        n=summary.n,
        recall_any=every | summary.recall_any,
        recall_all=every | summary.recall_all,
        ndcg_any=every | summary.ndcg_any,
    )


def _retrieval(mean: RetrievalMean) -> Retrieval:
    summary = mean.summary()
    every = dict.fromkeys(map(str, K))  # a cut-off that was not measured is shown, as null
    return Retrieval(
        n=summary.n,
        recall=every | summary.recall,
        hit=every | summary.hit,
        ndcg=every | summary.ndcg,
        mrr=summary.mrr,
        unattributed=summary.unattributed,
    )
