"""A run as it stands, read while others write it: a look costs milliseconds, and less the less has changed."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple  # Any: parsed JSON, and the columns of a row

import sqlalchemy as sa

from net import calls_in_flight, paused_services
from reports.metrics import Accuracy
from reports.report import Meter, dollars, uses_models
from reports.serve.tally import Fault, Tally
from reports.show import run_state
from reports.store import Checkpoint, Invocation, QuestionKey, RunRecord, is_locked, read_invocations, read_run, tables
from vocabulary import PHASES, CheckpointError, visible

_SHARE = 0.002
"""The share of the time that reading all steps again may take, and so may adding up what models cost; the rest of a
look reads what is new."""

_NEWEST = 8
_PACE_SECONDS = 20


class Error(NamedTuple):
    """Questions that ended in an error of one type in one phase, with one of them."""

    key: QuestionKey
    phase: str
    type: str
    message: str
    number: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A question that was not answered right, or ended in an error; `detail` is the error."""

    key: QuestionKey
    outcome: str
    question_type: str
    question: str
    ground_truth: str
    answer: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class PairStanding:
    """How far a provider is on a benchmark. `accuracy` is of what was judged; of all that was selected at the end."""

    provider: str
    benchmark: str
    selected: int
    haystacks: int
    haystacks_ready: int
    done: dict[str, int]
    ended: int
    errors: int
    correct: int
    accuracy: Accuracy | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A run as it stands. `in_flight` is None where that is not known, `usd` "" where no model is paid for.

    `left` is an estimate in seconds; None without a measure of its pace.
    """

    run: RunRecord
    state: str
    invocations: Sequence[Invocation]
    pairs: tuple[PairStanding, ...]
    errors: tuple[Error, ...]
    failures: tuple[Failure, ...]
    in_flight: int | None
    paused: dict[str, float]
    usd: str
    left: float | None

    @property
    def selected(self) -> int:
        """Questions, over all pairs."""
        return sum(pair.selected for pair in self.pairs)

    @property
    def ended(self) -> int:
        """Questions that have come to their end."""
        return sum(pair.ended for pair in self.pairs)


class Look:
    """Looks at one run again and again. Its methods raise `CheckpointError`; one thread at a time may call them."""

    def __init__(self, checkpoint: Checkpoint, folder: Path) -> None:
        self._checkpoint = checkpoint
        self._folder = folder
        self._run = self._read_run()
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._meter = self._new_meter()
        self._incremental = checkpoint.url.startswith("sqlite")
        self._last_row = 0
        self._whole_again = 0.0
        self._seen: set[tuple[QuestionKey, str]] = set()
        self._newest: deque[tuple[QuestionKey, str]] = deque(maxlen=_NEWEST)
        self._shown: dict[tuple[QuestionKey, str], Failure] = {}
        self._pace: deque[tuple[float, int]] = deque(maxlen=300)

    def close(self) -> None:
        """Close the checkpoint."""
        self._checkpoint.close()

    def take(self) -> Standing:
        """The run as it stands now."""
        try:
            return self._take()
        except (ValueError, LookupError, TypeError, AttributeError) as error:  # a row is not as this suite writes it
            raise CheckpointError(
                f"the checkpoint of run {self._checkpoint.run_id} is damaged ({type(error).__name__}): {error}."
            ) from error

    def _take(self) -> Standing:
        invocations = read_invocations(self._checkpoint)
        locked = is_locked(self._folder)
        (row,) = self._checkpoint.read(sa.select(tables.runs.c.finished, tables.runs.c.sealed))
        state = run_state(row.finished, invocations, running=locked)
        self._read_selection()
        self._read_steps(whole=state != "running")
        pairs = tuple(self._pairs())
        ended = sum(pair.ended for pair in pairs)
        return Standing(
            run=self._run,
            state=state,
            invocations=invocations,
            pairs=pairs,
            errors=tuple(self._errors()),
            failures=tuple(self._failures()),
            in_flight=calls_in_flight(self._folder / "calls") if state == "running" else None,
            paused=self._paused() if state == "running" else {},
            usd="" if self._meter is None else dollars(self._meter.usd()),
            left=self._left(ended, sum(pair.selected for pair in pairs), invocations) if state == "running" else None,
        )

    def _read_run(self) -> RunRecord:
        return read_run(self._checkpoint).model_copy(update={"id": self._checkpoint.run_id})

    def _new_meter(self) -> Meter | None:
        judges = [judge for benchmark in self._run.benchmarks for judge in benchmark.judges] or [self._run.judge]
        return Meter(self._checkpoint, self._run, _SHARE) if uses_models(self._run.answerer, judges) else None

    def _paused(self) -> dict[str, float]:
        with suppress(OSError):  # the run's processes make and remove these files
            return paused_services(self._folder / "limits")
        return {}

    def _read_selection(self) -> None:
        if self._tallies:
            return
        self._run = self._read_run()  # its benchmarks are known with its questions
        self._meter = self._new_meter()
        columns = tables.questions.c
        query = sa.select(columns.provider, columns.benchmark, columns.question, columns.record)
        for row in self._checkpoint.read(query.order_by(columns.ordinal)):
            case = json.loads(row.record)
            pair = self._tallies.setdefault((row.provider, row.benchmark), Tally())
            pair.clusters[row.question] = case["cluster"]
            pair.haystacks.add(row.question if self._run.isolation == "question" else case["haystack"])

    def _read_steps(self, *, whole: bool) -> None:
        """Take in the steps that are new; all of them now and then, for a step that is made again keeps its row."""
        columns = tables.steps.c
        number = sa.literal_column("rowid", sa.Integer) if self._incremental else sa.literal(0)
        verdict = sa.case((columns.phase == "judge", columns.result))
        query = sa.select(
            columns.provider, columns.benchmark, columns.question, columns.phase, columns.state,
            columns.error_type, columns.error_message, verdict.label("result"), number.label("number"),
        )  # fmt: skip
        began = time.thread_time()
        whole = whole or not self._incremental or time.monotonic() >= self._whole_again
        if whole:
            for tally in self._tallies.values():
                tally.forget()
        rows = self._checkpoint.read(query if whole else query.where(number > self._last_row))
        for row in rows:
            self._take_in(row)
        if whole:
            self._whole_again = time.monotonic() + max(10.0, (time.thread_time() - began) / _SHARE)

    def _take_in(self, row: sa.Row[Any]) -> None:
        self._last_row = max(self._last_row, row.number)
        tally = self._tallies.get((row.provider, row.benchmark))
        if tally is None:
            return
        key = QuestionKey(row.provider, row.benchmark, row.question)
        if row.state == "error":
            message = " ".join(visible(row.error_message or "").split())
            tally.faults[row.question, row.phase] = Fault(row.error_type or "", message)
            self._notice(key, "error")
        elif row.state == "done":
            tally.add_done(row.question, row.phase)
            if row.phase == "judge":
                label = _label(row.result)
                tally.add_label(row.question, label)
                if label != "correct":
                    self._notice(key, label)

    def _notice(self, key: QuestionKey, outcome: str) -> None:
        if (key, outcome) not in self._seen:
            self._seen.add((key, outcome))
            self._newest.append((key, outcome))

    def _pairs(self) -> Iterator[PairStanding]:
        until = self._run.until
        phases = [phase for phase in PHASES[: PHASES.index(until) + 1] if phase != "ingest" or until == "ingest"]
        columns = tables.containers.c
        indexed = sa.select(columns.provider, columns.benchmark).where(columns.state.in_(("indexed", tables.CLEARED)))
        ready = Counter((row.provider, row.benchmark) for row in self._checkpoint.read(indexed))
        for (provider, benchmark), tally in self._tallies.items():
            done: dict[str, int] = {phase: len(tally.done.get(phase, ())) for phase in phases}
            errors = tally.failed(until)
            ended = done[until] + errors
            yield PairStanding(
                provider=provider,
                benchmark=benchmark,
                selected=len(tally.clusters),
                haystacks=len(tally.haystacks),
                haystacks_ready=min(ready[provider, benchmark], len(tally.haystacks)),
                done=done,
                ended=ended,
                errors=errors,
                correct=tally.correct,
                accuracy=tally.accuracy(whole=ended >= len(tally.clusters)),
            )

    def _errors(self) -> Iterator[Error]:
        for (provider, benchmark), tally in self._tallies.items():
            found: dict[tuple[str, str], list[tuple[str, Fault]]] = {}
            for (question, phase), fault in tally.faults.items():
                if not tally.is_done(question, self._run.until):
                    found.setdefault((phase, fault.type), []).append((question, fault))
            for (phase, kind), cases in sorted(found.items()):
                question, fault = cases[0]
                yield Error(QuestionKey(provider, benchmark, question), phase, kind, fault.message, len(cases))

    def _failures(self) -> Iterator[Failure]:
        """The newest first; one that was made good is left out."""
        for key, outcome in reversed(self._newest):
            tally = self._tallies[key.provider, key.benchmark]
            failed = any((key.question, phase) in tally.faults for phase in PHASES)
            if failed if outcome == "error" else tally.labels.get(key.question) == outcome:
                if (key, outcome) not in self._shown:
                    self._shown[key, outcome] = self._failure(key, outcome)
                yield self._shown[key, outcome]

    def _failure(self, key: QuestionKey, outcome: str) -> Failure:
        record = self._checkpoint.question_record(key, results=False)
        detail = "" if record.error is None or record.error.error is None else record.error.error.message
        gold = record.case.gold
        return Failure(
            key, outcome, gold.question_type, record.case.question.text, gold.ground_truth,
            None if record.answer is None else record.answer.hypothesis, " ".join(visible(detail).split()),
        )  # fmt: skip

    def _left(self, ended: int, selected: int, invocations: Sequence[Invocation]) -> float | None:
        """By the pace of the last minutes that were watched; by that of the whole run where it was begun once."""
        now = time.time()
        self._pace.append((now, ended))
        (then, before), whole = self._pace[0], invocations[0] if len(invocations) == 1 else None
        if ended > before and now - then > _PACE_SECONDS:
            pace = (ended - before) / (now - then)
        elif whole is not None and ended:
            pace = ended / max(now - whole.started, 0.001)
        else:
            return None
        return (selected - ended) / pace


def _label(result: str | None) -> str:
    try:
        return str(json.loads(result or "")["label"])
    except (ValueError, LookupError, TypeError):
        return "error"  # of its question: see `Checkpoint.settled_records`
