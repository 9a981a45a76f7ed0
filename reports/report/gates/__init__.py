"""Whether a run is good enough: thresholds for its figures, and what it may lose against a baseline."""

from reports.report.gates.against import Against, check_against
from reports.report.gates.evaluating import evaluate, gate_lines
from reports.report.gates.relative import Relative, parse_relative
from reports.report.gates.thresholds import Scope, Threshold, check_thresholds, parse_threshold

__all__ = [
    "Against",
    "Relative",
    "Scope",
    "Threshold",
    "check_against",
    "check_thresholds",
    "evaluate",
    "gate_lines",
    "parse_relative",
    "parse_threshold",
]
