"""Several invocations, each in a folder of its own, work on one run in PostgreSQL: nothing is asked twice."""

from __future__ import annotations

import json
import signal
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bench.base import opaque_id
from reports.store.sharing.shared_tables import places
from tests.bench.plugin.suite import SMALL, Running, Suite, comparable, wait
from tests.reports.store.postgres_server import PostgresServer
from tests.subjects.many_haystacks import HAYSTACKS
from tests.subjects.paid import ANSWER_USD, VERDICT_USD
from tests.subjects.service import PER_SECOND, SLOTS

QUESTIONS = SESSIONS = HAYSTACKS * 20
IN_FLIGHT = 4
OTHERS = ("--answering-model=tests.subjects.watched:First", "--judge=tests.subjects.watched:Contains")
RUN = ("tests/subjects/many_haystacks.py", "-o", "python_files=many_haystacks.py", *SMALL)


def begin(suite: Suite, place: str, url: str, subject: str, *options: str, others: Sequence[str] = OTHERS) -> Running:
    folder, provider = f"--runs-dir={suite.folder / place}", f"--provider=tests.subjects.service:{subject}"
    shared = ("--run-id=one", f"--checkpoint-url={url}", f"--in-flight={IN_FLIGHT}", "--patience=60")
    cache = ("-o", f"cache_dir={suite.folder / place / 'cache'}")
    return suite.start(*RUN, *others, provider, folder, *cache, *shared, *options)


