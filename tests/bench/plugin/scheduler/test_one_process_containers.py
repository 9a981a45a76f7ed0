"""Providers whose containers only one process may have open: all questions of a container go to one worker."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any  # xdist has no types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.plugin.scheduler.shards import Shards
from bench.plugin.scheduler.shares import deal, share_of
from tests.bench.plugin.scheduler.test_workers import Node, run_all
from tests.bench.plugin.suite import Ended, Suite, comparable, kill_group, wait
from tests.subjects.many_haystacks import HAYSTACKS

QUESTIONS = 10
MANY = (
    *("-o", "testpaths=tests/subjects/many_haystacks.py"),
    *("--synthetic-sessions=10", f"--synthetic-questions={QUESTIONS}"),
    *("--answering-model=tests.subjects.watched:First", "--judge=tests.subjects.watched:Contains"),
)
ALONE = (*MANY, "--provider=tests.subjects.one_process:Alone")
ALL = HAYSTACKS * QUESTIONS


# --- dealing, without processes ------------------------------------------------------------------------------------


def named(*sizes: int) -> list[str]:
    """Containers of so many tests each, one after the other."""
    return [f"c{number}" for number, size in enumerate(sizes) for _test in range(size)]


def first_tests(shares: list[list[tuple[int, ...]]]) -> list[list[int]]:
    return [[unit[0] for unit in share] for share in shares]


@pytest.mark.parametrize(("tests", "workers"), [(0, 2), (1, 3), (10, 3), (100, 7), (3, 16)])
def test_where_nothing_belongs_together_shares_are_the_contiguous_ones(tests: int, workers: int) -> None:
    shares = deal(tests, workers, [None] * tests)
    assert [[unit[0] for unit in share] for share in shares] == [
        list(share_of(worker, workers, tests)) for worker in range(workers)
    ]


def test_shares_are_cut_where_a_container_ends() -> None:
    groups = named(*[10] * 9)
    assert first_tests(deal(90, 3, groups)) == [[0, 10, 20], [30, 40, 50], [60, 70, 80]]
    assert first_tests(deal(90, 4, groups)) == [[0, 10], [20, 30, 40], [50, 60], [70, 80]]
    assert all(len(unit) == 10 for share in deal(90, 4, groups) for unit in share)


def test_a_large_container_leaves_nobody_without_one() -> None:
    assert first_tests(deal(100, 3, named(80, 10, 10))) == [[0], [80], [90]]
    assert first_tests(deal(100, 3, named(10, 10, 80))) == [[0], [10], [20]]
    assert first_tests(deal(30, 4, named(10, 20))) == [[0], [10], [], []]


def test_tests_of_a_container_that_lie_apart_come_together() -> None:
    assert deal(6, 2, ["a", "b", "a", None, "b", None]) == [[(0, 2), (1, 4)], [(3,), (5,)]]


def shards_of(groups: list[str | None], workers: int, window: int, ahead: int) -> tuple[Any, list[Any]]:
    """A scheduler (typed for xdist's own workers, hence Any) that has dealt tests of `groups`, and its workers."""
    shards: Any = Shards(workers, window, groups=lambda: groups, ahead=ahead)
    nodes: list[Any] = [Node(f"gw{number}") for number in range(workers)]
    for node in nodes:
        shards.add_node(node)
    for node in nodes:
        shards.add_node_collection(node, [f"t{index}" for index in range(len(groups))])
    shards.schedule()
    return shards, nodes


def keepers(groups: list[str | None], nodes: list[Any]) -> dict[str, set[str]]:
    """The workers that were sent something of each container."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        for index in node.got:
            if group := groups[index]:
                found.setdefault(group, set()).add(node.gateway.id)
    return found


belongings = st.lists(st.one_of(st.none(), st.sampled_from([f"c{number}" for number in range(6)])), max_size=60)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(groups=belongings, workers=st.integers(1, 5), window=st.integers(1, 12), ahead=st.integers(0, 4))
def test_each_test_is_done_once_and_each_container_by_one_worker(
    groups: list[str | None], workers: int, window: int, ahead: int
) -> None:
    shards, nodes = shards_of(groups, workers, window, ahead)
    assert sorted(run_all(shards, nodes)) == list(range(len(groups)))
    assert all(len(who) == 1 for who in keepers(groups, nodes).values())
    assert shards.tests_finished


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    groups=belongings, window=st.integers(1, 12), done=st.integers(0, 30), ahead=st.integers(0, 4), again=st.booleans()
)
def test_what_a_dead_worker_had_goes_whole_to_another(
    groups: list[str | None], window: int, done: int, ahead: int, again: bool
) -> None:
    shards, (dead, *others) = shards_of(groups, 3, window, ahead)
    through = dead.got[: min(done, max(0, len(dead.got) - 1))]
    for index in through:
        shards.mark_test_complete(dead, index)
    crashed = shards.remove_node(dead)
    if crashed and again:
        shards.mark_test_pending(crashed)
    replacement: Any = Node("gw3")
    shards.add_node(replacement)
    shards.add_node_collection(replacement, [f"t{index}" for index in range(len(groups))])
    shards.schedule()
    others.append(replacement)
    lost = {int(crashed[1:])} if crashed and not again else set()
    assert sorted([*through, *run_all(shards, others)]) == sorted(set(range(len(groups))) - lost)
    alone = {groups[int(crashed[1:])]} if crashed else set()  # its last test may find the keeper at its own last one
    assert all(len(who) == 1 for group, who in keepers(groups, others).items() if group not in alone)


def test_whole_containers_that_nobody_has_begun_are_stolen() -> None:
    groups: list[str | None] = [*named(*[10] * 8)]
    shards, (quick, slow) = shards_of(groups, 2, 4, 0)
    assert slow.got == list(range(40, 50))
    position = 0
    while not quick.shutting_down:
        shards.mark_test_complete(quick, quick.got[position])
        position += 1
    assert slow.got == list(range(40, 50)), "the container that it has begun stays with it"
    assert quick.got == [*range(40), *range(70, 80), *range(60, 70), *range(50, 60)]


def test_containers_are_begun_ahead_as_long_as_enough_are_left_for_others() -> None:
    groups: list[str | None] = [*named(*[10] * 12)]
    _shards, nodes = shards_of(groups, 2, 4, 4)
    assert [len({groups[index] for index in node.got}) for node in nodes] == [4, 3]
    _shards, nodes = shards_of(groups, 2, 4, 1)
    assert [len({groups[index] for index in node.got}) for node in nodes] == [2, 2]


# --- in processes --------------------------------------------------------------------------------------------------


def message(ended: Ended) -> int:
    """How many questions came to a verdict."""
    return sum(ended.counted.get(word, 0) for word in ("correct", "wrong", "abstained"))


def opened(suite: Suite) -> dict[str, list[str]]:
    """The processes that have had each container open."""
    found: dict[str, list[str]] = {}
    for line in suite.calls("open").elements():
        container, pid = line.split()
        found.setdefault(container, []).append(pid)
    return found


def sessions(suite: Suite) -> Counter[str]:
    """How many sessions of each container were ingested."""
    return Counter(about.split()[0] for about in suite.calls("ingest").elements())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> object:
    """The report of the same run in one process."""
    suite = Suite(tmp_path_factory.mktemp("undisturbed"))
    assert message(suite.run(*ALONE, SLOW="0")) == ALL
    return comparable(suite.report())


@pytest.mark.parametrize("provider", ["Alone", "ByInstance"])
def test_every_container_is_opened_by_one_worker(suite: Suite, undisturbed: object, provider: str) -> None:
    ended = suite.run(*MANY, f"--provider=tests.subjects.one_process:{provider}", "-n3", SLOW="0.02")
    assert message(ended) == ALL, ended.output
    found = opened(suite)
    assert len(found) == HAYSTACKS
    assert all(len(who) == 1 for who in found.values())
    assert len({who for (who,) in found.values()}) == 3, "all workers take part"
    assert set(suite.calls("ingest").values()) == {1}
    if provider == "Alone":
        assert comparable(suite.report()) == undisturbed
    assert not list(suite.runs.glob("*/limits/containers-*")), "what was written for the controller is gone"


def test_a_provider_that_hides_it_fails(suite: Suite) -> None:
    """What these tests rest on: two processes that use one container at once are found out."""
    ended = suite.run(*MANY, "--provider=tests.subjects.one_process:Undeclared", "-n3", SLOW="0.05")
    assert ended.counted["errors"] > 0
    assert "is open in an" in ended.output


def test_only_what_was_chosen_and_with_a_provider_that_minds_nothing(suite: Suite) -> None:
    both = (*ALONE, "--provider=tests.subjects.watched:Slow", "-k", "not abstention", "-n3")
    ended = suite.run(*both, SLOW="0.02")
    assert message(ended) == 2 * ALL * 8 // 10, ended.output
    assert all(len(who) == 1 for who in opened(suite).values())
    assert len(opened(suite)) == HAYSTACKS


def test_a_container_for_each_question(suite: Suite) -> None:
    ended = suite.run(*ALONE, "--isolation=question", "--limit=30", "-n3", SLOW="0")
    assert message(ended) == 30, ended.output
    assert len(opened(suite)) == 30
    assert all(len(who) == 1 for who in opened(suite).values())


def test_a_question_that_is_tried_again_stays_with_its_worker(suite: Suite) -> None:
    ended = suite.run(*MANY, "--provider=tests.subjects.one_process:Stumbling", "-n3", "--reruns=1", SLOW="0.02")
    assert message(ended) == ALL, ended.output
    assert ended.counted["rerun"] > 0
    assert all(len(who) == 1 for who in opened(suite).values())


def test_a_worker_that_is_killed_leaves_its_containers_whole_to_others(suite: Suite, undisturbed: object) -> None:
    process = suite.start(*ALONE, "-n3", SLOW="0.05")
    suite.wait_for("judge", 15, process)
    pids = Counter(pid for who in opened(suite).values() for pid in who)
    dead = min(pids)
    os.kill(int(dead), signal.SIGKILL)
    ended = suite.end(process)
    assert "replacing crashed worker gw" in ended.output
    assert message(ended) == ALL, ended.output
    for container, who in opened(suite).items():
        assert len([pid for pid in who if pid != dead]) <= 1, f"{container} was divided"
    again = suite.calls("judge").total() - len(suite.calls("judge"))
    assert again <= 11, "only verdicts that the dead worker had not written down yet"
    assert comparable(suite.report()) == undisturbed


def test_a_run_that_is_killed_is_finished(suite: Suite, undisturbed: object) -> None:
    process = suite.start(*ALONE, "-n3", SLOW="0.05")
    # a container that was half ingested would be waited for until its holder is given up
    wait(lambda: suite.calls("judge").total() >= 20 and set(sessions(suite).values()) == {10})
    kill_group(process, signal.SIGKILL)
    suite.end(process)
    before = opened(suite)
    wait(lambda: not any(_lives(pid) for who in before.values() for pid in who))
    resumed = suite.run("--lf", "-o", "testpaths=tests/subjects/many_haystacks.py", "-n3", SLOW="0.02")
    assert "resuming run" in resumed.output
    assert "open in another process" not in resumed.output
    assert all(len(who) - len(before.get(container, [])) <= 1 for container, who in opened(suite).items())
    assert set(suite.calls("judge")) == set(suite.calls("search"))
    assert len(suite.calls("judge")) == ALL
    assert comparable(suite.report()) == undisturbed


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def test_conversations_of_locomo(suite: Suite, data_folder: Path) -> None:
    ended = suite.run(
        *("bench", "-k", "locomo", "--provider=tests.subjects.one_process:Alone", "--sample=8", *MANY[4:], "-n3"),
        MEMORYBENCH_DATA=str(data_folder),
        SLOW="0",
    )
    assert message(ended) == 40, ended.output
    assert len(opened(suite)) > 3
    assert all(len(who) == 1 for who in opened(suite).values())
    assert set(suite.calls("ingest").values()) == {1}
