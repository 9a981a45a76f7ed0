"""Attaching audits of a judge to the report of a run that it judged."""

from __future__ import annotations

from pathlib import Path

from reports.report.audits import JudgeAudit, read_audits
from reports.report.files import read_report, write_audits, write_report
from reports.store import list_runs, newest_run
from vocabulary import ConfigurationError


def run_folder(runs_dir: Path, run_id: str) -> Path:
    """Where a run lies; ``last`` is the one that was begun last. Raises `ConfigurationError` if it does not."""
    folder = runs_dir / (newest_run(runs_dir) if run_id == "last" else run_id)
    if not folder.is_dir():
        there = ", ".join(list_runs(runs_dir)[-5:]) or "none"
        raise ConfigurationError(f"there is no run {run_id!r} in {runs_dir}. The latest there: {there}.")
    return folder


def attach_audit(folder: Path, audit: JudgeAudit) -> Path:
    """Put `audit` into the report in a run's `folder` and keep it for reports to come; the path of the report.

    Takes the place of a former audit of the same judge by the same protocol. Raises what `judged_by` raises.
    """
    report = read_report(folder)
    audits = read_audits(folder).with_one(audit)
    write_audits(folder, audits)
    return write_report(folder, report.with_audits(audits))


def judged_by(folder: Path, judge: str) -> list[str]:
    """The protocols that `judge` judged by in the run in `folder`.

    Raises `ConfigurationError` if the run has no report or was judged by others alone, and
    `CheckpointError` if its report or its audits cannot be read.
    """
    report = read_report(folder)
    read_audits(folder)
    found = [(judge.name, judge.protocol) for result in report.results if result.accuracy for judge in result.judges]
    protocols = dict.fromkeys(protocol for name, protocol in found if name == judge)
    if not protocols:
        there = ", ".join(dict.fromkeys(name for name, _protocol in found)) or "nobody"
        raise ConfigurationError(f"run {report.run.id} was not judged by {judge!r}, but by {there}: audit that judge.")
    return list(protocols)
