"""The grades that the publisher of imported answers gave them, beside the verdicts of this run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from fractions import Fraction

from reports.metrics import Accuracy, Block, Ratio, cohen, cohen_interval, interval
from reports.store import BenchmarkRecord, ProviderRecord, QuestionRecord, RunRecord, majority
from vocabulary import VerdictLabel

_EXACT = 10**6
"""Grades are fractions with a denominator up to this one: a share of judgements, or a decimal."""

Pairs = Counter[tuple[bool, bool]]


class GradedType(Block):
    """One question type."""

    n: int
    """Answers with a published grade."""
    accepted: int
    """Those that most of the published judgements accept."""
    accepted_here: int
    """Those that this run's verdict accepts."""


class AgainstPublished(Block):
    """One judge beside the published grades, over the answers that both graded."""

    judge: str
    """The judge, or the majority of several."""
    n: int
    accepted: int
    """Answers that this judge accepts."""
    agreed: Ratio | None
    """Share of answers with the same verdict, accepted or not; null where `n` is 0."""
    cohen_kappa: Ratio | None
    kappa_ci95: tuple[Ratio, Ratio] | None
    """By leaving out one haystack at a time; one question at a time where there is one haystack."""
    reason: str | None
    """Why there is no kappa."""
    only_published: int
    """Accepted by the published grade and not by this judge."""
    only_here: int
    """Accepted by this judge and not by the published grade."""


class PublishedGrades(Block):
    """What the publisher of imported answers says of them, and how far this run agrees."""

    stated: float | None
    """The accuracy that the publisher states, in its own unit; null where it states none."""
    n: int
    """Answers with a published grade."""
    mean_grade: float | None
    """The accuracy that the published grades come to, the mean over all judgements. Not rounded."""
    accepted: Accuracy | None
    """Answers that most of the published judgements accept."""
    all_wrong: bool
    """Each answer is wrong on purpose: to accept one is an error."""
    by_type: dict[str, GradedType]
    judges: tuple[AgainstPublished, ...]
    """The verdict that counts, then each of several judges. Empty where nothing was judged."""
    only_published: tuple[str, ...]
    """Ids of the questions whose answer the published grade alone accepts."""
    only_here: tuple[str, ...]
    """Ids of those whose answer this run alone accepts."""


def made_here(record: QuestionRecord) -> QuestionRecord:
    """`record` without the step of a recorded answer: it is no call of this run, and comes from no cache."""
    return record.model_copy(
        update={"steps": tuple(step for step in record.steps if step.phase != "answer" or step.error)}
    )


class PublishedTally:
    """Counts the grades and verdicts of one provider on one benchmark, one question at a time."""

    def __init__(self, run: RunRecord, provider: ProviderRecord, benchmark: BenchmarkRecord) -> None:
        about = "published", provider.name, benchmark.name
        self._grades = {
            note.question: note.value for note in run.notes if (note.kind, note.provider, note.benchmark) == about
        }
        settings = provider.settings.get(benchmark.name)
        facts = settings if isinstance(settings, dict) else {}
        stated = facts.get("stated_accuracy")
        self._stated = float(stated) if isinstance(stated, int | float) else None
        self._all_wrong = facts.get("all_wrong") is True
        self._sum, self._n = Fraction(0), 0
        self._clusters: dict[str, tuple[int, int]] = {}
        self._types: dict[str, list[int]] = {}
        self._judges: dict[str, dict[str, Pairs]] = {}
        self._order = {judge.name: place for place, judge in enumerate(benchmark.judges or (run.judge,))}
        self._flipped: dict[bool, list[str]] = {True: [], False: []}

    def add(self, record: QuestionRecord, judge: str) -> None:
        """Count one question; `judge` names who the verdict is by."""
        grade = self._grades.get(record.case.id)
        if grade is None:
            return
        accepted, cluster = grade > 0.5, record.case.cluster
        self._sum += Fraction(grade).limit_denominator(_EXACT)
        self._n += 1
        right, size = self._clusters.get(cluster, (0, 0))
        self._clusters[cluster] = right + accepted, size + 1
        here = record.verdict is not None and record.verdict.correct
        counts = self._types.setdefault(record.case.gold.question_type, [0, 0, 0])
        for place, counted in enumerate((True, accepted, here)):
            counts[place] += counted
        if record.verdict is None:
            return
        self._pair(judge, cluster, accepted, here)
        if accepted != here:
            self._flipped[accepted].append(record.case.id)
        votes: dict[str, list[VerdictLabel]] = defaultdict(list)
        for recorded in record.votes:
            votes[recorded.vote.judge].append(recorded.vote.label)
        for name, labels in votes.items():
            if name != judge:
                self._pair(name, cluster, accepted, majority(labels) == "correct")

    def _pair(self, judge: str, cluster: str, accepted: bool, here: bool) -> None:
        self._judges.setdefault(judge, {}).setdefault(cluster, Counter())[accepted, here] += 1

    def summary(self, types: list[str]) -> PublishedGrades | None:
        """The figures so far, by type in the order of `types`; None without any published grade."""
        if not self._n:
            return None
        return PublishedGrades(
            stated=self._stated,
            n=self._n,
            mean_grade=float(self._sum / self._n),
            accepted=interval(self._clusters),
            all_wrong=self._all_wrong,
            by_type={name: _type(*self._types[name]) for name in types if name in self._types},
            judges=tuple(
                _judge(name, self._judges[name])
                for name in sorted(self._judges, key=lambda name: self._order.get(name, -1))
            ),
            only_published=tuple(self._flipped[True]),
            only_here=tuple(self._flipped[False]),
        )


def _type(n: int, accepted: int, here: int) -> GradedType:
    return GradedType(n=n, accepted=accepted, accepted_here=here)


def _judge(name: str, clusters: Mapping[str, Pairs]) -> AgainstPublished:
    pairs: Pairs = Counter()
    for of_cluster in clusters.values():
        pairs.update(of_cluster)
    found = cohen(pairs)
    return AgainstPublished(
        judge=name,
        n=found.n,
        accepted=pairs[True, True] + pairs[False, True],
        agreed=found.agreed,
        cohen_kappa=found.value,
        kappa_ci95=cohen_interval(list(clusters.values())),
        reason=found.reason,
        only_published=pairs[True, False],
        only_here=pairs[False, True],
    )