def wait_for_places(url: str, count: int, running: list[Running]) -> None:
    """Return when so many have joined the run, or one of them has ended."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)

    def joined() -> bool:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table(places.name):
                return False
            found = connection.execute(sa.select(sa.func.count()).select_from(places)).scalar_one()
        return found >= count or any(process.poll() is not None for process in running)

    wait(joined, 100)


def report_of(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = comparable(json.loads((folder / "one" / "report.json").read_text()))
    return report


def files_of(folder: Path) -> dict[str, bytes]:
    """The files that are alike at all places."""
    return {path.name: path.read_bytes() for path in (folder / "one").glob("re*.*")}


def check_ingests(suite: Suite, lost: set[str]) -> None:
    """Each session was sent once, but for those of `lost` processes: nobody cleared what another one was filling."""
    assert len(suite.calls("ingest")) == SESSIONS
    assert set(suite.calls("sent").values()) == {1}, "by no process twice"
    sent = [call.partition(" ") for call in suite.calls("sent").elements()]
    by_others = [session for process, _, session in sent if process not in lost]
    assert len(by_others) == len(set(by_others))


def check_limits(suite: Suite) -> None:
    """The service has seen no more than it allows, in calls at once and in any two seconds."""
    calls = [sorted(map(float, times.split())) for times in suite.calls("timed").elements()]  # those that have ended
    ends = sorted([(end, -1) for _begun, end in calls] + [(begun, 1) for begun, _end in calls])
    assert max(accumulate(change for _moment, change in ends)) <= SLOTS
    begun = sorted(map(float, suite.calls("came").elements()))
    fullest = max(bisect(begun, moment + 2.0) - number for number, moment in enumerate(begun))
    assert fullest <= 2 * PER_SECOND * 1.25, "some begin late on a busy machine"


def test_places_come_and_go_and_the_database_too(suite: Suite) -> None:
    server = PostgresServer()
    try:
        url = server.database()
        hold = suite.folder / "hold"
        hold.touch()
        running = [begin(suite, place, url, "Service") for place in ("first", "second")]
        wait_for_places(url, 2, running)
        hold.unlink()
        suite.wait_for("search", QUESTIONS // 4, running[1])
        hold.touch()
        killed = running[1]
        killed.kill()
        killed.wait()
        running[1] = begin(suite, "late", url, "Service")
        wait_for_places(url, 3, running)
        hold.unlink()
        suite.wait_for("search", QUESTIONS // 2, running[0])
        server.stop()
        server.start()
        ended = [suite.end(process) for process in running]
    finally:
        server.close()
    searched = suite.calls("search")
    assert len(searched) == QUESTIONS
    assert searched.total() <= QUESTIONS + 2 * IN_FLIGHT, "only what was not recorded when a place was killed"
    assert len(suite.calls("by")) >= 2, "more than one place has searched"
    check_ingests(suite, {str(killed.pid)})
    check_limits(suite)
    first, late = report_of(suite.folder / "first"), report_of(suite.folder / "late")
    assert first == late
    assert first["results"][0]["questions"]["errors"] > 0, "a failure of another place is a failure here"
    assert ended[0].status == ended[1].status == 1
    assert ended[0].counted == ended[1].counted


def test_a_store_in_a_folder_is_searched_there_and_nothing_is_ingested_twice(suite: Suite) -> None:
    server = PostgresServer()
    try:
        url = server.database()
        hold = suite.folder / "hold"
        hold.touch()
        running = [begin(suite, "here", url, "Local", "-n2"), begin(suite, "there", url, "Local")]
        wait_for_places(url, 3, running)
        refused = begin(suite, "alone", url, "Local", "--retry-from=search")
        assert "from another folder or machine" in suite.end(refused).output
        hold.unlink()
        for process in running:
            suite.end(process)
    finally:
        server.close()
    assert suite.calls("search").total() == QUESTIONS
    assert len(suite.calls("by")) == 3
    assert suite.calls("ingest").total() == SESSIONS, "no haystack was ingested at two places"
    here, there = report_of(suite.folder / "here"), report_of(suite.folder / "there")
    assert here == there
    assert files_of(suite.folder / "here") == files_of(suite.folder / "there"), "one has copied them, clocks and all"
    undivided = begin(suite, "undivided", f"sqlite:///{suite.folder / 'undivided.sqlite'}", "Local")
    suite.end(undivided)
    assert report_of(suite.folder / "undivided") == here


def test_shards_are_one_run_that_each_begins_elsewhere_and_none_is_waited_for(suite: Suite) -> None:
    size = ("--synthetic-sessions=10", "--synthetic-questions=5")
    gate = ("--fail-under=accuracy=0", "--max-errors=45")
    suite.environment["SLOW"] = "0.4"  # the first place is not done before the other one has its part of the slots
    haystack_of = {opaque_id("many", f"h{n}-syn-q{m:04d}"): n for n in range(HAYSTACKS) for m in range(5)}
    server = PostgresServer()
    try:
        url = server.database()
        hold = suite.folder / "hold"
        hold.touch()
        running = [  # the second of three never comes
            begin(suite, "first", url, "Service", *size, *gate, "--shard=1/3"),
            begin(suite, "third", url, "Service", *size, *gate, "--shard=3/3"),
        ]
        wait_for_places(url, 2, running)
        third = str(running[1].pid)
        hold.unlink()
        ended = [suite.end(process) for process in running]
    finally:
        server.close()
    begun = [name.split() for name in suite.calls("begun")]
    assert [haystack_of[question] // 3 for process, question in begun if process == third][:3] == [2, 2, 2]
    assert [haystack_of[question] // 3 for process, question in begun if process != third][:3] == [0, 0, 0]
    assert suite.calls("search") == dict.fromkeys(haystack_of, 1)
    assert suite.calls("ingest").total() == HAYSTACKS * 10
    assert [one.status for one in ended] == [0, 0], ended[0].output
    assert "gate met: accuracy" in ended[0].output
    first = report_of(suite.folder / "first")
    assert first == report_of(suite.folder / "third")
    del suite.environment["SLOW"]
    suite.end(begin(suite, "undivided", f"sqlite:///{suite.folder / 'undivided.sqlite'}", "Service", *size, *gate))
    assert report_of(suite.folder / "undivided") == first


def test_two_places_stop_when_the_money_of_the_run_is_used(suite: Suite) -> None:
    each = ANSWER_USD + VERDICT_USD
    limit = f"--max-usd={40 * each}"
    suite.environment["SLOW"] = "0.2"
    dear = ("--answering-model=tests.subjects.paid:Dear", "--judge=tests.subjects.paid:DearJudge")
    server = PostgresServer()
    try:
        url = server.database()
        hold = suite.folder / "hold"
        hold.touch()
        running = [begin(suite, place, url, "Service", limit, others=dear) for place in ("first", "second")]
        wait_for_places(url, 2, running)
        hold.unlink()
        ended = [suite.end(process) for process in running]
    finally:
        server.close()
    assert len(suite.calls("by")) == 2, "both have searched"
    spent = suite.calls("answer").total() * ANSWER_USD + suite.calls("judge").total() * VERDICT_USD
    assert 40 * each <= spent < 80 * each, "each for itself would have spent that"
    for place in ended:
        assert place.status == pytest.ExitCode.INTERRUPTED, place.output
        assert "the money is used (--max-usd)" in place.output


def test_a_place_that_is_asked_to_end_frees_its_claims_at_once(suite: Suite) -> None:
    server = PostgresServer()
    try:
        url = server.database()
        (suite.folder / "hold").touch()
        place = begin(suite, "first", url, "Service", "-n2")
        wait_for_places(url, 2, [place])
        suite.wait_for("begun", 1, place)
        place.signal_all(signal.SIGTERM)
        assert suite.end(place).status == pytest.ExitCode.INTERRUPTED
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            ended = connection.execute(sa.select(places.c.ended)).scalars().all()
    finally:
        server.close()
    assert ended == [True, True]


@pytest.fixture
def suite(suite: Suite) -> Suite:
    suite.seconds = 200.0
    return suite
