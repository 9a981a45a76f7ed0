"""The record of a run, step by step: what is in it is never paid for again."""

from __future__ import annotations

import asyncio
import json
import marshal
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from hashlib import blake2b
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, TypeVar  # Any: the columns of a row are known only when it is read

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from reports.store import tables
from reports.store.reconnecting import Reconnecting
from reports.store.records import BenchmarkRecord, ContainerRecord, QuestionRecord, Step
from reports.store.run_lock import lock_run
from reports.store.selected import QuestionKey, SelectedQuestion, selection_rows
from reports.store.stored import (
    QUERIES,
    Query,
    Row,
    StoredStep,
    complete,
    container_record,
    selected_record,
    unreadable,
)
from reports.store.votes import vote_name
from reports.store.writer import Put, Writer
from vocabulary import PHASES, Phase

T = TypeVar("T")

_READ_TOGETHER = 50
"""Questions whose steps are read at once: a few hundred kilobytes of search results."""


class Checkpoint:
    """One run in a database; several processes may hold the same one.

    Writing is asynchronous and returns futures (`Writer`); reading is immediate. All methods raise
    `CheckpointError` if the database fails; a connection that is lost is opened again for up to `patience` seconds.
    With `single` each statement is a transaction of its own and one round trip; in SQLite it is for reading.
    """

    def __init__(self, url: str, run_id: str, *, patience: float = 0.0, engine: Engine | None = None) -> None:
        self.url = url
        self.run_id = run_id
        self.engine: Engine = engine or tables.connect(url)
        self.reconnecting = Reconnecting(patience)
        self.writer = Writer(self.engine, self.reconnecting)
        self._lock: int | None = None
        self._release: Callable[[], None] = lambda: None
        postgresql = self.engine.dialect.name == "postgresql"
        options = {"isolation_level": "AUTOCOMMIT"} if postgresql else {"reading": True}
        self.single: Engine = self.engine.execution_options(**options)
        self._queries = QUERIES[self.engine.dialect.name]
        self._save = _save_statement(self.engine, tables.steps)
        self._save_vote = _save_statement(self.engine, tables.votes)

    def lock(self, folder: Path, release: Callable[[], None] = lambda: None) -> None:
        """Show that this process is at work on the run in `folder` until it dies or `close`, which calls `release`."""
        if self._lock is None:
            self._lock, self._release = lock_run(folder), release

    def close(self) -> None:
        """Write what is waiting and close the database."""
        self.writer.close()
        self.engine.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
            self._release()

    async def written(self, work: Callable[[sa.Connection], object]) -> None:
        """Have `work` done in the writer's next transaction, and wait until it is on disk."""
        await asyncio.wrap_future(self.writer.submit(work))

    # --- the selection ---------------------------------------------------------------------------------------------

    def seal(
        self,
        selected: Sequence[SelectedQuestion],
        benchmarks: Sequence[BenchmarkRecord],
        ordinals: Mapping[QuestionKey, int] | None = None,
    ) -> None:
        """Fix what this run is about, in this order or by `ordinals`. The first process to come does it, once."""
        data = json.dumps([benchmark.model_dump(mode="json") for benchmark in benchmarks])
        rows = list(selection_rows(self.run_id, selected, ordinals or {}))

        def work(connection: sa.Connection) -> None:
            unsealed = sa.update(tables.runs).where(tables.runs.c.run_id == self.run_id, ~tables.runs.c.sealed)
            if connection.execute(unsealed.values(sealed=True, benchmarks=data)).rowcount and rows:
                connection.execute(sa.insert(tables.questions), rows)

        self.writer.submit(work).result()

    def renew(self, benchmarks: Sequence[BenchmarkRecord]) -> None:
        """Write down how `benchmarks` are answered and judged now: steps that are asked again may be so otherwise."""
        now = {benchmark.name: benchmark for benchmark in benchmarks}
        fields = ("answer_prompt", "own_prompts", "judges")

        def work(connection: sa.Connection) -> None:
            this = tables.runs.c.run_id == self.run_id
            known = json.loads(connection.execute(sa.select(tables.runs.c.benchmarks).where(this)).scalar_one())
            renewed = [
                {**one, **now[one["name"]].model_dump(mode="json", include=set(fields))} if one["name"] in now else one
                for one in known
            ]
            if renewed != known:
                connection.execute(sa.update(tables.runs).where(this).values(benchmarks=json.dumps(renewed)))

        self.writer.submit(work).result()

    def selected(self) -> set[QuestionKey]:
        """The questions that the run is about."""
        columns = tables.questions.c
        return {
            QuestionKey._make(row)
            for row in self.read(sa.select(columns.provider, columns.benchmark, columns.question))
        }

    def ended(self, phase: Phase) -> set[QuestionKey]:
        """The questions whose `phase` is done, but for those with an earlier step that turned out to be damaged."""
        return self._with_a_step("done", (phase,)) - self._with_a_step("error", PHASES[1 : PHASES.index(phase)])

    def failed(self, until: Phase) -> set[QuestionKey]:
        """The questions that ended in an error before the end of the phase `until`."""
        return self._with_a_step("error", PHASES[: PHASES.index(until) + 1]) - self.ended(until)

    def _with_a_step(self, state: str, phases: Sequence[Phase]) -> set[QuestionKey]:
        columns = tables.steps.c
        query = sa.select(columns.provider, columns.benchmark, columns.question)
        return set(map(QuestionKey._make, self.read(query.where(columns.phase.in_(phases), columns.state == state))))

    # --- steps -----------------------------------------------------------------------------------------------------

    def steps(self, keys: Iterable[QuestionKey]) -> dict[QuestionKey, dict[str, StoredStep]]:
        """The steps of these questions, by phase, and their votes, by `vote_name`.

        Read together, for that costs little more than reading one.
        """
        found: dict[QuestionKey, dict[str, StoredStep]] = {key: {} for key in keys}
        for provider, benchmark in dict.fromkeys((key.provider, key.benchmark) for key in found):
            questions = [key.question for key in found if (key.provider, key.benchmark) == (provider, benchmark)]
            for row in self._rows_of(provider, benchmark, questions):
                name = row.phase if row.judge is None else vote_name(row.judge, row.repeat)
                step = StoredStep(row.state, row.inputs, row.result, row.service_ms, row.waited_ms, row.attempts)
                found[QuestionKey(provider, benchmark, row.question)][name] = step
        return found

    def save(self, key: QuestionKey, step: Step, *, inputs: str, result: str | None) -> Future[None]:
        """Record a step: done with its `result` (JSON), or ended in its error."""
        values = {"phase": step.phase, **self._values(key, step, inputs, result)}
        return self.writer.submit(Put(self._save, values))

    def save_vote(
        self, key: QuestionKey, judge: str, repeat: int, step: Step, *, inputs: str, result: str | None
    ) -> Future[None]:
        """Record one vote of several: done with its `result` (a `Vote` as JSON), or ended in its error."""
        values = {"judge": judge, "repeat": repeat, **self._values(key, step, inputs, result)}
        return self.writer.submit(Put(self._save_vote, values))

    def _values(self, key: QuestionKey, step: Step, inputs: str, result: str | None) -> dict[str, object]:
        return {
            "run_id": self.run_id,
            **key._asdict(),
            "state": "error" if step.error else "done",
            "inputs": inputs,
            "result": result,
            "service_ms": step.service_ms,
            "waited_ms": step.waited_ms,
            "attempts": step.attempts,
            "retried": False,
            "usage": step.usage.model_dump_json() if step.usage else None,
            "error_type": step.error.type if step.error else None,
            "error_message": step.error.message if step.error else None,
        }

    def ask_again(self, phases: Sequence[Phase]) -> None:
        """Have these phases of every selected question done again; what they gave before is kept until then."""

        def work(connection: sa.Connection) -> None:
            mine = tables.steps.c.run_id == self.run_id
            connection.execute(
                sa.update(tables.steps).where(mine, tables.steps.c.phase.in_(phases)).values(state="again")
            )
            if "judge" in phases:
                mine_too = tables.votes.c.run_id == self.run_id
                connection.execute(sa.update(tables.votes).where(mine_too).values(state="again"))
            if "ingest" in phases:
                columns, timed = tables.containers.c, tables.sessions.c
                shared = columns.run_id == self.run_id, columns.owner == tables.SHARED
                theirs = timed.container.in_(sa.select(columns.container).where(*shared))
                connection.execute(sa.delete(tables.sessions).where(timed.run_id == self.run_id, theirs))
                connection.execute(sa.delete(tables.containers).where(*shared))  # this run makes its own
                stale = sa.update(tables.containers).where(columns.run_id == self.run_id)
                connection.execute(stale.values(state="failed", invocation=""))
            kept = sa.select(tables.steps.c.question).where(
                mine,
                tables.steps.c.state == "done",
                tables.steps.c.provider == tables.questions.c.provider,
                tables.steps.c.benchmark == tables.questions.c.benchmark,
                tables.steps.c.question == tables.questions.c.question,
            )
            replayed = sa.update(tables.questions).where(tables.questions.c.run_id == self.run_id, kept.exists())
            connection.execute(replayed.values(replayed=True))

        self.writer.submit(work).result()

    # --- what reports read -----------------------------------------------------------------------------------------

    def question_records(self) -> Iterator[QuestionRecord]:
        """The selected questions with all that is done of them, in the selection's order, one at a time."""
        voted = self.read(sa.select(tables.votes.c.judge).limit(1))
        query = self._queries.steps_and_votes if voted else self._queries.steps  # most runs have no votes to look for
        selected = self.read(sa.select(tables.questions).order_by(tables.questions.c.ordinal))
        for (provider, benchmark), group in groupby(selected, attrgetter("provider", "benchmark")):
            while batch := list(islice(group, _READ_TOGETHER)):
                done: dict[str, list[Row]] = {row.question: [] for row in batch}
                for row in self._rows_of(provider, benchmark, list(done), query):
                    done[row.question].append(row)
                yield from (complete(selected_record(row), done.pop(row.question)) for row in batch)

    def settled_records(self) -> Iterator[QuestionRecord]:
        """The same; steps that cannot be read are recorded as errors, so that they are asked again."""
        columns, written = tables.steps.c, list[Future[None]]()
        for record in self.question_records():
            key = QuestionKey(record.provider, record.case.benchmark, record.case.id)
            for phase, error in unreadable(record).items():
                mine = [columns[name] == value for name, value in key._asdict().items()]
                this = sa.update(tables.steps).where(columns.run_id == self.run_id, *mine, columns.phase == phase)
                failed = this.values(state="error", error_type=error.type, error_message=error.message)
                written.append(self.writer.submit(Put(failed, {})))
            yield record
        for future in written:
            future.result()

    def question_record(self, key: QuestionKey, *, results: bool = True) -> QuestionRecord:
        """One selected question with all that is done of it; `results` False leaves out what its search found."""
        asked = {"run": self.run_id, **key._asdict(), "questions": [key.question]}
        (row,) = self._execute(self._queries.questions, asked)
        return complete(selected_record(row), self._execute(self._queries.steps_and_votes, asked), results=results)

    def digest(self) -> str:
        """A hash of all that `question_records` and `container_records` are made from."""

        def read() -> str:
            found = blake2b(digest_size=16)
            with self.engine.execution_options(reading=True).connect() as connection:
                for table in (tables.questions, tables.steps, tables.votes, tables.containers, tables.sessions):
                    mine = sa.select(table).where(table.c.run_id == self.run_id).order_by(*table.primary_key)
                    for row in connection.execute(mine, execution_options={"yield_per": _READ_TOGETHER}):
                        found.update(marshal.dumps(tuple(row), 2))
            return found.hexdigest()

        return self.attempt(read)

    def container_records(self) -> Iterator[ContainerRecord]:
        """The containers of the run, as they were finally ingested."""
        kept = self.read(sa.select(tables.containers).order_by(*tables.containers.primary_key))
        columns = tables.sessions.c
        query = sa.select(columns.container, columns.service_ms, columns.attempts).order_by(
            *tables.sessions.primary_key
        )
        for provider, group in groupby(kept, attrgetter("provider")):
            while batch := list(islice(group, _READ_TOGETHER)):
                among = columns.container.between(batch[0].container, batch[-1].container)
                timed: dict[str, list[Row]] = {row.container: [] for row in batch}
                for session in self.read(query.where(columns.provider == provider, among)):
                    timed.setdefault(session.container, []).append(session)  # of one that was begun meanwhile too
                yield from (container_record(row, timed.pop(row.container)) for row in batch)

    def read(self, query: sa.Select[Any]) -> Sequence[Row]:
        """The rows of this run that `query` selects."""
        (table,) = query.columns_clause_froms
        return self._execute(query.where(table.c.run_id == self.run_id))

    def _rows_of(
        self, provider: str, benchmark: str, questions: Sequence[str], query: Query | None = None
    ) -> Sequence[Row]:
        asked = {"run": self.run_id, "provider": provider, "benchmark": benchmark, "questions": questions}
        return self._execute(self._queries.steps_and_votes if query is None else query, asked)

    def _execute(self, query: Query, parameters: Mapping[str, object] | None = None) -> Sequence[Row]:
        def read() -> Sequence[Row]:
            with self.single.begin() as connection:
                return connection.execute(query, parameters).all()

        return self.attempt(read)

    def attempt(self, work: Callable[[], T], undone: Literal["read", "written"] = "read") -> T:
        """What `work` with the database returns, done again while that is away; `undone` names it in the error."""
        return self.reconnecting.attempt(work, self.url, undone)


def _save_statement(engine: Engine, table: sa.Table) -> sa.Executable:
    """Insert a step or a vote, or put it in the place of the one that ended in an error or is asked again."""
    insert = tables.upsert(engine, table).values({column.name: sa.bindparam(column.name) for column in table.c})
    changed = {column.name: insert.excluded[column.name] for column in table.c if not column.primary_key}
    changed["retried"] = sa.or_(table.c.retried, table.c.state != "done")
    statement: sa.Executable = insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)
    return statement
