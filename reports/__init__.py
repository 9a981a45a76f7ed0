"""What is kept and shown: checkpoint, metrics, statistics, report.json, gate, and how pytest tells of it."""

from reports.checkpoint import RESULTS, Checkpoint, QuestionKey, StoredStep
from reports.files import write_run
from reports.gate import Threshold, parse_threshold
from reports.gate import check_types as check_threshold_types
from reports.leases import HEARTBEAT_SECONDS, Claim, ClaimState, Leases
from reports.model import Report
from reports.records import (
    PHASES,
    AnswererRecord,
    BenchmarkRecord,
    Git,
    JudgeRecord,
    Phase,
    ProviderRecord,
    RunRecord,
    Step,
    StepError,
    Versions,
)
from reports.runs import (
    Parts,
    begin,
    begin_invocation,
    check_run_id,
    check_selection,
    end_invocation,
    mark_finished,
    new_invocation_id,
    new_run_id,
    note_lag,
    read_progress,
    read_run,
)
from reports.tables import sqlite_url
from reports.versions import VERSION, read_git, read_versions

__all__ = [
    "HEARTBEAT_SECONDS",
    "PHASES",
    "RESULTS",
    "VERSION",
    "AnswererRecord",
    "BenchmarkRecord",
    "Checkpoint",
    "Claim",
    "ClaimState",
    "Git",
    "JudgeRecord",
    "Leases",
    "Parts",
    "Phase",
    "ProviderRecord",
    "QuestionKey",
    "Report",
    "RunRecord",
    "Step",
    "StepError",
    "StoredStep",
    "Threshold",
    "Versions",
    "begin",
    "begin_invocation",
    "check_run_id",
    "check_selection",
    "check_threshold_types",
    "end_invocation",
    "mark_finished",
    "new_invocation_id",
    "new_run_id",
    "note_lag",
    "parse_threshold",
    "read_git",
    "read_progress",
    "read_run",
    "read_versions",
    "sqlite_url",
    "write_run",
]
