"""From a run's records to report.json: the model, the figures, prices, the gate, and the files that a run leaves."""

from reports.report.attaching import attach_audit, judged_by, read_report, run_folder
from reports.report.audits import Accepted, AcceptedShare, JudgeAudit
from reports.report.build import GROUPS
from reports.report.conformance import Checked, CheckVerdict, conformance_of, headline, read_checked, verdict_lines
from reports.report.files import (
    REPORT,
    Draft,
    QuestionFiles,
    QuestionScores,
    Retrieved,
    baseline_of,
    check_baseline,
    find_baseline,
    lines_schema,
    read_lines,
    read_scores,
    retrieval_values,
    write_checked,
    write_run,
)
from reports.report.gate import evaluate, gate_lines
from reports.report.meter import Meter, check_limit, uses_models
from reports.report.model import Gate, Report, Result, report_schema
from reports.report.prices import Prices, Spending, dollars, question_paid
from reports.report.thresholds import Scope, Threshold, check_thresholds, parse_threshold

__all__ = [
    "GROUPS",
    "REPORT",
    "Accepted",
    "AcceptedShare",
    "CheckVerdict",
    "Checked",
    "Draft",
    "Gate",
    "JudgeAudit",
    "Meter",
    "Prices",
    "QuestionFiles",
    "QuestionScores",
    "Report",
    "Result",
    "Retrieved",
    "Scope",
    "Spending",
    "Threshold",
    "attach_audit",
    "baseline_of",
    "check_baseline",
    "check_limit",
    "check_thresholds",
    "conformance_of",
    "dollars",
    "evaluate",
    "find_baseline",
    "gate_lines",
    "headline",
    "judged_by",
    "lines_schema",
    "parse_threshold",
    "question_paid",
    "read_checked",
    "read_lines",
    "read_report",
    "read_scores",
    "report_schema",
    "retrieval_values",
    "run_folder",
    "uses_models",
    "verdict_lines",
    "write_checked",
    "write_run",
]
