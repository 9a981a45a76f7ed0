"""Each session goes into each container once, also when several ask, however it ends."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from providers import Limits
from reports.store import tables
from tests.bench.pipeline.small_bench import SESSIONS, Bench, Small, World, napping
from vocabulary import DataError, Haystack, HaystackError, IndexingTimeoutError, ProviderError, Session, Verdict

ORDER = [f"s{number}" for number in range(SESSIONS)]


def ingested(world: World) -> Counter[tuple[object, ...]]:
    return Counter(world.asked("ingest"))


def test_a_hundred_questions_at_once_ingest_three_haystacks_once(tmp_path: Path) -> None:
    world = World(on_ingest=napping(0.002))
    ended = Bench(world, tmp_path, Small(questions=100)).run()
    assert all(isinstance(verdict, Verdict) and verdict.correct for verdict in ended)
    assert len(world.asked("search")) == 100
    assert set(ingested(world).values()) == {1}
    assert len(ingested(world)) == 3 * SESSIONS
    assert len(world.asked("indexing")) == 3
    assert not world.asked("clear"), "there was nothing to clear"


@pytest.mark.long
def test_how_many_are_under_way_can_be_asked_while_more_are_begun(tmp_path: Path) -> None:
    bench = Bench(World(), tmp_path, Small(haystacks=250, questions=250), {"until": "ingest"})
    _checkpoint, runner = bench.open()
    runner.seal(bench.selected())
    pipeline = runner.pipeline(bench.provider, "small")
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        jobs = [runner.job(question) for question in bench.selected()]
        while not all(job.ingested.done() for job in jobs):
            assert 0 <= pipeline.ingesting <= 250
    finally:
        sys.setswitchinterval(before)
    runner.close()
    assert pipeline.ingesting == 0


def test_a_container_for_each_question_on_demand(tmp_path: Path) -> None:
    world = World()
    ended = Bench(world, tmp_path, Small(haystacks=2, questions=6), {"isolation": "question"}).run()
    assert all(verdict.correct for verdict in ended)
    assert set(ingested(world).values()) == {1}
    assert len(ingested(world)) == 6 * SESSIONS
    assert len(world.stored) == 6
    assert len({container for container, _question in world.asked("search")}) == 6


@pytest.mark.parametrize(("at_once", "most"), [(1, 1), (4, 4)])
def test_sessions_of_a_container_keep_their_order_unless_the_provider_bears_more(
    tmp_path: Path, at_once: int, most: int
) -> None:
    world = World(limits=Limits(sessions=at_once), on_ingest=napping(0.01))
    Bench(world, tmp_path, Small(haystacks=1, questions=1)).run()
    assert world.most["ingest"] == most
    order = [session for _container, session in world.asked("ingest")]
    assert sorted(str(session) for session in order) == ORDER
    if at_once == 1:
        assert order == ORDER


def test_waiting_for_an_ingest_holds_no_slot(tmp_path: Path) -> None:
    world = World(on_ingest=napping(0.01))
    ended = Bench(world, tmp_path, Small(haystacks=2, questions=8), {"in_flight": 1}).run()
    assert all(verdict.correct for verdict in ended)
    assert world.most["ingest"] == 1
    assert world.most["search"] == 1


def test_an_indexing_that_does_not_end_is_an_error_of_its_questions_alone(tmp_path: Path) -> None:
    async def never_for_the_first(container: str) -> None:
        await asyncio.sleep(60 if container.startswith("h0") else 0)

    world = World(limits=Limits(indexing_timeout=0.2), on_indexing=never_for_the_first)
    bench = Bench(world, tmp_path)
    ended = bench.run()
    for question, end in zip(bench.selected(), ended, strict=True):
        case = question.case
        if case.haystack == "h0":
            assert type(end) is IndexingTimeoutError
            assert "h0-run" in str(end)
            assert "0.2 s" in str(end)
        else:
            assert end.correct
    assert not [container for container, _question in world.asked("search") if str(container).startswith("h0")]


def test_waiting_for_a_service_to_index_keeps_nothing_busy(tmp_path: Path) -> None:
    searched = asyncio.Event()

    async def wait_for_the_others(container: str) -> None:
        if container.startswith("h0"):
            await searched.wait()

    async def note(container: str, _question: str) -> None:
        if container.startswith("h1"):
            searched.set()

    limits = Limits(concurrency=1, indexing_timeout=20)
    world = World(limits=limits, on_indexing=wait_for_the_others, on_search=note)
    ended = Bench(world, tmp_path, Small(haystacks=2, questions=4), {"in_flight": 1}).run()
    assert all(isinstance(verdict, Verdict) and verdict.correct for verdict in ended)


def test_a_service_that_wants_no_calls_for_a_while_gets_none(tmp_path: Path) -> None:
    begun: list[float] = []

    async def note(*_arguments: object) -> None:
        begun.append(time.monotonic())

    world = World(on_ingest=note, on_search=note)
    bench = Bench(world, tmp_path, Small(haystacks=1, questions=1))
    _checkpoint, runner = bench.open()
    runner.seal(bench.selected())
    runner.pipeline(bench.provider, "small")
    held = time.monotonic()
    runner._assembly.client(bench.provider).provider.hold(0.5)
    (asked,) = bench.selected()
    assert bench.end_of(runner.job(asked), runner).correct
    runner.close()
    assert len(begun) == SESSIONS + 1
    assert min(begun) >= held + 0.49


def test_a_failed_ingest_is_an_error_of_its_questions_alone_and_is_mended_by_the_next_run(tmp_path: Path) -> None:
    broken = True

    async def fail(container: str, session: str) -> None:
        if broken and container.startswith("h1") and session == "s2":
            raise ProviderError("answered 400: too long")

    world = World(on_ingest=fail)
    bench = Bench(world, tmp_path)
    ended = bench.run()
    for question, end in zip(bench.selected(), ended, strict=True):
        case = question.case
        if case.haystack == "h1":
            assert isinstance(end, ProviderError)
            assert "answered 400: too long" in str(end)
        else:
            assert end.correct
    assert ingested(world)["h1-run", "s2"] == 1, "it is not tried again for each question"
    checkpoint, runner = bench.open()
    records = {record.case.id: record for record in checkpoint.question_records()}
    failed = [record for record in records.values() if record.case.haystack == "h1"]
    assert [
        (record.error.phase, record.error.error.type) for record in failed if record.error and record.error.error
    ] == [("ingest", "ProviderError")] * 4
    runner.close()

    broken = False
    world.calls.clear()
    ended = bench.run()
    assert all(verdict.correct for verdict in ended)
    assert world.asked("clear") == [("h1-run",)]
    assert ingested(world) == Counter({("h1-run", session): 1 for session in ORDER})
    assert len(world.stored["h1-run"]) == SESSIONS
    checkpoint, runner = bench.open()
    steps = {
        (record.case.haystack, step.phase): step for record in checkpoint.question_records() for step in record.steps
    }
    assert steps["h1", "ingest"].retried
    assert steps["h1", "ingest"].error is None
    assert ("h0", "ingest") not in steps
    runner.close()


class Unreadable(Small):
    def haystack(self, haystack_id: str) -> Haystack:
        def read() -> Iterator[Session]:
            raise DataError("data.json is no longer the file that was indexed")

        return Haystack(haystack_id, SESSIONS, read) if haystack_id == "h1" else super().haystack(haystack_id)


def test_a_haystack_that_cannot_be_read_is_an_error_of_its_questions_alone(tmp_path: Path) -> None:
    bench = Bench(World(), tmp_path, Unreadable())
    for _ in range(2):  # the second time, what was recorded is told
        for question, end in zip(bench.selected(), bench.run(invocation="same"), strict=True):
            case = question.case
            if case.haystack == "h1":
                assert type(end) is HaystackError
                assert "no longer the file" in str(end)
            else:
                assert end.correct


def test_another_process_is_told_the_same_kind_of_failure(tmp_path: Path) -> None:
    world = World(limits=Limits(indexing_timeout=0.1), on_indexing=napping(60))
    bench = Bench(world, tmp_path, Small(haystacks=1, questions=1))
    assert [type(end) for end in bench.run(invocation="same")] == [IndexingTimeoutError]
    (end,) = bench.run(invocation="same")
    assert len(world.asked("ingest")) == SESSIONS, "within one invocation a failure stands"
    assert "h0-run" in str(end)
    assert type(end) is IndexingTimeoutError


def test_an_ingest_that_is_cancelled_is_begun_anew(tmp_path: Path) -> None:
    reached = threading.Event()

    async def hang(_container: str, session: str) -> None:
        if session == "s2":
            reached.set()
            await asyncio.sleep(60)

    world = World(on_ingest=hang)
    bench = Bench(world, tmp_path, Small(haystacks=1, questions=2))
    _checkpoint, runner = bench.open()
    runner.seal(bench.selected())
    for question in bench.selected():
        runner.job(question)
    assert reached.wait(20)
    runner.close()
    assert len(world.stored["h0-run"]) == 2
    assert not world.asked("search")

    world.calls.clear()
    bench.world.on_ingest = napping(0)
    ended = bench.run()
    assert all(verdict.correct for verdict in ended)
    assert [call[0] for call in world.calls[:2]] == ["clear", "ingest"]
    assert ingested(world) == Counter({("h0-run", session): 1 for session in ORDER})
    assert len(world.stored["h0-run"]) == SESSIONS


def test_who_lost_a_container_does_not_search_it_before_the_new_holder_is_done(tmp_path: Path) -> None:
    bench: Bench

    async def lose(container: str) -> None:
        """Another machine takes the container over, in the last moment, and is still at it."""
        taken = sa.update(tables.containers).values(owner="elsewhere/1:1:1:0")
        checkpoint.writer.submit(lambda connection: connection.execute(taken)).result()
        world.calls.append(("lost", container))

    world = World(on_indexing=lose)
    bench = Bench(world, tmp_path, Small(haystacks=1, questions=1))
    checkpoint, runner = bench.open()
    runner.seal(bench.selected())
    job = runner.job(bench.selected()[0])
    try:
        with pytest.raises(TimeoutError):
            job.searched.result(1.0)
        assert world.asked("lost") == [("h0-run",)]
        ready = sa.update(tables.containers).values(state="indexed")
        checkpoint.writer.submit(lambda connection: connection.execute(ready)).result()
        assert bench.end_of(job, runner).correct
    finally:
        runner.close()
