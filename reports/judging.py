"""What each judge of a run says, and how far judges agree with each other and with themselves."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations

from reports.agreement import Kappa, cohen, fleiss, standard_deviation, steadiness
from reports.audits import JudgeAudit
from reports.figures import Accuracy, Block, Latency, Ratio
from reports.records import JudgeRecord, QuestionRecord
from reports.statistics import interval
from reports.tally import latency
from reports.votes import CastVote, JudgedRecord, majority
from schema import VerdictLabel, Vote


class JudgeNoise(Block):
    """How a judge that voted several times on each answer differs from itself."""

    repeats: int
    n: int
    """Questions with a vote of each repeat."""
    changed: Ratio | None
    """Share of them whose label was not the same in all repeats; null where `n` is 0."""
    accuracy_sd: Ratio
    """Standard deviation of the accuracy over the repeats (sample, one less than the repeats below)."""


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
    """How it graded answers whose worth is known; null where nobody had it audited by this protocol."""


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
        self._ballots = {judge.name: _Ballots() for judge in judges}
        self._patterns: Counter[tuple[VerdictLabel | None, ...]] = Counter()

    def add(self, record: QuestionRecord) -> None:
        """Count one question; a judge that gave it no vote was not convinced."""
        votes: dict[str, list[CastVote]] = {name: [] for name in self._ballots}
        for cast in self._cast(record):
            if cast.vote.judge in votes:
                votes[cast.vote.judge].append(cast)
        labels = [self._ballots[name].add(cast, record.case.cluster) for name, cast in votes.items()]
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
        return tuple(self._ballots[judge.name].result(judge, judged) for judge in self._judges)

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
            found: Kappa = cohen(both)
            yield PairAgreement(
                first=first.name,
                second=second.name,
                n=found.n,
                agreed=found.agreed,
                cohen_kappa=found.value,
                reason=found.reason,
            )

    def _cast(self, record: QuestionRecord) -> tuple[CastVote, ...]:
        if isinstance(record, JudgedRecord):
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
        return (CastVote(vote=vote, service_ms=step.service_ms, waited_ms=step.waited_ms, attempts=step.attempts),)


class _Ballots:
    """The votes of one judge."""

    def __init__(self) -> None:
        self._models: set[str] = set()
        self._times = array("d")
        self._votes = 0
        self._labels: Counter[tuple[VerdictLabel, ...]] = Counter()
        self._questions: Counter[str] = Counter()
        self._correct: Counter[str] = Counter()
        self._correct_by_repeat: dict[int, Counter[str]] = {}

    def add(self, votes: list[CastVote], cluster: str) -> VerdictLabel | None:
        """Count the votes on one question; gives what they come to, None of none."""
        self._questions[cluster] += 1
        for cast in votes:
            by_repeat = self._correct_by_repeat.setdefault(cast.vote.repeat, Counter())
            by_repeat[cluster] += cast.vote.label == "correct"
            self._votes += 1
            if not (cast.vote.usage and cast.vote.usage.batched):  # how long a batch took is no time of the model
                self._times.append(cast.service_ms)
            if cast.vote.model is not None:
                self._models.add(cast.vote.model)
        if not votes:
            return None
        labels = tuple(cast.vote.label for cast in votes)
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
            by_repeat=tuple(by_repeat),
            noise=self._noise([accuracy.value for accuracy in by_repeat]),
            latency_ms=latency(self._times),
        )

    def _accuracy(self, correct: Mapping[str, int]) -> Accuracy:
        share = interval({cluster: (correct.get(cluster, 0), n) for cluster, n in self._questions.items()})
        return Accuracy.model_validate(share.model_dump())

    def _noise(self, accuracies: list[float]) -> JudgeNoise | None:
        spread = standard_deviation(accuracies)
        if spread is None:
            return None
        whole = {labels: count for labels, count in self._labels.items() if len(labels) == len(accuracies)}
        steady = steadiness(whole)
        return JudgeNoise(repeats=len(accuracies), n=steady.n, changed=steady.changed, accuracy_sd=spread)
