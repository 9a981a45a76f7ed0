"""What is kept and shown: checkpoint, metrics, statistics, report.json, gate, and how pytest tells of it."""

from reports.checkpoint import RESULTS, Checkpoint, QuestionKey, StoredStep
from reports.closing import Closing
from reports.files import write_run
from reports.gate import Threshold, parse_threshold
from reports.gate import check_types as check_threshold_types
from reports.leases import HEARTBEAT_SECONDS, Claim, ClaimState, Leases
from reports.live import Live, Quiet
from reports.model import Report
from reports.outcomes import TELL, PhaseReached, TestOutcome, note_outcome
from reports.records import (
    PHASES,
    AnswererRecord,
    BenchmarkRecord,
    Git,
    JudgeRecord,
    Phase,
    ProviderRecord,
    RunRecord,
    SampleRecord,
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
    containers_ready,
    end_invocation,
    mark_finished,
    new_invocation_id,
    new_run_id,
    note_lag,
    open_run,
    read_progress,
    read_run,
    wrong_questions,
)
from reports.story import full_story, one_line, short_story
from reports.tables import shown, sqlite_url
from reports.versions import VERSION, read_git, read_versions

__all__ = [
    "HEARTBEAT_SECONDS",
    "PHASES",
    "RESULTS",
    "TELL",
    "VERSION",
    "AnswererRecord",
    "BenchmarkRecord",
    "Checkpoint",
    "Claim",
    "ClaimState",
    "Closing",
    "Git",
    "JudgeRecord",
    "Leases",
    "Live",
    "Parts",
    "Phase",
    "PhaseReached",
    "ProviderRecord",
    "QuestionKey",
    "Quiet",
    "Report",
    "RunRecord",
    "SampleRecord",
    "Step",
    "StepError",
    "StoredStep",
    "TestOutcome",
    "Threshold",
    "Versions",
    "begin",
    "begin_invocation",
    "check_run_id",
    "check_selection",
    "check_threshold_types",
    "containers_ready",
    "end_invocation",
    "full_story",
    "mark_finished",
    "new_invocation_id",
    "new_run_id",
    "note_lag",
    "note_outcome",
    "one_line",
    "open_run",
    "parse_threshold",
    "read_git",
    "read_progress",
    "read_run",
    "read_versions",
    "short_story",
    "shown",
    "sqlite_url",
    "write_run",
    "wrong_questions",
]
