"""Counting questions one at a time: what is kept of each is a few numbers, so that a run of any length fits."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reports.metrics import (
    FAILED,
    Accuracy,
    Breakdown,
    Context,
    ExactMean,
    Level,
    Outcomes,
    Questions,
    RetrievalLevels,
    RetrievalMean,
    RetrievalScores,
    StepLatency,
    interval,
    ranking_of,
    score_ranking,
    summarise,
)
from reports.store import QuestionRecord, Step
from vocabulary import REPLACEMENT, estimate_tokens

TIMED = ("search", "answer", "judge")
LEVELS: tuple[Level, ...] = ("message", "session")
GROUPS = ("answerable", "unanswerable")


@dataclass(frozen=True, slots=True)
class Digest:
    """What counting needs of one question. `retrieval` has the levels at which the question names evidence.

    `done` are the steps that this run has a time of.
    """

    outcome: str
    cluster: str
    retrieval: dict[Level, RetrievalScores]
    done: tuple[Step, ...]
    replayed: bool
    retried: bool
    cached: bool

    def comparable(self, k: int) -> tuple[str, bool, bool | None]:
        """(cluster, correct, found a message of the evidence among the first `k`; None without evidence)."""
        scores = self.retrieval.get("message")
        return self.cluster, self.outcome == "correct", None if scores is None else scores.hit[k] > 0


def digest(record: QuestionRecord) -> Digest:
    """Score and sort one question; a search that was not done found nothing."""
    gold, cached = record.case.gold, record.cached
    retrieval: dict[Level, RetrievalScores] = {}
    named: dict[Level, tuple[str, ...]] = {"message": gold.evidence_messages, "session": gold.evidence_sessions}
    for level, evidence in named.items():
        if evidence:
            found = record.results
            retrieval[level] = FAILED if found is None else score_ranking(ranking_of(found, level), evidence)
    return Digest(
        outcome=record.outcome,
        cluster=record.case.cluster,
        retrieval=retrieval,
        done=tuple(step for step in record.steps if step.error is None and step.phase not in cached),
        replayed=record.replayed,
        retried=any(step.attempts > 1 or step.retried for step in record.steps),
        cached=bool(cached),
    )


class Tally:
    """The numbers of a set of questions."""

    def __init__(self, top_k: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self.replayed = self.retried = self.cached = 0
        self.retrieval: dict[Level, RetrievalMean] = {level: RetrievalMean(top_k) for level in LEVELS}
        self.service = {phase: array("d") for phase in TIMED}
        self.waited = {phase: array("d") for phase in TIMED}
        self._clusters: dict[str, tuple[int, int]] = {}

    def add(self, one: Digest) -> None:
        """Count one question."""
        self.outcomes[one.outcome] += 1
        self.replayed += one.replayed
        self.retried += one.retried
        self.cached += one.cached
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
            cached=self.cached,
            outcomes=Outcomes(**counts),
        )

    def accuracy(self) -> Accuracy | None:
        """Correct answers among all questions so far; None of no questions."""
        return interval(self._clusters)

    def levels(self, shown: set[Level]) -> RetrievalLevels:
        """Retrieval at the levels in `shown`."""
        return RetrievalLevels(
            message=self.retrieval["message"].summary() if "message" in shown else None,
            session=self.retrieval["session"].summary() if "session" in shown else None,
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
    return StepLatency(**{phase: summarise(times[phase]) for phase in TIMED})


def is_replaced(record: QuestionRecord) -> bool:
    """Whether a character was replaced in a text of the question, or was a replacement in the data."""
    return any(REPLACEMENT in text for text in _texts(record))


def _texts(record: QuestionRecord) -> Iterator[str]:
    yield record.case.question.text
    yield from (result.text for result in record.results or ())
    if record.answer is not None:
        yield record.answer.hypothesis
    if record.verdict is not None:
        yield record.verdict.explanation
    if record.error is not None and record.error.error is not None:
        yield record.error.error.message


def context_tokens(record: QuestionRecord) -> int | None:
    """How many tokens of context an answering model was given: None before a search, estimated from its text.

    A language model reads results as they are rendered, with their dates and within a budget, and says how much that
    was; others read the texts of all results.
    """
    if record.answer is not None and record.answer.context_tokens is not None:
        return record.answer.context_tokens
    return None if record.results is None else sum(estimate_tokens(result.text) for result in record.results)


class ContextTally:
    """How much the answering model was given, one question at a time.

    With `rendered`, a question without an answer is left out: nothing was rendered for it.
    """

    def __init__(self, *, rendered: bool) -> None:
        self._rendered = rendered
        self._tokens, self._share, self._prompts = ExactMean(), ExactMean(), ExactMean()

    def add(self, record: QuestionRecord, haystack_tokens: int | None) -> None:
        """Count one question."""
        tokens = context_tokens(record)
        if record.results is None or tokens is None or (self._rendered and record.answer is None):
            return
        self._tokens.add(tokens)
        if haystack_tokens:
            self._share.add(tokens / haystack_tokens)
        usage = record.answer.usage if record.answer is not None else None
        if usage is not None and usage.input_tokens and usage.calls:
            self._prompts.add(usage.input_tokens / usage.calls)

    def summary(self) -> Context:
        """The means so far."""
        return Context(
            n=self._tokens.n,
            tokens_mean=self._tokens.value,
            prompt_tokens_mean=self._prompts.value,
            haystack_share_mean=self._share.value,
        )
