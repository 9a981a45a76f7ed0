"""Accuracies as a data set's own script prints them, from the verdicts of whatever judge the run had."""

from __future__ import annotations

from collections.abc import Mapping

from reports.metrics.figures import OfficialAccuracy, Score
from reports.metrics.statistics import ExactMean


def longmemeval_accuracy(by_type: Mapping[str, tuple[int, int]], unanswerable: tuple[int, int]) -> OfficialAccuracy:
    """LongMemEval's three accuracies (Wu et al. 2025, arXiv 2410.10813, ``evaluation/print_qa_metrics.py``).

    `by_type` has (correct, n) of the questions of each type, those that cannot be answered among them, which are also
    `unanswerable`. Overall is the share of all questions; task-averaged the plain mean of the types' shares, a type of
    30 questions weighing as much as one of 133; abstention the share of the unanswerable ones.
    """
    averaged = ExactMean()
    for correct, n in by_type.values():
        averaged.add(correct / n)
    correct, n = (sum(counts) for counts in zip(*by_type.values(), strict=True)) if by_type else (0, 0)
    return OfficialAccuracy(
        overall=_share(correct, n),
        task_averaged=Score(value=averaged.value, n=averaged.n),
        abstention=_share(*unanswerable),
    )


OFFICIAL_ACCURACY = {"longmemeval": longmemeval_accuracy}
"""By the name that a benchmark asks for (`bench.base.Benchmark.official_accuracy`) and that reports show."""


def _share(correct: int, n: int) -> Score:
    return Score(value=correct / n if n else None, n=n)
