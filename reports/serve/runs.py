"""The runs that are served: those of one folder, found by their ids, and nothing outside of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple  # Any: parsed JSON

import sqlalchemy as sa

from reports.html import PAGE
from reports.serve.look import Look
from reports.serve.standing import PairStanding, Standing
from reports.show import run_state
from reports.store import (
    Checkpoint,
    QuestionKey,
    QuestionRecord,
    adopt_runs,
    check_run_id,
    is_locked,
    is_worked_on,
    list_runs,
    open_run,
    read_invocations,
    tables,
)
from vocabulary import CheckpointError, ConfigurationError, MemoryBenchError

REPORT = "report.json"

_PLACES = ("checkpoint.sqlite", "run.json")
_FILES = ("checkpoint.sqlite", "checkpoint.sqlite-wal", "run.json", REPORT, PAGE)
_LINES = ("results.jsonl", "retrieved.jsonl")
_FRESH_SECONDS = 1.0
_PAUSE_SECONDS = 5.0
_SHARE = 0.005


class Settings(NamedTuple):
    """What accuracies depend on beside the provider: two with the same ones may be compared."""

    data: str
    judge: str
    answerer: str
    sampled: str
    questions: int


@dataclass(frozen=True, slots=True)
class PairRow:
    """A provider on a benchmark. `value` and its interval are None where nothing was judged."""

    provider: str
    benchmark: str
    selected: int
    ended: int
    errors: int
    value: float | None
    low: float
    high: float
    settings: Settings
    usd: float | None


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in the list; `problem` says why it cannot be read."""

    id: str
    started: datetime | None = None
    state: str = "unreadable"
    pairs: tuple[PairRow, ...] = ()
    second_look_at: str | None = None
    has_page: bool = False
    problem: str = ""


class _Kept(NamedTuple):
    """A row, good until that moment; where it is None, as long as the files of the signature are the same."""

    row: RunRow
    signature: tuple[object, ...]
    until: float | None


