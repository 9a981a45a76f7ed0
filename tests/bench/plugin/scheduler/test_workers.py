"""Under pytest-xdist: contiguous shares, stealing, workers that die, and what is needed of xdist's inside."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any  # xdist has no types
from xml.etree import ElementTree as ET

import pytest
from execnet.gateway_base import get_execmodel
from xdist.remote import Marker, WorkerInteractor
from xdist.remote import TestQueue as Queue

from bench.plugin.scheduler.shards import Shards, upcoming_items, worker_number
from bench.plugin.scheduler.shares import begin_shares, share_of
from tests.bench.plugin.suite import SMALL, WATCHED, Ended, Suite, comparable

DEADLY = ("bench", *SMALL, "--provider=tests.subjects.watched:Deadly", *WATCHED[1:])


class Node:
    """A worker as a scheduler sees it, without the process."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.got: list[int] = []
        self.asked_back: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self.got += indices

    def send_steal(self, indices: Sequence[int]) -> None:
        self.asked_back = list(indices)

    def shutdown(self) -> None:
        self.shutting_down = True


def dealt(tests: int, workers: int, window: int) -> tuple[Any, list[Any]]:
    """A scheduler (typed for xdist's own workers, hence Any) that has dealt `tests`, and its workers."""
    shards: Any = Shards(workers, window)
    nodes: list[Any] = [Node(f"gw{number}") for number in range(workers)]
    for node in reversed(nodes):  # the order in which they come up must not matter
        shards.add_node(node)
    for node in nodes:
        assert not shards.collection_is_completed
        shards.add_node_collection(node, [f"t{index}" for index in range(tests)])
    shards.schedule()
    return shards, nodes


def run_all(shards: Any, nodes: list[Any]) -> list[int]:
    """Let all workers do all that they get, in turn, and give the tests that were done."""
    done: list[int] = []
    position = dict.fromkeys(nodes, 0)
    progress = True
    while progress:
        progress = False
        for node in nodes:
            held = len(node.got) - position[node]
            if held > 1 or (held == 1 and node.shutting_down):  # a worker begins a test only when it knows the next
                index = node.got[position[node]]
                position[node] += 1
                done.append(index)
                shards.mark_test_complete(node, index)
                progress = True
    return done


@pytest.mark.parametrize(("tests", "workers", "window"), [(1, 1, 2), (20, 2, 2), (21, 4, 3), (3, 16, 8), (40, 3, 64)])
def test_every_test_is_done_once(tests: int, workers: int, window: int) -> None:
    shards, nodes = dealt(tests, workers, window)
    assert sorted(run_all(shards, nodes)) == list(range(tests))
    assert shards.tests_finished
    assert not shards.has_pending
    assert all(node.shutting_down for node in nodes)


def test_shares_are_contiguous_and_windows_small() -> None:
    _shards, nodes = dealt(100, 4, 5)
    assert [node.got for node in nodes] == [list(range(25 * n, 25 * n + 5)) for n in range(4)]
    assert [len(share_of(worker, 3, 10)) for worker in range(3)] == [3, 3, 4]


@pytest.mark.parametrize(("first", "tests", "workers"), [(0, 5, 2), (5, 5, 2), (7, 20, 3), (6, 7, 4), (1, 9, 4)])
def test_each_share_begins_with_its_part_of_what_is_first(first: int, tests: int, workers: int) -> None:
    order = begin_shares(first, tests, workers)
    shares = [[order[test] for test in share_of(worker, workers, tests)] for worker in range(workers)]
    begins = [[test for test in share if test < first] for share in shares]
    assert [share[: len(part)] for share, part in zip(shares, begins, strict=True)] == begins
    assert [test for part in begins for test in part] == [*range(first)]
    assert max(map(len, begins)) - min(map(len, begins)) <= 1
    assert [test for share in shares for test in share if test >= first] == [*range(first, tests)]


def test_a_worker_that_is_through_takes_what_was_not_sent_to_others() -> None:
    shards, (quick, slow) = dealt(40, 2, 4)
    position = 0
    while not quick.shutting_down:
        shards.mark_test_complete(quick, quick.got[position])
        position += 1
    assert slow.got == [20, 21, 22, 23], "what it was sent stays with it"
    assert sorted(quick.got) == [*range(20), *range(24, 40)]
    assert not slow.shutting_down, "it may still take what another leaves behind"


