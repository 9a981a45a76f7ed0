"""What processes of a cluster do, without one: two nodes that have no folder in common."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from bench.config import BenchmarkConfig, build_benchmark_config
from bench.pipeline import OpenBenchmark, RunSession
from bench.pipeline.on_ray.blocks import Block
from bench.pipeline.on_ray.shipping import Assignment
from bench.pipeline.on_ray.worker import do_block
from bench.run import run_benchmark
from reports.store import QuestionKey
from tests.processes import forked
from tests.reports.store.postgres_server import PostgresServer
from tests.subjects.many_haystacks import HAYSTACKS, Many

SIZE = {"synthetic_sessions": 20, "synthetic_questions": 20}
MANY = "tests.subjects.many_haystacks:Many"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = PostgresServer()
    yield server.database()
    server.close()


def node(assignment: Assignment, blocks: Sequence[Block], home: Path) -> None:
    """A process of a node of its own, which leaves in `home` what it has to say."""
    os.environ |= {"XDG_CACHE_HOME": str(home), "WATCHED": str(home)}
    ended = [do_block(assignment, block) for block in blocks]
    (home / "said").write_text("\n".join(one.refusal or "done" for one in ended))


def calls(home: Path) -> Counter[str]:
    file = home / "calls"
    return Counter(line.split("\t")[0] for line in file.read_text().splitlines()) if file.exists() else Counter()


def config(folder: Path, **options: object) -> BenchmarkConfig:
    provider = ["tests.subjects.watched:Watched"]
    return build_benchmark_config(provider=provider, until="search", runs_dir=folder, run_id="run", **SIZE, **options)


@pytest.mark.long
def test_a_store_in_a_folder_is_searched_at_the_node_that_has_it(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = [tmp_path / "one", tmp_path / "other", tmp_path / "alone"]
    for home in homes:
        home.mkdir()
    monkeypatch.setenv("WATCHED", str(homes[2]))
    session = RunSession(config(tmp_path / "here", engine="ray", checkpoint_url=url), "test")
    opened = OpenBenchmark.of(Many, session.config)
    checkpoint = session.open()
    runner = session.work(checkpoint, {"many": opened})
    questions = list(opened.questions(session.config.provider))
    runner.seal(questions)
    by_haystack = groupby(questions, lambda question: question.case.haystack)
    blocks = [tuple(question.key for question in asked) for _haystack, asked in by_haystack]
    assert len(blocks) == HAYSTACKS
    assignment = replace(Assignment.of(session, {"many": opened}), folder=tmp_path / "not" / "there")
    processes = [forked(node, assignment, blocks[part::2], homes[part]) for part in (0, 1)]
    for process in processes:
        process.join(100)
    assert {line for home in homes[:2] for line in (home / "said").read_text().splitlines()} == {"done"}
    asked = [calls(home) for home in homes[:2]]
    assert all(one["search"] and one["ingest"] for one in asked)
    assert sum(asked, Counter()) == {"ingest": HAYSTACKS * 20, "search": len(questions)}
    again = forked(node, assignment, blocks[:1], homes[1])
    again.join(100)
    assert [calls(home) for home in homes[:2]] == asked, "a block that is begun again elsewhere asks nothing twice"
    report = session.finish(checkpoint)
    runner.close()
    alone = run_benchmark(config(tmp_path / "alone"), MANY).report
    assert report.results[0].retrieval == alone.results[0].retrieval
    assert report.results[0].questions == alone.results[0].questions


def test_a_node_without_the_data_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MEMORYBENCH_")]:
        monkeypatch.delenv(name)
    session = RunSession(config(tmp_path, engine="ray"), "test")
    session.folder.mkdir(parents=True)
    assignment = replace(Assignment.of(session, {}), benchmarks=("locomo",), data=str(tmp_path / "nothing"))
    ended = do_block(assignment, [QuestionKey("watched", "locomo", "conv-26-q000")])
    assert ended.refusal is not None
    assert "locomo10.json" in ended.refusal
    assert f"process {os.getpid()} of " in ended.where
