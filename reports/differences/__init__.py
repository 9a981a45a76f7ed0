"""How the answers to the same questions differ between two runs: what is kept of a question, and what tests say."""

from reports.differences.baseline import (
    Baseline,
    BaselineResult,
    BaselineRun,
    baseline_schema,
    baseline_text,
    marks_by_question,
    pack_result,
    read_baseline,
)
from reports.differences.difference import Difference, Pair, compare_figure, lower_is_better
from reports.differences.marks import Marks, mark, times_of
from reports.differences.origins import Changed, barriers_between, changes_between, judges_text

__all__ = [
    "Baseline",
    "BaselineResult",
    "BaselineRun",
    "Changed",
    "Difference",
    "Marks",
    "Pair",
    "barriers_between",
    "baseline_schema",
    "baseline_text",
    "changes_between",
    "compare_figure",
    "judges_text",
    "lower_is_better",
    "mark",
    "marks_by_question",
    "pack_result",
    "read_baseline",
    "times_of",
]