def test_what_a_dead_worker_leaves_behind_is_done_by_the_others() -> None:
    shards, (dead, other) = dealt(20, 2, 4)
    shards.mark_test_complete(dead, 0)
    assert shards.remove_node(dead) == "t1"
    shards.mark_test_pending("t1")
    shards.mark_test_pending("t1")  # somebody else wants it again too
    assert sorted(run_all(shards, [other])) == list(range(1, 20))
    assert shards.tests_finished


def test_what_is_sent_to_a_worker_that_has_just_died_is_done_by_the_others() -> None:
    class Dead(Node):
        def send_runtest_some(self, indices: Sequence[int]) -> None:
            if self.got:
                raise OSError("cannot send (already closed?)")
            super().send_runtest_some(indices)

    shards: Any = Shards(2, 2)
    dead, other = Dead("gw0"), Node("gw1")
    for node in (dead, other):
        shards.add_node(node)
        shards.add_node_collection(node, [f"t{index}" for index in range(8)])
    shards.schedule()
    shards.mark_test_complete(dead, 0)
    assert shards.remove_node(dead) == "t1"
    shards.mark_test_pending("t1")
    assert sorted(run_all(shards, [other])) == list(range(1, 8))


def test_a_replacement_takes_over() -> None:
    shards, (dead,) = dealt(6, 1, 4)
    assert shards.remove_node(dead) == "t0"
    assert shards.collection_is_completed
    assert shards.has_pending
    assert not shards.tests_finished
    replacement: Any = Node("gw1")
    shards.add_node(replacement)
    shards.add_node_collection(replacement, [f"t{index}" for index in range(6)])
    shards.schedule()
    assert sorted(run_all(shards, [replacement])) == [1, 2, 3, 4, 5]


def test_workers_that_collected_something_else_do_nothing() -> None:
    shards: Any = Shards(2, 4)
    nodes: list[Any] = [Node("gw0"), Node("gw1")]
    for node, collection in zip(nodes, (["a", "b"], []), strict=True):
        shards.add_node(node)
        shards.add_node_collection(node, collection)
    shards.schedule()
    assert shards.different
    assert shards.tests_finished
    assert not nodes[0].got


def test_stopping_takes_back_what_is_not_begun() -> None:
    shards, (node,) = dealt(20, 1, 10)
    shards.stop()
    assert node.asked_back == [3, 4, 5, 6, 7, 8, 9]
    shards.mark_test_complete(node, 0)
    shards.remove_pending_tests_from_node(node, [])  # it had begun one of them: none was given back
    assert node.asked_back == [4, 5, 6, 7, 8, 9]
    shards.remove_pending_tests_from_node(node, node.asked_back)
    for index in (1, 2, 3):
        shards.mark_test_complete(node, index)
    assert node.got == list(range(10)), "nothing more is sent"
    assert shards.tests_finished


def test_names_of_workers() -> None:
    assert [worker_number(name) for name in ("gw0", "gw12", "chosen-by-somebody")] == [0, 12, 0]


def session_with(queue: object) -> Any:
    """A worker's session, its queue as xdist has it."""
    interactor = WorkerInteractor.__new__(WorkerInteractor)
    if queue is not None:
        interactor.torun = queue
    manager = SimpleNamespace(get_plugins=lambda: [object(), interactor])
    return SimpleNamespace(config=SimpleNamespace(pluginmanager=manager), items=[f"item {index}" for index in range(9)])


def test_a_worker_sees_its_queue_where_xdist_keeps_it() -> None:
    """If this fails, xdist has changed inside: mend `scheduler.shards`; until then runs are only slower."""
    queue = Queue(get_execmodel("thread"))
    for entry in (4, 5, 7, Marker.SHUTDOWN):
        queue.put(entry)
    seen: list[Any] = list(upcoming_items(session_with(queue), "at this", "and next", queue=True))  # type: ignore[arg-type]
    assert seen == ["at this", "and next", "item 4", "item 5", "item 7"]
    assert list(WorkerInteractor.__init__.__code__.co_names).count("torun") == 1


