"""What is kept and shown: checkpoint, metrics, statistics, report.json, gate, and how pytest tells of it."""

from reports.agreement import cohen_kappa
from reports.attaching import attach_audit, judged_by, run_folder
from reports.audits import Accepted, AcceptedShare, JudgeAudit
from reports.checkpoint import Checkpoint, QuestionKey, StoredStep
from reports.clearing import containers_to_clear, mark_cleared
from reports.closing import Closing
from reports.conformance import Checked, CheckVerdict, headline, read_checked, verdict_lines
from reports.figures import Accuracy
from reports.files import write_checked, write_run
from reports.gate import Threshold, parse_threshold
from reports.gate import check_types as check_threshold_types
from reports.leases import HEARTBEAT_SECONDS, Claim, ClaimState, Leases
from reports.listing import is_running
from reports.live import Live, Quiet
from reports.meter import Meter, check_limit, uses_models
from reports.model import Report
from reports.outcomes import TELL, PhaseReached, TestOutcome, note_outcome
from reports.prices import Prices, dollars
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
from reports.statistics import interval
from reports.stored import RESULTS
from reports.story import full_story, one_line, short_story
from reports.tables import shown, sqlite_url
from reports.versions import VERSION, read_git, read_versions
from reports.votes import majority, vote_name

__all__ = [
    "HEARTBEAT_SECONDS",
    "PHASES",
    "RESULTS",
    "TELL",
    "VERSION",
    "Accepted",
    "AcceptedShare",
    "Accuracy",
    "AnswererRecord",
    "BenchmarkRecord",
    "CheckVerdict",
    "Checked",
    "Checkpoint",
    "Claim",
    "ClaimState",
    "Closing",
    "Git",
    "JudgeAudit",
    "JudgeRecord",
    "Leases",
    "Live",
    "Meter",
    "Parts",
    "Phase",
    "PhaseReached",
    "Prices",
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
    "attach_audit",
    "begin",
    "begin_invocation",
    "check_limit",
    "check_run_id",
    "check_selection",
    "check_threshold_types",
    "cohen_kappa",
    "containers_ready",
    "containers_to_clear",
    "dollars",
    "end_invocation",
    "full_story",
    "headline",
    "interval",
    "is_running",
    "judged_by",
    "majority",
    "mark_cleared",
    "mark_finished",
    "new_invocation_id",
    "new_run_id",
    "note_lag",
    "note_outcome",
    "one_line",
    "open_run",
    "parse_threshold",
    "read_checked",
    "read_git",
    "read_progress",
    "read_run",
    "read_versions",
    "run_folder",
    "short_story",
    "shown",
    "sqlite_url",
    "uses_models",
    "verdict_lines",
    "vote_name",
    "write_checked",
    "write_run",
    "wrong_questions",
]
