"""The files that a run leaves: report.json, a line for each question, what the conformance kit and audits say."""

from reports.report.files.by_question import QuestionFiles, Retrieved
from reports.report.files.drafts import Draft
from reports.report.files.lines import lines_schema, read_lines
from reports.report.files.recorded import baseline_of, check_baseline, find_baseline, lasting_name, read_report
from reports.report.files.scores import QuestionScores, read_scores, retrieval_values
from reports.report.files.writing import REPORT, write_audits, write_checked, write_recorded, write_report, write_run

__all__ = [
    "REPORT",
    "Draft",
    "QuestionFiles",
    "QuestionScores",
    "Retrieved",
    "baseline_of",
    "check_baseline",
    "find_baseline",
    "lasting_name",
    "lines_schema",
    "read_lines",
    "read_report",
    "read_scores",
    "retrieval_values",
    "write_audits",
    "write_checked",
    "write_recorded",
    "write_report",
    "write_run",
]