@pytest.mark.parametrize("queue", [None, [4, 5, 7], object()], ids=["gone", "a list", "something"])
def test_without_that_queue_it_knows_the_next_test(queue: object) -> None:
    seen: list[Any] = list(upcoming_items(session_with(queue), "at this", "and next", queue=True))  # type: ignore[arg-type]
    assert seen == ["at this", "and next"]


@pytest.mark.parametrize("plugins", [(), ("-p", "tests.subjects.changed_xdist")], ids=["as it is", "changed"])
def test_a_run_looks_as_far_ahead_as_it_can_see(suite: Suite, plugins: tuple[str, ...]) -> None:
    ended = suite.run(
        "bench", *SMALL, "--provider=tests.subjects.watched:Slow", *WATCHED[1:], "-n1", *plugins, SLOW="0.5"
    )
    assert sum(ended.counted[word] for word in ("correct", "wrong", "abstained")) == 20
    assert suite.calls("judge").total() == 20
    order = [line.split("\t")[0] for line in (suite.folder / "calls").read_text().splitlines()]
    begun = order[: order.index("search")].count("begin")
    if plugins:
        assert begun == 2, "the worker knows the test that it is at and the next one"
    else:
        assert begun == 4, "the worker knows all that it was sent, and its provider bears four calls"


def cases_in(junit: Path) -> list[str]:
    names = [case.attrib["name"] for case in ET.parse(junit).iter("testcase")]
    assert len(names) == len(set(names))
    return [name for name in names if "data-missing" not in name]


def undisturbed_run(suite: Suite) -> tuple[Ended, dict[str, Any]]:
    (suite.folder / DEATH).touch()
    return suite.run(*DEADLY), suite.report()


def test_a_worker_that_dies_costs_nothing_but_itself(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> None:
    ended = suite.run(*DEADLY, "-n2")
    undisturbed, report = undisturbed_run(Suite(tmp_path_factory.mktemp("undisturbed")))
    assert "INTERNALERROR" not in ended.output
    assert "replacing crashed worker gw" in ended.output
    reruns = {"rerun": 1} if "; it will be asked again" in ended.output else {}
    assert (ended.counted, ended.status) == (undisturbed.counted | reruns, undisturbed.status)
    assert max(suite.calls("judge").values()) == 1
    assert suite.calls("search").total() <= 20 + 8, "again only what was under way when it died"
    assert comparable(suite.report()) == comparable(report)


@pytest.mark.parametrize(("moment", "reruns"), [("call", {"rerun": 1}), ("report", {})])
def test_a_question_at_which_a_worker_is_killed_counts_once(
    suite: Suite, tmp_path_factory: pytest.TempPathFactory, moment: str, reruns: dict[str, int]
) -> None:
    dying = ("-p", "tests.subjects.dying_workers", f"--junitxml={suite.folder / 'junit.xml'}")
    ended = suite.run("bench", *SMALL, *WATCHED, "-n2", *dying, DYING=moment)
    undisturbed = Suite(tmp_path_factory.mktemp("undisturbed")).run("bench", *SMALL, *WATCHED)
    assert "replacing crashed worker gw" in ended.output
    assert (ended.counted, ended.status) == (undisturbed.counted | reruns, undisturbed.status)
    assert len(cases_in(suite.folder / "junit.xml")) == 20
    asked_again = "crashed while running 'bench/benchmarks/test_synthetic.py::test_synthetic"
    assert (asked_again in ended.output) == bool(reruns)


DEATH = sha256(b"death").hexdigest()


def test_a_worker_that_dies_is_forgiven_by_reruns(suite: Suite) -> None:
    ended = suite.run(*DEADLY, "-n2", "--reruns=1", "--only-rerun=ProviderError")
    assert "INTERNALERROR" not in ended.output
    assert sum(ended.counted.get(word, 0) for word in ("correct", "wrong", "abstained")) == 20


def test_a_dead_worker_without_replacement_leaves_work_for_the_next_time(suite: Suite) -> None:
    ended = suite.run(*DEADLY, "-n1", "--max-worker-restart=0")
    assert "INTERNALERROR" not in ended.output
    assert "the run is not finished" in ended.output
    resumed = suite.run("--lf", "-n1")
    assert "resuming run" in resumed.output
    assert len(suite.calls("judge")) == 20
    assert max(suite.calls("judge").values()) == 1
