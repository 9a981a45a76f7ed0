"""A database that goes away for a while loses nothing: the connection is opened again, and work is done once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from reports.store import Checkpoint, ClaimState, Leases
from reports.store.records import Step
from tests.reports import made_records
from tests.reports.store.checkpoint_workers import make_run
from tests.reports.store.postgres_server import PostgresServer
from vocabulary import CheckpointError


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["shut down", "crashed"])
def test_reads_writes_and_claims_go_on_when_the_server_is_back(server: PostgresServer, how: signal.Signals) -> None:
    url = server.database()
    make_run(url, "run", [made_records.case()]).close()
    checkpoint = Checkpoint(url, "run", patience=60)
    leases = Leases(checkpoint, "bm25", "locomo", "now")
    assert leases.claim("held", "haystack").state is ClaimState.MINE
    leases.session_done("held", 0, 1.0, 1)
    (key,) = checkpoint.selected()
    step = Step.model_validate({"phase": "search", "service_ms": 1.0, "waited_ms": 0.0, "attempts": 1})
    server.stop(how)
    written = checkpoint.save(key, step, inputs="", result="[]")
    done: list[object] = []
    waiting = [
        threading.Thread(target=lambda: done.append(checkpoint.selected())),
        threading.Thread(target=lambda: done.append(leases.claim("new", "haystack").state)),
        threading.Thread(target=lambda: done.append(asyncio.run(leases.beat("held")))),
    ]
    for thread in waiting:
        thread.start()
    while checkpoint.reconnecting.lost_seconds is None:
        assert not done
    server.start()
    for thread in waiting:
        thread.join(60)
    written.result(60)
    assert len(done) == 3
    assert ClaimState.MINE in done
    assert True in done, "the lease is still ours"
    assert checkpoint.ended("search")
    assert not checkpoint.reconnecting.lost_seconds
    assert asyncio.run(leases.indexed("held", messages=1, tokens=1, indexing_ms=0.0))
    checkpoint.close()


@pytest.mark.long
def test_a_lease_that_could_not_be_renewed_is_not_taken_over_at_once(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.database()
    make_run(url, "run", [made_records.case()]).close()
    mine, other = Checkpoint(url, "run", patience=60), Checkpoint(url, "run", patience=60)
    monkeypatch.setattr("reports.store.leases.DEAD_AFTER_SECONDS", 0.0)
    assert Leases(mine, "bm25", "locomo", "now").claim("held", "haystack").state is ClaimState.MINE
    server.stop()
    server.start()
    claim = Leases(other, "bm25", "locomo", "now").claim("held", "haystack")
    assert claim.state is ClaimState.BUSY
    for checkpoint in (mine, other):
        checkpoint.close()


@pytest.mark.long
def test_a_server_that_stays_away_ends_in_an_error_when_patience_does(server: PostgresServer) -> None:
    url = server.database()
    make_run(url, "run", [made_records.case()]).close()
    checkpoint = Checkpoint(url, "run", patience=0.3)
    server.stop()
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.selected()
    with pytest.raises(CheckpointError, match="cannot be written"):
        checkpoint.writer.submit(lambda connection: connection.execute(sa.select(1))).result(60)
    checkpoint.close()


@pytest.mark.long
def test_closing_has_little_patience(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.store.reconnecting._CLOSING_SECONDS", 0.2)
    url = server.database()
    make_run(url, "run", [made_records.case()]).close()
    checkpoint = Checkpoint(url, "run", patience=3600)
    server.stop()
    written = checkpoint.writer.submit(lambda connection: connection.execute(sa.select(1)))
    checkpoint.close()
    assert isinstance(written.exception(60), CheckpointError)
