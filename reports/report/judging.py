"""What each judge of a run says, and how far judges agree with each other and with themselves."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations

from reports.metrics import (
    Accuracy,
    Block,
    JudgeNoise,
    Latency,
    Ratio,
    cohen,
    fleiss,
    interval,
    judge_noise,
    summarise,
)
from reports.report.audits import JudgeAudit
from reports.store import JudgeRecord, QuestionRecord, RecordedVote, majority
from vocabulary import VerdictLabel, Vote


class JudgeResult(Block):
    """One judge: what it says, whatever the others do."""

    name: str
    protocol: str
    model: str | None
    models_served: tuple[str, ...]
    """What the server called the model, each name once."""
    votes: int
    """Gradings that it gave, over all repeats."""
    accuracy: Accuracy | None
    """By this judge alone, over all selected questions; with repeats, by what they come to. Null as in the result."""
    by_repeat: tuple[Accuracy, ...]
    """By each repeat alone; empty where there is one."""
    noise: JudgeNoise | None
    """Null where there is one repeat."""
    latency_ms: Latency
    """Clock field. Each vote's own call."""
    audit: JudgeAudit | None = None
    """Audit on answers with known labels; null if there is none by this protocol."""


class PairAgreement(Block):
    """Two judges on the same answers."""

    first: str
    second: str
    n: int
    """Questions that both labelled."""
    agreed: Ratio | None
    """Share of them with the same label; null where `n` is 0."""
    cohen_kappa: Ratio | None
    reason: str | None
    """Why there is no kappa."""


class Agreement(Block):
    """How far the judges agree on the labels correct, wrong and abstained, beyond what chance would give."""

    n: int
    """Questions that all judges labelled."""
    fleiss_kappa: Ratio | None
    """Over all judges."""
    reason: str | None
    """Why there is no kappa."""
    pairs: tuple[PairAgreement, ...]


class JudgingTally:
    """Counts the votes of `judges` over the questions of one provider on one benchmark, one question at a time."""

    def __init__(self, judges: tuple[JudgeRecord, ...]) -> None:
        self._judges = judges
        self._tallies = {judge.name: _JudgeTally() for judge in judges}
        self._patterns: Counter[tuple[VerdictLabel | None, ...]] = Counter()

    def add(self, record: QuestionRecord) -> None:
        """Count one question; a judge that gave it no vote was not convinced."""
        votes: dict[str, list[RecordedVote]] = {name: [] for name in self._tallies}
        for recorded in self._recorded(record):
            if recorded.vote.judge in votes:
                votes[recorded.vote.judge].append(recorded)
        labels = [self._tallies[name].add(recorded, record.case.cluster) for name, recorded in votes.items()]
        self._patterns[tuple(labels)] += 1

    def shown(self) -> JudgeRecord:
        """Who the verdicts are by: the judge, or the majority of several."""
        if len(self._judges) == 1:
            return self._judges[0]
        names = ", ".join(judge.name for judge in self._judges)
        protocols = ", ".join(dict.fromkeys(judge.protocol for judge in self._judges))
        return JudgeRecord(name=f"majority of {names}", protocol=protocols, model=None)

    def judges(self, judged: bool) -> tuple[JudgeResult, ...]:
        """Each judge's own figures; accuracies only if verdicts were asked for."""
        return tuple(self._tallies[judge.name].result(judge, judged) for judge in self._judges)

    def agreement(self) -> Agreement | None:
        """How far they agree; None for one judge."""
        if len(self._judges) == 1:
            return None
        whole = {pattern: count for pattern, count in self._patterns.items() if None not in pattern}
        among_all = fleiss(whole)
        return Agreement(
            n=among_all.n, fleiss_kappa=among_all.value, reason=among_all.reason, pairs=tuple(self._pairs())
        )

    def _pairs(self) -> Iterator[PairAgreement]:
        for (one, first), (other, second) in combinations(enumerate(self._judges), 2):
            both: Counter[tuple[VerdictLabel | None, VerdictLabel | None]] = Counter()
            for pattern, count in self._patterns.items():
                if pattern[one] is not None and pattern[other] is not None:
                    both[pattern[one], pattern[other]] += count
            found = cohen(both)
            yield PairAgreement(
                first=first.name,
                second=second.name,
                n=found.n,
                agreed=found.agreed,
                cohen_kappa=found.value,
                reason=found.reason,
            )

    def _recorded(self, record: QuestionRecord) -> tuple[RecordedVote, ...]:
        if record.votes:
            return record.votes
        verdict = record.verdict
        step = next((step for step in record.steps if step.phase == "judge"), None)
        if verdict is None or step is None:
            return ()
        vote = Vote(
            judge=self._judges[0].name,
            repeat=0,
            label=verdict.label,
            explanation=verdict.explanation,
            usage=verdict.usage,
            model=verdict.model,
        )
        return (RecordedVote(vote=vote, service_ms=step.service_ms, attempts=step.attempts),)


class _JudgeTally:
    """The votes of one judge."""

    def __init__(self) -> None:
        self._models: set[str] = set()
        self._times = array("d")
        self._votes = 0
        self._labels: Counter[tuple[VerdictLabel, ...]] = Counter()
        self._questions: Counter[str] = Counter()
        self._correct: Counter[str] = Counter()
        self._correct_by_repeat: dict[int, Counter[str]] = {}

    def add(self, votes: list[RecordedVote], cluster: str) -> VerdictLabel | None:
        """Count the votes on one question; gives what they come to, None of none."""
        self._questions[cluster] += 1
        for recorded in votes:
            by_repeat = self._correct_by_repeat.setdefault(recorded.vote.repeat, Counter())
            by_repeat[cluster] += recorded.vote.label == "correct"
            self._votes += 1
            usage = recorded.vote.usage
            if recorded.attempts and not (usage and usage.batched):  # how long a batch took is no time of the model
                self._times.append(recorded.service_ms)
            if recorded.vote.model is not None:
                self._models.add(recorded.vote.model)
        if not votes:
            return None
        labels = tuple(recorded.vote.label for recorded in votes)
        self._labels[labels] += 1
        label = majority(labels)
        self._correct[cluster] += label == "correct"
        return label

    def result(self, judge: JudgeRecord, judged: bool) -> JudgeResult:
        repeats = sorted(self._correct_by_repeat)
        by_repeat = [self._accuracy(self._correct_by_repeat[repeat]) for repeat in repeats] if len(repeats) > 1 else []
        return JudgeResult(
            name=judge.name,
            protocol=judge.protocol,
            model=judge.model,
            models_served=tuple(sorted(self._models)),
            votes=self._votes,
            accuracy=self._accuracy(self._correct) if judged else None,
            by_repeat=tuple(filter(None, by_repeat)),
            noise=self._noise([accuracy.value for accuracy in by_repeat if accuracy]),
            latency_ms=summarise(self._times),
        )

    def _accuracy(self, correct: Mapping[str, int]) -> Accuracy | None:
        return interval({cluster: (correct.get(cluster, 0), n) for cluster, n in self._questions.items()})

    def _noise(self, accuracies: list[float]) -> JudgeNoise | None:
        if not accuracies:
            return None
        return judge_noise({one: n for one, n in self._labels.items() if len(one) == len(accuracies)}, accuracies)
