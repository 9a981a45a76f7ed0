"""The limits of a run over its places, in a real PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from itertools import pairwise

import pytest
import sqlalchemy as sa

from net import ALL, Demand
from reports.store import Checkpoint
from reports.store.sharing import PlaceLimits, Presence
from reports.store.sharing.place_limits import fair_parts
from reports.store.sharing.shared_tables import parts, places
from tests.reports import made_records
from tests.reports.store.checkpoint_workers import make_run

Join = Callable[[str], "Place"]


class Place:
    """A place of the run, with what it keeps in flight."""

    def __init__(self, presence: Presence) -> None:
        self.presence = presence
        self.limits = PlaceLimits(presence)
        self.kept = 0

    def divide(self, wanted: int, total: int = 8, active: int = 0) -> int:
        part = self.limits.divide({ALL: Demand(total, max(self.kept, active), wanted)}).parts[ALL]
        self.kept = max(part, active)
        return part

    def end(self) -> None:
        self.presence.end()
        self.presence.checkpoint.writer.submit(lambda _connection: None).result()


@pytest.fixture
def join(postgres_url: str) -> Iterator[Join]:
    make_run(postgres_url, "one", [made_records.case()]).close()
    with ExitStack() as opened:

        def joined(name: str) -> Place:
            checkpoint = opened.enter_context(closing(Checkpoint(postgres_url, "one")))
            presence = Presence(checkpoint, f"{name}:main", name, "judge")
            presence.begin()
            opened.callback(presence.end)
            place = Place(presence)
            opened.callback(place.limits.close)
            return place

        yield joined


def test_turns_are_spaced_over_places_and_none_is_saved_up(join: Join) -> None:
    one, two = join("a"), join("b")
    one.limits.book("service", 0.1, 1)
    time.sleep(0.3)
    waits = []
    begun = time.monotonic()
    for number in range(8):
        booked = (one, two)[number % 2].limits.book("service", 0.1, 1 + number % 3)
        waits.append(time.monotonic() - begun + booked.wait)
    assert waits[0] < 0.1, "the first one waits for nobody"
    taken = [0.1 * (1 + number % 3) for number in range(8)]
    gaps = [later - earlier for earlier, later in pairwise(waits)]
    assert gaps == pytest.approx(taken[:-1], abs=0.06)
    assert two.limits.book("another", 0.1, 1).wait <= 0.0


def test_a_pause_holds_at_all_places_with_a_rate_and_without(join: Join) -> None:
    one, two = join("a"), join("b")
    one.limits.pause("service", 30.0)
    booked = two.limits.book("service", 0.1, 1)
    assert booked.wait == pytest.approx(30.0, abs=5.0)
    assert booked.pause == pytest.approx(30.0, abs=5.0)
    assert two.limits.divide({}).pauses == {"service": pytest.approx(30.0, abs=5.0)}
    one.limits.pause("service", 1.0)
    assert two.limits.book("service", 0.1, 1).wait > 20.0, "a shorter one ends no longer one"


def test_nobody_takes_what_another_keeps_and_what_it_leaves_is_taken(join: Join) -> None:
    one = join("a")
    assert one.divide(wanted=20) == 8
    two = join("b")
    assert two.divide(wanted=20) == 0
    assert one.divide(wanted=20, active=6) == 4
    assert two.divide(wanted=20) == 0, "six are in flight still, and eight were when it looked"
    one.divide(wanted=20, active=6)
    assert two.divide(wanted=20) == 2
    one.divide(wanted=20, active=1)
    one.divide(wanted=20, active=1)
    assert two.divide(wanted=20) == 4
    two.end()
    assert one.divide(wanted=20) == 8


def test_a_killed_place_keeps_its_part_as_long_as_its_calls_may_go_on(join: Join) -> None:
    one, two = join("a"), join("b")
    one.divide(wanted=20)
    engine = one.presence.checkpoint.engine
    killed = sa.update(places).where(places.c.place == one.presence.place)
    with engine.begin() as connection:
        (process,) = connection.execute(sa.select(places.c.process).where(places.c.place == one.presence.place)).one()
        gone = f"{process.rsplit(':', 2)[0]}:999999999:1"
        connection.execute(killed.values(process=gone, heartbeat=time.time()))
    assert two.divide(wanted=20) == 0
    with engine.begin() as connection:
        connection.execute(killed.values(heartbeat=time.time() - 11.0))
    assert two.divide(wanted=20) == 8


def test_where_more_places_want_some_than_there_are_they_take_turns(join: Join) -> None:
    wants = {"a": 3, "b": 1, "c": 2}
    had = [fair_parts(2, wants, turn=turn) for turn in range(3)]
    assert all(sum(one.values()) == 2 for one in had)
    assert all(sum(one[place] for one in had) == 2 for place in wants)
    assert fair_parts(2, {**wants, "b": 0}, turn=0) == {"a": 1, "b": 0, "c": 1}
    one, two = join("a"), join("b")
    assert one.divide(wanted=0, total=1) + two.divide(wanted=1, total=1) == 1
    assert [one.divide(wanted=0, total=1) for _look in range(2)] == [0, 0]
    assert two.divide(wanted=1, total=1) == 1


@pytest.mark.parametrize(
    ("total", "wants", "expected"),
    [
        (64, {"a": 256}, {"a": 64}),
        (64, {"a": 0}, {"a": 64}),
        (64, {"a": 256, "b": 256, "c": 256}, {"a": 21, "b": 21, "c": 22}),
        (64, {"a": 256, "b": 5, "c": 60}, {"a": 30, "b": 5, "c": 29}),
        (64, {"a": 0, "b": 256}, {"a": 1, "b": 63}),
        (64, {"a": 4, "b": 20}, {"a": 24, "b": 40}),
        (3, {"a": 9, "b": 0, "c": 9}, {"a": 1, "b": 1, "c": 1}),
    ],
)
def test_each_place_has_what_it_wants_as_far_as_no_other_has_less(
    total: int, wants: Mapping[str, int], expected: Mapping[str, int]
) -> None:
    assert fair_parts(total, wants, turn=7) == expected


def test_a_run_that_begins_without_others_finds_no_parts(join: Join) -> None:
    one = join("a")
    one.divide(wanted=20)
    one.end()
    two = join("b")
    with two.presence.checkpoint.engine.connect() as connection:
        assert connection.execute(sa.select(parts)).all() == []
