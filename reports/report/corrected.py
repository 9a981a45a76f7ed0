"""The same results and answers, scored by the corrected key that a run grades by beside the published one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from reports.metrics import Accuracy, AnswerMean, AnswerScores, Block, Breakdown, Level, RetrievalLevels
from reports.report.tally import GROUPS, Tally, digest
from reports.store import BenchmarkRecord, QuestionRecord


class CorrectedKey(Block):
    """All selected questions by the corrected key; the notes of the benchmark name those that it corrects."""

    sha256: str
    """Hash of the corrected key."""
    corrected: int
    """Selected questions whose answer or evidence it corrects."""
    regraded: int
    """Those of them whose answer differs: they have a second verdict."""
    only_original: int
    """Answers that are correct by the published key alone."""
    only_corrected: int
    """Answers that are correct by the corrected key alone."""
    accuracy: Accuracy | None
    """Null where `until` came before judge."""
    retrieval: RetrievalLevels
    by_type: dict[str, Breakdown]
    by_group: dict[str, Breakdown]
    """"answerable" and "unanswerable", where there are such questions."""
    f1: dict[str, AnswerScores]

    @property
    def shown_retrieval(self) -> RetrievalLevels:
        """As that of a result."""
        return shown_retrieval(self.by_group, self.retrieval)


def shown_retrieval(by_group: Mapping[str, Breakdown], retrieval: RetrievalLevels) -> RetrievalLevels:
    """That of the answerable questions, where others were asked too."""
    answerable = by_group.get("answerable")
    return answerable.retrieval if answerable else retrieval


class CorrectedTally:
    """Counts questions by the corrected key of `benchmark`, one at a time; nothing where it has none."""

    def __init__(self, benchmark: BenchmarkRecord, top_k: int, metrics: Sequence[str]) -> None:
        self._sha256 = benchmark.corrected_key
        self._all = Tally(top_k)
        self._by_type, self._by_group = (defaultdict[str, Tally](lambda: Tally(top_k)) for _ in range(2))
        self._f1 = {name: AnswerMean(name) for name in metrics}
        self._corrected = self._regraded = self._only_original = self._only_corrected = 0

    def add(self, record: QuestionRecord) -> None:
        """Count one question."""
        if self._sha256 is None:
            return
        published = record.case.gold
        other = by_corrected_key(record)
        one, gold = digest(other), other.case.gold
        for tally in (self._all, self._by_type[gold.question_type], self._by_group[GROUPS[not gold.answerable]]):
            tally.add(one)
        for mean in self._f1.values():
            mean.add(None if record.answer is None else record.answer.hypothesis, gold)
        self._corrected += published.corrected is not None
        self._regraded += published.regraded is not None
        self._only_original += record.outcome == "correct" != other.outcome
        self._only_corrected += other.outcome == "correct" != record.outcome

    def result(self, types: Sequence[str], shown: set[Level], judged: bool) -> CorrectedKey | None:
        """The numbers so far, `types` in this order; None without a corrected key."""
        if self._sha256 is None:
            return None
        groups = [name for name in GROUPS if name in self._by_group]
        return CorrectedKey(
            sha256=self._sha256,
            corrected=self._corrected,
            regraded=self._regraded,
            only_original=self._only_original,
            only_corrected=self._only_corrected,
            accuracy=self._all.accuracy() if judged else None,
            retrieval=self._all.levels(shown),
            by_type={name: self._by_type[name].breakdown(shown, judged) for name in types},
            by_group={name: self._by_group[name].breakdown(shown, judged) for name in groups},
            f1={name: mean.summary() for name, mean in self._f1.items()},
        )


def by_corrected_key(record: QuestionRecord) -> QuestionRecord:
    """The question with the corrected gold, and the verdict by it; itself where the key does not correct it."""
    gold, verdict = record.case.gold, record.verdict
    if gold.corrected is None:
        return record
    if gold.regraded is not None and verdict is not None:
        verdict = verdict.corrected
    case = record.case.model_copy(update={"gold": gold.corrected})
    return record.model_copy(update={"case": case, "verdict": verdict})
