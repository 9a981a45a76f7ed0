"""Group commit: what is acknowledged is on disk, what fails says so, and nobody's fault is another's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from reports.store import tables
from reports.store.writer import Writer
from vocabulary import CheckpointError


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = tables.connect(url)
    yield engine
    engine.dispose()


@pytest.fixture
def writer(engine: sa.Engine) -> Iterator[Writer]:
    writer = Writer(engine)
    yield writer
    writer.close()


def adding(number: int) -> sa.Insert:
    return sa.insert(tables.invocations).values(id=f"i{number:04}", run_id="run", command="", started=float(number))


def add(number: int) -> Callable[[sa.Connection], object]:
    return lambda connection: connection.execute(adding(number))


def added(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(tables.invocations.c.id).order_by(tables.invocations.c.started)))


def test_what_gathers_while_one_transaction_runs_goes_into_the_next_one(engine: sa.Engine, writer: Writer) -> None:
    commits: list[object] = []
    sa.event.listen(engine, "commit", commits.append)
    held, begun = threading.Event(), threading.Event()

    def slow(connection: sa.Connection) -> None:
        begun.set()
        held.wait(10)
        connection.execute(adding(0))

    futures = [writer.submit(slow)]
    begun.wait(10)
    futures += [writer.submit(add(n)) for n in range(1, 201)]
    held.set()
    for future in futures:
        future.result(10)
    assert len(commits) == 2
    assert added(engine) == [f"i{number:04}" for number in range(201)]


def test_close_writes_what_waits_and_a_late_work_is_refused(engine: sa.Engine) -> None:
    writer = Writer(engine)
    futures = [writer.submit(add(n)) for n in range(1000)]
    writer.close()
    assert all(future.done() for future in futures)
    assert len(added(engine)) == 1000
    with pytest.raises(CheckpointError, match="is closed"):
        writer.submit(add(1000)).result(10)
    writer.close()


def test_a_faulty_work_fails_alone_and_those_that_came_with_it_are_written(engine: sa.Engine, writer: Writer) -> None:
    held, begun = threading.Event(), threading.Event()

    def slow(_connection: sa.Connection) -> None:
        begun.set()
        held.wait(10)

    def broken(_connection: sa.Connection) -> None:
        raise RuntimeError("no such thing")

    slowed = writer.submit(slow)
    begun.wait(10)
    good = [writer.submit(add(n)) for n in (1, 2)]
    twice = writer.submit(add(1))
    broke = writer.submit(broken)
    good.append(writer.submit(lambda connection: connection.execute(adding(3))))
    held.set()
    for future in (slowed, *good):
        future.result(10)
    with pytest.raises(CheckpointError, match=r"(?i)unique") as refused:
        twice.result(10)
    assert "\n" not in str(refused.value)
    with pytest.raises(CheckpointError, match="no such thing"):
        broke.result(10)
    assert added(engine) == ["i0001", "i0002", "i0003"]


def test_a_cancelled_wait_neither_undoes_the_work_nor_stops_the_writer(engine: sa.Engine, writer: Writer) -> None:
    held, begun = threading.Event(), threading.Event()

    def slow(connection: sa.Connection) -> None:
        begun.set()
        held.wait(10)
        connection.execute(adding(0))

    async def wait_and_be_cancelled() -> None:
        under_way = asyncio.wrap_future(writer.submit(slow))
        waiting = asyncio.wrap_future(writer.submit(add(1)))
        await asyncio.to_thread(begun.wait, 10)
        waits = [asyncio.ensure_future(asyncio.wait_for(one, 60)) for one in (under_way, waiting)]
        await asyncio.sleep(0)
        for one in waits:
            one.cancel()
        assert [type(ended) for ended in await asyncio.gather(*waits, return_exceptions=True)] == (
            [asyncio.CancelledError] * 2
        )
        held.set()

    asyncio.run(wait_and_be_cancelled())
    writer.submit(lambda connection: connection.execute(adding(2))).result(10)
    assert added(engine) == ["i0000", "i0001", "i0002"]
