"""What ``list``, ``status``, ``show-failures`` and ``schema`` print."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from reports.differences import baseline_schema
from reports.report import lines_schema, report_schema
from reports.show import Overview, Wanted, clock, failures, full_story, overview, short_story
from reports.store import list_runs, newest_run, open_run
from vocabulary import CheckpointError, ConfigurationError


def lines_of(chosen: argparse.Namespace) -> Iterator[str]:
    """What a command line prints, as its parser understood it; raises `MemoryBenchError`."""
    if chosen.command == "schema":
        yield _schema(chosen.file).rstrip("\n")
        return
    if not chosen.runs_dir.is_dir():
        raise ConfigurationError(f"there is no folder {chosen.runs_dir}: pytest bench makes runs/, or name --runs-dir.")
    if chosen.command == "list":
        yield from _list(chosen.runs_dir)
        return
    run_id = newest_run(chosen.runs_dir) if chosen.run == "last" else chosen.run
    if chosen.command == "status":
        yield from _status(overview(chosen.runs_dir, run_id))
    else:
        yield from _failures(chosen, run_id)


def _schema(file: str) -> str:
    if file == "comparison.json":
        from reports.compare import comparisons_schema

        return comparisons_schema()
    made = {"report.json": report_schema, "results.jsonl": lines_schema, "baseline.json": baseline_schema}
    return made[file]()


def _list(runs_dir: Path) -> Iterator[str]:
    found, unreadable = [], []
    for run_id in list_runs(runs_dir):
        try:
            found.append(overview(runs_dir, run_id))
        except CheckpointError as error:
            unreadable.append(f"{run_id}: {' '.join(str(error).split())}")
    rows: list[tuple[str, ...]] = [("RUN", "BEGUN (UTC)", "STATE", "PROVIDERS", "BENCHMARKS", "DONE", "ACCURACY")]
    rows += [_row(run) for run in sorted(found, key=lambda run: run.run.started)]
    if found:
        yield from _table(rows)
    elif not unreadable:
        yield f"no runs in {runs_dir}: pytest bench makes one"
    yield from unreadable


def _row(run: Overview) -> tuple[str, ...]:
    selected = sum(pair.selected for pair in run.pairs)
    done = sum(pair.done.get(run.run.until, 0) for pair in run.pairs)
    accuracies = " / ".join("-" if pair.accuracy is None else f"{pair.accuracy:.3f}" for pair in run.pairs)
    if run.state != "finished" and any(pair.accuracy is not None for pair in run.pairs):
        accuracies += " so far"
    return (
        run.run.id,
        clock(run.run.started),
        run.state,
        ", ".join(dict.fromkeys(pair.provider for pair in run.pairs)) or "-",
        ", ".join(dict.fromkeys(pair.benchmark for pair in run.pairs)) or "-",
        f"{done}/{selected}",
        accuracies or "-",
    )


def _status(run: Overview) -> Iterator[str]:
    record = run.run
    yield f"run {record.id}: {run.state}"
    ended = f", finished {clock(record.finished)}" if record.finished else ""
    yield f"  begun {clock(record.started)} UTC{ended}"
    yield (
        f"  until {record.until}, top-k {record.top_k}, answering model {record.answerer.name}, judge "
        f"{record.judge.name} ({record.judge.protocol}), isolation by {record.isolation}"
    )
    if record.sampled:
        yield f"  not the whole benchmark: {record.sampled}"
    if record.second_look_at:
        yield f"  a second look at what was wrong in run {record.second_look_at}"
    yield ""
    phases = list(dict.fromkeys(phase for pair in run.pairs for phase in pair.done))
    headings = {"ingest": "INGESTED", "search": "SEARCHED", "answer": "ANSWERED", "judge": "JUDGED"}
    rows: list[tuple[str, ...]] = [
        ("PROVIDER", "BENCHMARK", "CONTAINERS", "SELECTED", *(headings[phase] for phase in phases), "CORRECT", "ERRORS")
    ]
    for pair in run.pairs:
        done = [str(pair.done[phase]) for phase in phases]
        ready = f"{pair.containers_ready}/{pair.containers}"
        right = str(pair.correct) if "judge" in pair.done else "-"
        rows.append((pair.provider, pair.benchmark, ready, str(pair.selected), *done, right, str(pair.errors)))
    yield from _table(rows) if run.pairs else ["nothing is selected yet"]
    for provider, chosen in run.conformance.items():
        yield f"conformance of {provider}: {chosen}"
    if run.faults:
        yield ""
        yield "errors"
    for fault in run.faults:
        where = f"{fault.provider} on {fault.benchmark}"
        yield f"  {where}: {fault.count} {fault.type} in {fault.phase}, such as {fault.question}: {fault.message}"
    yield ""
    yield "worked on (UTC)"
    for number, work in enumerate(run.invocations, start=1):
        last = number == len(run.invocations)
        if work.ended is not None:
            until = f"{clock(work.ended)} ({work.ended - work.started:.1f} s)"
        else:
            until = "still running" if last and run.state == "running" else "killed"
        yield f"  {clock(work.started)} to {until}: {work.command}"
    if run.state in ("killed", "unfinished"):
        yield ""
        yield f"to finish it: pytest --lf if it was the last run, or its command with --run-id {record.id}"


def _failures(chosen: argparse.Namespace, run_id: str) -> Iterator[str]:
    checkpoint = open_run(chosen.runs_dir, run_id)
    try:
        wanted = Wanted(chosen.type, chosen.provider, chosen.question, chosen.errors_only)
        shown = 0
        for record in islice(failures(checkpoint, wanted), chosen.limit):
            if shown:
                yield ""
            yield full_story(record) if chosen.full else short_story(record)
            shown += 1
        if not shown:
            what = "ended in an error" if chosen.errors_only else "was answered wrongly or ended in an error"
            yield f"run {run_id}: nothing of what was asked for {what}"
    finally:
        checkpoint.close()


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
