"""A run as it stands, read while others write it: a look costs milliseconds, and less the less has changed."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any  # Any: parsed JSON, and the columns of a row

import sqlalchemy as sa

from net import calls_in_flight, paused_services
from reports.report import Meter, uses_models
from reports.serve.standing import Error, Failure, PairStanding, Standing
from reports.serve.tally import Asked, Fault, Tally
from reports.serve.words import short
from reports.show import run_state
from reports.store import (
    Checkpoint,
    Invocation,
    QuestionKey,
    RunRecord,
    is_worked_on,
    read_invocations,
    read_run,
    tables,
)
from vocabulary import PHASES, CheckpointError, visible

_SHARE = 0.0015
"""The share of the time that reading all steps again may take, and so may adding up what models cost; the rest of a
look reads what is new."""

_NEWEST = 8
_PACE_SECONDS = 20


class Look:
    """Looks at one run again and again. Its methods raise `CheckpointError`; one thread at a time may call them."""

    def __init__(self, checkpoint: Checkpoint, folder: Path) -> None:
        self._checkpoint = checkpoint
        self._folder = folder
        self._run = self._read_run()
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._meter = self._new_meter()
        self._incremental = checkpoint.url.startswith("sqlite")
        self._steps = _steps(incremental=self._incremental)
        self._last_row = 0
        self._state = ""
        self._last: Standing | None = None
        self._whole_again = 0.0
        self._seen: set[tuple[QuestionKey, str]] = set()
        self._newest: deque[tuple[QuestionKey, str]] = deque(maxlen=_NEWEST)
        self._apart = 0.0
        self._is_first = True
        self.seconds = 0.0
        """CPU of the last look, without what is done once, or seldom enough by its own measure."""
        self._pace: deque[tuple[float, int]] = deque(maxlen=300)

    def close(self) -> None:
        """Close the checkpoint."""
        self._checkpoint.close()

    def take(self) -> Standing:
        """The run as it stands now."""
        began = time.thread_time()
        self._apart = 0.0
        try:
            standing = self._take()
            self.seconds = 0.0 if self._is_first else time.thread_time() - began - self._apart
            self._is_first = False
            return standing
        except (ValueError, LookupError, TypeError, AttributeError) as error:  # a row is not as this suite writes it
            raise CheckpointError(
                f"the checkpoint of run {self._checkpoint.run_id} is damaged ({type(error).__name__}): {error}."
            ) from error

    def _take(self) -> Standing:
        invocations = read_invocations(self._checkpoint)
        locked = is_worked_on(self._checkpoint, self._folder)
        (row,) = self._checkpoint.read(sa.select(tables.runs.c.finished, tables.runs.c.sealed))
        state = run_state(row.finished, invocations, running=locked)
        changed, self._state = state != self._state, state
        if self._last is not None and state != "running" and not changed:  # its report is being written
            self._last = replace(self._last, at_work=locked)
            return self._last
        self._read_selection()
        self._read_steps(whole=changed)
        pairs = tuple(self._pairs())
        ended = sum(pair.ended for pair in pairs)
        self._last = Standing(
            run=self._run,
            state=state,
            at_work=locked,
            invocations=invocations,
            pairs=pairs,
            errors=tuple(self._errors()),
            failures=tuple(self._failures()),
            in_flight=calls_in_flight(self._folder / "calls") if state == "running" else None,
            paused=self._paused() if state == "running" else {},
            usd=self._usd(),
            left=self._left(ended, sum(pair.selected for pair in pairs), invocations) if state == "running" else None,
        )
        return self._last

    def _read_run(self) -> RunRecord:
        return read_run(self._checkpoint).model_copy(update={"id": self._checkpoint.run_id})

    def _new_meter(self) -> Meter | None:
        judges = [judge for benchmark in self._run.benchmarks for judge in benchmark.judges] or [self._run.judge]
        return Meter(self._checkpoint, self._run, _SHARE) if uses_models(self._run.answerer, judges) else None

    def _usd(self) -> str:
        if self._meter is None:
            return ""
        began = time.thread_time()
        shown = self._meter.shown()
        self._apart += time.thread_time() - began
        return shown

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
            gold, text = case["gold"], case["question"]["text"]
            pair.asked[row.question] = Asked(
                case["cluster"], gold["question_type"], short(text), short(gold["ground_truth"])
            )
            pair.haystacks.add(row.question if self._run.isolation == "question" else case["haystack"])

    def _read_steps(self, *, whole: bool) -> None:
        """Take in the steps that are new; all of them now and then, for a step that is made again keeps its row."""
        began = time.thread_time()
        whole = whole or not self._incremental or time.monotonic() >= self._whole_again
        if whole:
            for tally in self._tallies.values():
                tally.forget()
        steps = self._steps if whole else self._steps.where(self._steps.selected_columns.number > self._last_row)
        rows = self._checkpoint.read(steps)
        for row in rows:
            self._take_in(row)
        if whole:
            took = time.thread_time() - began
            self._apart += took
            self._whole_again = time.monotonic() + max(30.0, took / _SHARE)

    def _take_in(self, row: sa.Row[Any]) -> None:
        self._last_row = max(self._last_row, row.number)
        tally = self._tallies.get((row.provider, row.benchmark))
        if tally is None:
            return
        if row.state == "error":
            message = " ".join(visible(row.error_message or "").split())
            tally.faults[row.question, row.phase] = Fault(row.error_type or "", message)
            self._notice(QuestionKey(row.provider, row.benchmark, row.question), "error")
        elif row.state == "done":
            tally.add_done(row.question, row.phase)
            if row.phase == "answer":
                tally.answers[row.question] = row.result
            elif row.phase == "judge":
                label = _label(row.result)
                tally.add_label(row.question, label)
                if label != "correct":
                    self._notice(QuestionKey(row.provider, row.benchmark, row.question), label)

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
                selected=len(tally.asked),
                haystacks=len(tally.haystacks),
                haystacks_ready=min(ready[provider, benchmark], len(tally.haystacks)),
                done=done,
                ended=ended,
                errors=errors,
                correct=tally.correct,
                accuracy=tally.accuracy(whole=ended >= len(tally.asked)),
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
            fault = next((found for phase in PHASES if (found := tally.faults.get((key.question, phase)))), None)
            failed = fault is not None if outcome == "error" else tally.labels.get(key.question) == outcome
            if failed and (asked := tally.asked.get(key.question)):
                answer = _answer(tally.answers.get(key.question))
                yield Failure(
                    key,
                    outcome,
                    asked.question_type,
                    asked.text,
                    asked.ground_truth,
                    answer,
                    fault.message if fault else "",
                )

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


def _answer(result: str | None) -> str:
    try:
        return short(json.loads(result or "")["hypothesis"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


def _steps(*, incremental: bool) -> sa.Select[Any]:
    """The steps with what is shown of them, and on SQLite a number that grows with each that is new."""
    columns = tables.steps.c
    number = sa.literal_column("rowid", sa.Integer) if incremental else sa.literal(0)
    result = sa.case((columns.phase.in_(("answer", "judge")), columns.result))
    return sa.select(
        columns.provider, columns.benchmark, columns.question, columns.phase, columns.state,
        columns.error_type, columns.error_message, result.label("result"), number.label("number"),
    )  # fmt: skip