class Runs:
    """The runs of a folder, and of the database at `url`; may be used by several threads."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.root = folder.resolve()
        self._url = url
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()
        self._rows: tuple[float, list[RunRow]] = (-1.0, [])

    def folder(self, run_id: str) -> Path:
        """The folder of a run; raises `ConfigurationError` if there is none, or it leads out of this folder."""
        try:
            folder = self.root / check_run_id(run_id)
        except ConfigurationError:
            raise ConfigurationError(f"there is no run {run_id!r} here.") from None
        links = any((folder / name).resolve() != folder / name for name in (*_FILES, *_LINES))
        if links or not any((folder / name).is_file() for name in _PLACES):
            raise ConfigurationError(f"there is no run {run_id!r} here.")
        return folder

    def file(self, run_id: str, name: str) -> Path | None:
        """A file in the folder of a run, if it is there and lies there."""
        path = self.folder(run_id) / name
        return path if path.resolve() == path and path.is_file() else None

    def open(self, run_id: str) -> Checkpoint:
        """The checkpoint of a run, to read only."""
        self.folder(run_id)
        return open_run(self.root, run_id, read_only=True)

    def look(self, run_id: str) -> Look:
        """A new look at a run; raises `MemoryBenchError` if it cannot be read."""
        checkpoint = self.open(run_id)
        try:
            return Look(checkpoint, self.folder(run_id))
        except BaseException:
            checkpoint.close()
            raise

    def rows(self) -> list[RunRow]:
        """All runs."""
        with self._lock:
            then, rows = self._rows
            if time.monotonic() - then > _FRESH_SECONDS:
                rows = [*self._read()]
                self._rows = time.monotonic(), rows
            return rows

    def _read(self) -> Iterator[RunRow]:
        if self._url:
            adopt_runs(self.root, self._url)
        ids = list_runs(self.root)
        for gone in self._kept.keys() - set(ids):
            del self._kept[gone]
        for run_id in ids:
            with suppress(ConfigurationError):  # removed meanwhile, or a link that leads elsewhere
                yield self._row(run_id)

    def _row(self, run_id: str) -> RunRow:
        """The row of a run; that of one that goes on is read again when that takes next to no share of the time."""
        folder = self.folder(run_id)
        signature = (is_locked(folder), *map(_changed, (folder / name for name in _FILES)))
        kept = self._kept.get(run_id)
        if kept and kept.signature[0] == signature[0]:
            unchanged = kept.signature == signature if kept.until is None else time.monotonic() < kept.until
            if unchanged:
                return kept.row
        began = time.thread_time()
        try:
            row = self._read_row(run_id)
        except ConfigurationError:
            raise
        except MemoryBenchError as error:
            row = RunRow(run_id, problem=" ".join(str(error).split()))
        took = time.thread_time() - began
        at_rest = not signature[0] and signature[1] is not None
        until = None if at_rest else time.monotonic() + max(_PAUSE_SECONDS, took / _SHARE)
        self._kept[run_id] = _Kept(row, signature, until)
        return row

    def state(self, run_id: str) -> str:
        """The state of a run, as `reports.show.Overview` has it."""
        with closing(self.open(run_id)) as checkpoint:
            found = checkpoint.read(sa.select(tables.runs.c.finished))
            if not found:
                raise CheckpointError(f"run {run_id} has not begun yet.")
            invocations = read_invocations(checkpoint)
            running = is_worked_on(checkpoint, self.folder(run_id))
        return run_state(found[0].finished, invocations, running=running)

    def record(self, run_id: str, key: QuestionKey) -> QuestionRecord:
        """One question with all that is done of it; raises `ConfigurationError` if the run does not ask it."""
        with closing(self.open(run_id)) as checkpoint:
            if key not in checkpoint.selected():
                raise ConfigurationError(f"run {run_id} does not ask {key.question!r} of {key.provider!r}.")
            return checkpoint.question_record(key)

    def _read_row(self, run_id: str) -> RunRow:
        has_page = self.file(run_id, PAGE) is not None
        if self.state(run_id) == "finished" and (report := self.file(run_id, REPORT)):
            with suppress(OSError, ValueError, LookupError, TypeError):  # half-written: the checkpoint has it all
                return _row_of_report(run_id, json.loads(report.read_bytes()), has_page=has_page)
        with closing(self.look(run_id)) as look:
            return _row_of_standing(look.take(), has_page=has_page)


def _changed(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _row_of_report(run_id: str, report: dict[str, Any], *, has_page: bool) -> RunRow:
    run = report["run"]
    pairs = []
    for result in report["results"]:
        counts, accuracy, cost = result["questions"], result["accuracy"] or {}, result["cost"] or {}
        low, high = accuracy.get("ci95", (0.0, 1.0))
        pairs.append(
            PairRow(
                provider=result["provider"]["name"],
                benchmark=result["benchmark"]["name"],
                selected=counts["selected"],
                ended=counts["selected"],
                errors=counts["errors"],
                value=accuracy.get("value"),
                low=low,
                high=high,
                settings=Settings(
                    result["benchmark"]["sha256"],
                    f"{result['judge']['name']} ({result['judge']['protocol']})",
                    result["answering_model"],
                    run["settings"]["sampled"] or "",
                    counts["selected"],
                ),
                usd=cost.get("usd"),
            )
        )
    started = datetime.fromisoformat(run["started"])
    return RunRow(run_id, started, "finished", tuple(pairs), run["settings"]["second_look_at"], has_page)


def _row_of_standing(standing: Standing, *, has_page: bool) -> RunRow:
    run = standing.run
    pairs = tuple(_pair_of(standing, pair) for pair in standing.pairs)
    return RunRow(run.id, run.started, standing.state, pairs, run.second_look_at, has_page)


def _pair_of(standing: Standing, pair: PairStanding) -> PairRow:
    run = standing.run
    low, high = pair.accuracy.ci95 if pair.accuracy else (0.0, 1.0)
    data = next((one.sha256 for one in run.benchmarks if one.name == pair.benchmark), "")
    judge = f"{run.judge.name} ({run.judge.protocol})"
    return PairRow(
        provider=pair.provider,
        benchmark=pair.benchmark,
        selected=pair.selected,
        ended=pair.ended,
        errors=pair.errors,
        value=pair.accuracy.value if pair.accuracy else None,
        low=low,
        high=high,
        settings=Settings(data, judge, run.answerer.name, run.sampled or "", pair.selected),
        usd=None,
    )
