"""Removing what a run stored: nothing stays at the service, the record does, and who goes on ingests anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.bench.plugin.suite import Suite
from tests.prepared_python import run_prepared
from tests.processes import Finished
from tests.providers.hosted.vendors.vendor_server import serving_vendor
from tests.providers.hosted.vendors.zep_server import ZepServer

SMALL = ("-k", "synthetic", "--synthetic-sessions=10", "--synthetic-questions=10", "--run-id=mine")


@pytest.fixture
def server() -> Iterator[ZepServer]:
    with serving_vendor(ZepServer(ready_after=0.0)) as server:
        yield server


def clear(suite: Suite, server: ZepServer, run: str = "mine", **environment: str) -> Finished:
    access = {"ZEP_API_KEY": server.key, "ZEP_BASE_URL": server.url}
    return run_prepared("bench", "clear", run, env={**suite.environment, **access, **environment})


def run(suite: Suite, server: ZepServer, *arguments: str) -> dict[str, Any]:
    suite.run("bench", "--provider=zep", *SMALL, *arguments, ZEP_API_KEY=server.key, ZEP_BASE_URL=server.url)
    (result,) = suite.report("mine")["results"]
    return dict(result)


def test_nothing_stays_at_the_service_and_the_record_does(suite: Suite, server: ZepServer) -> None:
    before = run(suite, server, "--until=search")
    assert len(server.containers()) == 1
    ended = clear(suite, server)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "zep: 1 of 1 containers cleared\n"
    assert server.containers() == []
    assert clear(suite, server, "last").stdout == "zep: nothing to clear\n"
    after = run(suite, server)
    assert server.containers() == [], "what was searched is answered from the record"
    assert after["questions"]["judged"] == 10
    assert after["retrieval"] == before["retrieval"]
    assert after["calls"]["ingest_sessions"] == 10


def test_who_goes_on_ingests_anew(suite: Suite, server: ZepServer) -> None:
    run(suite, server, "--until=ingest")
    clear(suite, server)
    result = run(suite, server)
    assert len(server.containers()) == 1
    assert result["questions"]["judged"] == 10
    assert result["retrieval"]["message"]["recall"]["10"] > 0.3


def test_what_cannot_be_cleared_is_told_and_cleared_by_the_next(suite: Suite, server: ZepServer) -> None:
    run(suite, server, "--until=ingest")
    server.removal = "failed"
    ended = clear(suite, server)
    assert ended.returncode == 1
    assert "was not removed" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    server.removal = "succeeded"
    assert clear(suite, server).stdout == "zep: 1 of 1 containers cleared\n"


@pytest.mark.parametrize(
    ("run_id", "variable", "detail"),
    [("mine", "ZEP_API_KEY", "environment variable ZEP_API_KEY"), ("other", "X", "there is no run 'other'")],
)
def test_what_is_missing_is_told_in_a_line(
    suite: Suite, server: ZepServer, run_id: str, variable: str, detail: str
) -> None:
    run(suite, server, "--until=ingest")
    ended = clear(suite, server, run_id, **{variable: ""})
    assert ended.returncode == 2
    assert detail in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert len(server.containers()) == 1


def test_a_run_that_is_being_worked_on_is_left_alone(suite: Suite, server: ZepServer) -> None:
    server.ready_after = None
    process = suite.start("bench", "--provider=zep", *SMALL, ZEP_API_KEY=server.key, ZEP_BASE_URL=server.url)
    while not server.containers() and process.poll() is None:
        pass
    ended = clear(suite, server)
    process.kill()
    process.communicate()
    assert ended.returncode == 2
    assert "run mine is being worked on" in ended.stderr
    assert len(server.containers()) == 1
