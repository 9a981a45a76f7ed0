"""Which place has which question, in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from threading import Thread

import pytest
import sqlalchemy as sa

from reports.store import Checkpoint, QuestionKey, Step, StepError
from reports.store.sharing import Claims, Presence, Wanted, at_work
from reports.store.sharing.shared_tables import claims, places
from tests.reports import made_records
from tests.reports.store.checkpoint_workers import make_run
from vocabulary import ConfigurationError, Phase

KEYS = [QuestionKey("bm25", "synthetic", f"q{number:03d}") for number in range(40)]
WANTED = [Wanted(key, f"h{number // 10}", alone=True) for number, key in enumerate(KEYS)]

Join = Callable[..., tuple[Presence, Claims]]


@pytest.fixture
def join(postgres_url: str) -> Iterator[Join]:
    """Makes a place of a run, with a checkpoint of its own."""
    for run_id in ("one", "other"):
        make_run(postgres_url, run_id, [made_records.case()]).close()
    with ExitStack() as opened:

        def joined(
            place: str, folder: str, until: Phase = "judge", *, shard: str | None = None, run_id: str = "one"
        ) -> tuple[Presence, Claims]:
            checkpoint = opened.enter_context(closing(Checkpoint(postgres_url, run_id)))
            presence = Presence(checkpoint, place, folder, until, shard)
            presence.begin()
            opened.callback(presence.end)
            presence.look()
            return presence, Claims(presence)

        yield joined


def flush(presence: Presence) -> None:
    presence.checkpoint.writer.submit(lambda _connection: None).result()


def test_a_question_has_one_place_and_a_haystack_that_another_has_begun_is_left_alone(join: Join) -> None:
    (_one, first), (_two, second) = join("a:main", "here"), join("b:main", "there")
    assert first.take(WANTED, 5) == set(KEYS[:5])
    assert second.take(WANTED, 5) == set(KEYS[10:15])
    assert first.take(WANTED, 15) == {*KEYS[5:10], *KEYS[20:30]}
    assert second.take([one._replace(alone=False) for one in WANTED[:12]], 12) == set()
    assert second.take([one._replace(alone=False) for one in WANTED[28:]], 12) == set(KEYS[30:40])


def test_claims_go_on_over_new_connections(join: Join) -> None:
    presence, first = join("a:main", "here")
    assert first.take(WANTED, 5) == set(KEYS[:5])
    presence.checkpoint.engine.dispose()
    assert first.take(WANTED, 5) == set(KEYS[5:10])
    assert first.over(KEYS) == set()


def test_workers_of_a_folder_share_its_haystacks(join: Join) -> None:
    (_one, first), (_two, second) = join("a:gw0", "here"), join("a:gw1", "here")
    assert first.take(WANTED, 5) == set(KEYS[:5])
    assert second.take(WANTED, 5) == set(KEYS[5:10])


def test_many_that_claim_at_one_moment_get_each_question_once(join: Join) -> None:
    everyone = [join(f"{number}:main", str(number))[1] for number in range(6)]
    taken: list[QuestionKey] = []

    def claim(mine: Claims) -> None:
        wanted = [one._replace(alone=False) for one in WANTED]
        while block := mine.take(wanted, 3):
            taken.extend(block)
            wanted = [one for one in wanted if one.key not in block]

    threads = [Thread(target=claim, args=(mine,)) for mine in everyone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == KEYS


@pytest.mark.parametrize("how", ["ended", "expired", "left behind in the same folder"])
def test_what_a_place_that_is_gone_has_not_done_is_free(join: Join, how: str) -> None:
    (gone, first), (living, second) = join("a:main", "here"), join("b:main", "there")
    first.take(WANTED, 8)
    checkpoint = gone.checkpoint
    for key in KEYS[:2]:
        checkpoint.save(key, Step(phase="judge"), inputs="", result="{}").result()
    first.failed(KEYS[2])
    assert living.look() == frozenset()
    if how == "ended":
        gone.end()
    elif how == "expired":
        expired = sa.update(places).where(places.c.place == "a:main").values(heartbeat=places.c.heartbeat - 61)
        checkpoint.writer.submit(lambda connection: connection.execute(expired)).result()
    else:
        living, second = join("c:main", "here")
    flush(gone)
    assert living.gone | living.look() == {"a:main"}
    assert second.left_by(living.gone) == set(KEYS[3:8])
    assert second.over(KEYS) == set(KEYS[:3])
    assert second.take(WANTED[:10], 10) >= set(KEYS[3:8])
    assert first.held().isdisjoint(KEYS[3:8])


def test_a_step_that_is_damaged_is_not_over(join: Join) -> None:
    presence, mine = join("a:main", "here")
    error = StepError(type="RecordError", message="it cannot be read")
    presence.checkpoint.save(KEYS[0], Step(phase="search", error=error), inputs="", result=None).result()
    presence.checkpoint.save(KEYS[0], Step(phase="judge"), inputs="", result="{}").result()
    assert mine.over(KEYS[:1]) == set()


def test_claims_and_failures_stand_until_the_last_place_has_gone(join: Join) -> None:
    first, mine = join("a:main", "here")
    mine.take(WANTED, 3)
    mine.failed(KEYS[0])
    second, theirs = join("b:main", "there")
    first.end()
    flush(first)
    assert theirs.over(KEYS) == {KEYS[0]}
    assert at_work(second.checkpoint)
    second.end()
    flush(second)
    assert not at_work(second.checkpoint)
    third, others = join("c:main", "there")
    assert others.over(KEYS) == set(), "a run that is continued asks again what failed"
    count = sa.select(sa.func.count()).select_from(claims)
    assert third.transact(lambda connection: connection.execute(count).scalar_one()) == 0


def test_places_of_a_run_go_equally_far(join: Join) -> None:
    join("a:main", "here")
    with pytest.raises(ConfigurationError, match="is being worked on with --until judge, and not search"):
        join("b:main", "there", until="search")


def test_shards_are_not_runs_of_their_own(join: Join) -> None:
    join("a:main", "a", shard="1/3")
    with pytest.raises(ConfigurationError, match="run 'one' has the same questions and is at work without shard 2/3"):
        join("b:main", "b", shard="2/3", run_id="other")
    join("c:main", "c", shard="1/3", run_id="other")  # a second run of the same, of which this shard is there
    join("d:main", "d", shard="2/2", run_id="other")
    join("e:main", "e", run_id="other")
    first, _claims = join("f:main", "f", shard="2/3")
    join("g:main", "g", shard="2/3", run_id="other")
    assert at_work(first.checkpoint)


def test_no_other_database_gets_the_tables(tmp_path: object) -> None:
    run = make_run(f"sqlite:///{tmp_path}/checkpoint.sqlite", "one", [made_records.case()])
    with closing(run):
        assert not {"places", "claims"} & set(sa.inspect(run.engine).get_table_names())
        assert not at_work(run)
