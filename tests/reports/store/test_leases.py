"""A container is in one pair of hands at a time, and in no dead ones."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from reports.store import Checkpoint, ClaimState, Leases, StepError, tables
from reports.store.leases import DEAD_AFTER_SECONDS, HEARTBEAT_SECONDS, Claim
from reports.store.records import ContainerRecord
from tests.processes import PIPE, Process
from tests.reports import made_records
from tests.reports.store.checkpoint_workers import Worker, claim_once, hold_until_killed, make_run, together
from vocabulary import CheckpointError

ERROR = StepError(type="ProviderError", message="answered 503")
MINE, ANEW, BUSY = Claim(ClaimState.MINE), Claim(ClaimState.MINE, left_over=True), Claim(ClaimState.BUSY)
READY = Claim(ClaimState.READY)


@pytest.fixture
def checkpoint(url: str) -> Iterator[Checkpoint]:
    checkpoint = make_run(url, "run", [made_records.case()])
    yield checkpoint
    checkpoint.close()


def some(checkpoint: Checkpoint, invocation: str = "now") -> Leases:
    return Leases(checkpoint, "bm25", "locomo", invocation)


def indexed(leases: Leases, messages: int = 1) -> bool:
    return asyncio.run(leases.indexed("c", messages=messages, tokens=10, indexing_ms=2.0))


def change(checkpoint: Checkpoint, **values: object) -> None:
    statement = sa.update(tables.containers).values(**values)
    checkpoint.writer.submit(lambda connection: connection.execute(statement)).result()


def owner(checkpoint: Checkpoint) -> str:
    (row,) = checkpoint.read(sa.select(tables.containers))
    return str(row.owner)


def the_container(checkpoint: Checkpoint) -> ContainerRecord:
    (record,) = checkpoint.container_records()
    return record


# --- one at a time -------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_of_eight_processes_that_want_a_container_one_ingests_it(url: str) -> None:
    checkpoint = make_run(url, "run", [made_records.case()])
    detail = together(8, claim_once, url)
    assert detail.count(["mine"]) == 1
    assert all(states in (["mine"], ["busy", "ready"], ["ready"]) for states in detail)
    assert ["busy", "ready"] in detail
    assert the_container(checkpoint).messages == detail.index(["mine"])
    checkpoint.close()


def test_the_way_of_a_container(checkpoint: Checkpoint) -> None:
    first, second = some(checkpoint), some(checkpoint)
    assert first.claim("c", "h") == MINE
    assert first.claim("c", "h") == BUSY
    assert second.claim("c", "h") == BUSY
    assert second.claim("c", "h", again=True) == BUSY
    assert Leases(checkpoint, "other", "locomo", "now").claim("c", "h") == MINE
    assert some(checkpoint).claim("d", "h") == MINE
    assert indexed(first)
    assert second.claim("c", "h") == READY
    assert second.claim("c", "h", again=True) == READY


def test_a_failure_stands_in_its_invocation_until_it_is_tried_again(checkpoint: Checkpoint) -> None:
    first, second = some(checkpoint), some(checkpoint)
    first.claim("c", "h")
    first.session_done("c", 0, 1.0, 1)
    assert asyncio.run(first.failed("c", ERROR))
    assert second.claim("c", "h") == Claim(ClaimState.FAILED, error=ERROR)
    assert the_container(checkpoint).error == ERROR
    assert second.claim("c", "h", again=True) == ANEW
    assert first.claim("c", "h", again=True) == BUSY
    record = the_container(checkpoint)
    assert (record.error, record.sessions) == (None, 0)
    asyncio.run(second.failed("c", ERROR))
    assert some(checkpoint, "later").claim("c", "h") == ANEW


def test_what_is_given_up_is_begun_anew_by_the_next_holder(checkpoint: Checkpoint) -> None:
    first = some(checkpoint)
    first.claim("c", "h")
    first.session_done("c", 0, 1.0, 1)
    assert asyncio.run(first.abandon("c"))
    assert the_container(checkpoint).error is None
    assert some(checkpoint).claim("c", "h") == ANEW
    assert the_container(checkpoint).sessions == 0


# --- the dead ------------------------------------------------------------------------------------------------------


def test_a_killed_holder_is_replaced_at_once_and_its_half_is_cleared(url: str) -> None:
    checkpoint = make_run(url, "run", [made_records.case()])
    holder = Worker(hold_until_killed, url)
    assert holder.hear() == "mine"
    assert some(checkpoint).claim("c", "h") == BUSY
    assert the_container(checkpoint).sessions == 1
    holder.kill()
    assert some(checkpoint).claim("c", "h") == ANEW
    assert the_container(checkpoint).sessions == 0
    checkpoint.close()


def test_a_holder_elsewhere_is_dead_when_it_has_been_silent_for_long(checkpoint: Checkpoint) -> None:
    some(checkpoint).claim("c", "h")
    change(checkpoint, owner=f"elsewhere/1:{os.getpid()}:1:0")
    for silent, claim in ((0, BUSY), (DEAD_AFTER_SECONDS - 20, BUSY), (DEAD_AFTER_SECONDS + 1, ANEW)):
        change(checkpoint, heartbeat=time.time() - silent)
        assert some(checkpoint).claim("c", "h") == claim


def test_the_same_host_name_in_another_process_namespace_is_elsewhere(checkpoint: Checkpoint) -> None:
    some(checkpoint).claim("c", "h")
    change(checkpoint, owner=f"{socket.gethostname()}/1:999999999:1:0")
    assert some(checkpoint).claim("c", "h") == BUSY


def test_a_process_that_got_the_number_of_a_dead_holder_is_not_taken_for_it(checkpoint: Checkpoint) -> None:
    some(checkpoint).claim("c", "h")
    place, pid, born, which = owner(checkpoint).rsplit(":", 3)
    assert int(pid) == os.getpid()
    if not born:
        pytest.skip("this system does not show when a process was born")
    change(checkpoint, owner=f"{place}:{pid}:{int(born) - 1}:{which}")
    assert some(checkpoint).claim("c", "h") == ANEW


def test_a_killed_holder_that_its_parent_has_not_looked_after_is_dead(checkpoint: Checkpoint) -> None:
    some(checkpoint).claim("c", "h")
    place, _pid, born, which = owner(checkpoint).rsplit(":", 3)
    if not born:
        pytest.skip("this system does not show whether a process is a zombie")
    child = Process([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=PIPE)
    stat = Path(f"/proc/{child.pid}/stat")
    change(checkpoint, owner=f"{place}:{child.pid}:{stat.read_text().rpartition(')')[2].split()[19]}:{which}")
    assert some(checkpoint).claim("c", "h") == BUSY
    child.kill()
    while stat.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert some(checkpoint).claim("c", "h") == ANEW
    child.communicate()


def test_a_heartbeat_keeps_a_holder_alive(checkpoint: Checkpoint) -> None:
    holder = some(checkpoint)
    holder.claim("c", "h")
    change(checkpoint, heartbeat=0.0)
    assert asyncio.run(holder.beat("c"))
    assert some(checkpoint).claim("c", "h") == BUSY
    holder.session_done("c", 0, 1.0, 1)
    assert the_container(checkpoint).sessions == 0, "sessions are written many at once"
    asyncio.run(holder.beat("c"))
    assert the_container(checkpoint).sessions == 1
    assert HEARTBEAT_SECONDS * 4 < DEAD_AFTER_SECONDS


def test_who_was_taken_for_dead_and_comes_back_changes_nothing(checkpoint: Checkpoint) -> None:
    stale, holder = some(checkpoint), some(checkpoint)
    stale.claim("c", "h")
    stale.session_done("c", 0, 1.0, 1)
    asyncio.run(stale.beat("c"))
    change(checkpoint, heartbeat=0.0)
    assert holder.claim("c", "h") == ANEW
    holder.session_done("c", 0, 77.0, 1)
    assert not asyncio.run(stale.beat("c"))
    stale.session_done("c", 0, 2.0, 1)
    stale.session_done("c", 1, 2.0, 1)
    assert not indexed(stale, messages=5)
    assert not asyncio.run(stale.failed("c", ERROR))
    assert not asyncio.run(stale.abandon("c"))
    assert some(checkpoint).claim("c", "h") == BUSY
    assert indexed(holder, messages=3)
    record = the_container(checkpoint)
    assert (record.indexed, record.messages, record.error, record.ingest_ms) == (True, 3, None, (77.0,))
    assert not asyncio.run(stale.failed("c", ERROR))
    assert not asyncio.run(holder.failed("c", ERROR)), "what is indexed stays so"
    assert some(checkpoint).claim("c", "h") == READY


# --- a database that fails -----------------------------------------------------------------------------------------


def test_an_error_while_claiming_does_not_show_the_password(postgres_url: str) -> None:
    checkpoint = make_run(postgres_url, "run", [made_records.case()])
    refuse = (
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'no space'; END $$ LANGUAGE plpgsql; "
        "CREATE TRIGGER refuse BEFORE INSERT ON containers EXECUTE FUNCTION refuse()"
    )
    checkpoint.writer.submit(lambda connection: connection.exec_driver_sql(refuse)).result()
    with pytest.raises(CheckpointError, match=r"bench:\*\*\*@.*cannot be written: no space.*--lf") as refused:
        some(checkpoint).claim("c", "h")
    assert "not-for-any-message" not in str(refused.value)
    assert "\n" not in str(refused.value)
    checkpoint.close()


def test_a_session_that_cannot_be_recorded_keeps_the_container_shut(url: str) -> None:
    checkpoint = make_run(url, "run", [made_records.case()])
    leases = some(checkpoint)
    leases.claim("c", "h")
    leases.session_done("c", 0, 1.0, 1)
    leases.session_done("c", 0, 2.0, 1)  # the same one twice
    with pytest.raises(CheckpointError, match=r"(?i)unique"):
        indexed(leases)
    assert some(checkpoint).claim("c", "h") == BUSY
    checkpoint.close()
