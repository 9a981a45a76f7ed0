"""Whole runs whose questions a Ray cluster asks: two nodes of this machine, one of them lost in mid run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.pipeline.on_ray.ray_cluster import RayCluster
from tests.bench.plugin.suite import Running, Suite, comparable
from tests.bench.plugin.test_many_places import OTHERS, QUESTIONS, RUN, check_ingests
from tests.processes import run as run_process
from tests.reports.store.postgres_server import PostgresServer

IN_FLIGHT = 4
KEY = "not-for-any-log"
SERVICE = ("--provider=tests.subjects.service:Service", f"--in-flight={IN_FLIGHT}")

MINE = '''
"""A memory system of a user's own, in a folder of theirs."""

import os

from providers.baselines.bm25 import Bm25


class Mine(Bm25):
    name = "mine"

    def search(self, container, question, top_k):
        print("searching with the key", bool(os.environ["MINE_API_KEY"]))
        return super().search(container, question, top_k)
'''
SCRIPT = """
import sys
from bench import build_benchmark_config, run_benchmark

config = build_benchmark_config(provider=["mine:Mine"], run_id="mine", synthetic_sessions=20, synthetic_questions=20)
print(run_benchmark(config, "synthetic", engine=sys.argv[1]).metrics["mine:Mine/synthetic/recall@10"])
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """One folder for all tests: the nodes get its path when they begin."""
    suite = Suite(tmp_path_factory.mktemp("ray"))
    suite.seconds = 300.0
    return suite


@pytest.fixture(scope="module")
def cluster(shared: Suite, server: PostgresServer) -> Iterator[RayCluster]:
    del server  # without one there is nothing to start Ray for
    cluster = RayCluster(2, WATCHED=str(shared.folder), TUNABLE_CALLS=str(shared.folder))
    yield cluster
    cluster.close()


@pytest.fixture
def suite(shared: Suite, cluster: RayCluster, server: PostgresServer) -> Suite:
    (shared.folder / "calls").unlink(missing_ok=True)
    shared.environment |= {
        "MEMORYBENCH_CHECKPOINT_URL": server.database(),
        "MEMORYBENCH_ENGINE": "ray",
        "MEMORYBENCH_RAY_ADDRESS": cluster.address,
        "MINE_API_KEY": KEY,
    }
    return shared


def begin(suite: Suite, run_id: str, *options: str) -> Running:
    return suite.start(*RUN, *OTHERS, *SERVICE, f"--run-id={run_id}", *options)


def test_a_lost_node_costs_what_it_had_in_flight(suite: Suite, cluster: RayCluster) -> None:
    process = begin(suite, "lost")
    suite.wait_for("search", QUESTIONS // 4, process)
    cluster.remove_node(cluster.nodes.pop())
    before = suite.calls("by")
    cluster.nodes.append(cluster.add_node())
    ended = suite.end(process)
    searched, by = suite.calls("search"), suite.calls("by")
    assert len(searched) == QUESTIONS
    assert searched.total() <= QUESTIONS + IN_FLIGHT, "only what was not recorded when its node was lost"
    check_ingests(suite, lost={process for process in by if by[process] == before[process]})
    assert len(by) >= 2, "more than one node has searched"
    log = (suite.runs / "lost" / "ray.log").read_text()
    assert log.count(" questions, from ") >= QUESTIONS // 44
    own = [line for line in ended.output.splitlines() if any(word in line for word in ("ray::", "raylet", "pid="))]
    assert own == [], "what Ray prints belongs into its own logs"
    (suite.folder / "calls").unlink()
    undivided = suite.end(
        begin(suite, "alone", "--engine=local", "--checkpoint-url=sqlite:///" + str(suite.folder / "alone.sqlite"))
    )
    assert undivided.counted == ended.counted
    report = comparable(suite.report("lost"))
    assert report == comparable(suite.report("alone"))
    assert report["results"][0]["questions"]["errors"] > 0


def test_an_interrupted_run_goes_on(suite: Suite) -> None:
    process = begin(suite, "interrupted")
    suite.wait_for("search", QUESTIONS // 4, process)
    process.send_signal(signal.SIGINT)
    ended = suite.end(process)
    assert ended.status == 2
    before = suite.calls("search").total()
    assert suite.run("--lf").status == 1
    searched = suite.calls("search")
    assert before < QUESTIONS
    assert len(searched) == QUESTIONS
    again = [key for key, calls in searched.items() if calls > 1 and key[1] not in "01"]
    assert len(again) <= 2 * IN_FLIGHT, "beside those that ended in an error"


def test_a_provider_of_the_users_own_folder(suite: Suite, cluster: RayCluster, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "script.py").write_text(SCRIPT)
    found = {}
    for engine in ("ray", "local"):
        changed = {"MEMORYBENCH_RUNS_DIR": str(tmp_path / engine), "MEMORYBENCH_ENGINE": "local"}
        environment = {**suite.environment, **changed}
        python = suite.command()[0]
        found[engine] = run_process([python, "script.py", engine], cwd=tmp_path, env=environment, check=True)
    assert found["ray"].stdout == found["local"].stdout.splitlines()[-1] + "\n"
    assert "searching with the key True" in (tmp_path / "ray" / "mine" / "ray.log").read_text()
    assert KEY not in cluster.logs()


def test_trials_of_the_tuner(suite: Suite, cluster: RayCluster, tmp_path: Path) -> None:
    command = [suite.command()[0], "-m", "tuner", "optimize", "--provider=tests.subjects.tunable:Memory", "--name=s"]
    small = ("--option=synthetic_sessions=20", "--option=synthetic_questions=40", "--no-dead-check")
    few = ("--until=search", "--objective=recall@10", "--trials=2", "--noise-repeats=2")
    ended = run_process(
        [*command, *small, *few, "--engine=ray", f"--ray-address={cluster.address}"],
        env={**suite.environment, "MEMORYBENCH_RUNS_DIR": str(tmp_path), "MEMORYBENCH_ENGINE": "local"},
        seconds=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    runs = {log.parent.name for log in tmp_path.glob("*/ray.log")}
    assert runs >= {"s-0000", "s-default-1", "s-0001", "s-holdout-default"}
