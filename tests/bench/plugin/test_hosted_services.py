"""The hosted memory systems, through pytest as its users run it, on servers that store, index late, search and fail."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.locomo import LoCoMo
from bench.benchmarks.synthetic import Synthetic
from reports.report import read_lines
from tests.bench.plugin.suite import Ended, Suite
from tests.providers.hosted.vendors.mem0_server import Mem0Server
from tests.providers.hosted.vendors.supermemory_server import SupermemoryServer
from tests.providers.hosted.vendors.vendor_server import FAULTS, Recorded, VendorServer, serving_vendor
from tests.providers.hosted.vendors.zep_server import ZepServer
from tests.repository import DATA
from vocabulary import Case

SERVERS: dict[str, Callable[[], VendorServer]] = {
    "mem0": Mem0Server,
    "supermemory": SupermemoryServer,
    "zep": ZepServer,
}
LEVEL = {"mem0": "session", "supermemory": "session", "zep": "message"}
"""How exactly each of them says where a result comes from."""
CONVERSATIONS = ("conv-26", "conv-30", "conv-41")


@pytest.fixture(params=sorted(SERVERS))
def service(request: pytest.FixtureRequest) -> Iterator[tuple[str, VendorServer]]:
    with serving_vendor(SERVERS[request.param]()) as server:
        yield request.param, server


@pytest.fixture
def locomo() -> LoCoMo:
    if not (DATA / "locomo" / "locomo10.json").is_file():
        pytest.skip(f"no locomo/locomo10.json in {DATA}: set MEMORYBENCH_DATA")
    return LoCoMo(BenchmarkOptions(data=str(DATA)))


def run(suite: Suite, service: tuple[str, VendorServer], *arguments: str, **environment: str) -> Ended:
    name, server = service
    access = {f"{name.upper()}_API_KEY": server.key, f"{name.upper()}_BASE_URL": server.url, "MEM0_SETTLE": "0"}
    suite.seconds = 300
    return suite.run("bench", f"--provider={name}", *arguments, **access, **environment)


def lines_of(suite: Suite) -> list[dict[str, Any]]:
    (run_id,) = suite.run_ids
    return list(read_lines(suite.runs / run_id))


def misbehaving(share: float) -> Callable[[Recorded], str | None]:
    """At that share of the requests, one fault or another; a request for ten seconds' rest would only take time."""
    chance = random.Random(5)

    def fault(request: Recorded) -> str | None:
        del request
        return chance.choice(FAULTS) if chance.random() < share else None

    return fault


def sources(name: str, server: Any, container: str, query: str) -> list[str]:
    """Our ids in the order in which the server's own ranking, asked directly, has them."""
    ranked = server.rank(container, query, 50)
    if name == "mem0":
        return [server.memory(key)["metadata"]["session_id"] for key in ranked]
    if name == "supermemory":
        return [server.session_of(container, key) for key in ranked]
    return list(ranked)


def recall_at_10(name: str, server: VendorServer, cases: list[Case], run_id: str) -> float:
    """Over the questions that name evidence."""
    shares = []
    for case in cases:
        gold = case.gold
        evidence = set(gold.evidence_messages if LEVEL[name] == "message" else gold.evidence_sessions)
        if evidence:
            found = dict.fromkeys(sources(name, server, f"{case.haystack}-{run_id}", case.question.text))
            shares.append(len(evidence & set(list(found)[:10])) / len(evidence))
    return fmean(shares)


def test_three_conversations_of_locomo_with_faults(
    suite: Suite, service: tuple[str, VendorServer], locomo: LoCoMo
) -> None:
    name, server = service
    server.ready_after = 0.5
    server.fault = misbehaving(0.06)
    cases = [case for case in locomo.cases() if case.cluster in CONVERSATIONS]
    sessions = sum(locomo.haystack(haystack).session_count for haystack in {case.haystack for case in cases})
    chosen = f"locomo and ({' or '.join(CONVERSATIONS)})"
    ended = run(suite, service, "-k", chosen, "-n2", "--until=search", MEMORYBENCH_DATA=str(DATA))
    report: dict[str, Any] = suite.report()
    (result,) = report["results"]

    assert sum(server.faults.values()) > 20
    assert set(server.faults) == set(FAULTS)
    assert result["questions"]["selected"] == ended.counted["searched"] == len(cases), ended.output
    assert result["questions"]["errors"] == 0
    assert f"{name} " in ended.output
    assert result["provider"]["api"]

    # each session once, in a container for each conversation, and nothing searched before it was indexed
    containers = {f"{case.haystack}-{report['run']['id']}" for case in cases}
    assert len(containers) == len(CONVERSATIONS)
    assert sum(sessions_of(server, container) for container in containers) == sessions > 60
    assert result["calls"]["ingest_sessions"] == sessions
    assert result["calls"]["retries"] > 0
    assert server.searches_too_early == 0

    # every result says where it comes from, and is what the server's ranking gives
    lines = lines_of(suite)
    assert all(found["session_ids"] for line in lines for found in line["results"])
    assert sum(len(line["results"]) for line in lines) > len(cases) * 10
    expected = recall_at_10(name, server, cases, report["run"]["id"])
    assert result["retrieval"][LEVEL[name]]["recall"]["10"] == pytest.approx(expected, abs=1e-6)


def sessions_of(server: Any, container: str) -> int:
    """Sessions that are there; one that is there twice counts twice."""
    stored = server.sessions_stored(container)
    return stored.total() if isinstance(stored, Counter) else int(stored)


def test_a_container_that_never_becomes_ready_is_an_error_of_its_questions_alone(
    suite: Suite, service: tuple[str, VendorServer], locomo: LoCoMo
) -> None:
    name, server = service
    server.never = lambda container: container.startswith(next(iter(locomo.cases())).haystack)
    ended = run(
        suite, service, "-k", "locomo and (conv-26 or conv-30)", "-n2", "--sample=3",
        f"--provider-option={name}.indexing_timeout=2", MEMORYBENCH_DATA=str(DATA),
    )  # fmt: skip
    (result,) = suite.report()["results"]
    lines = lines_of(suite)
    stuck = [line for line in lines if any(step["error"] for step in line["steps"])]
    assert ended.status == pytest.ExitCode.TESTS_FAILED
    assert 0 < len(stuck) == len(result["errors"]) < len(lines)
    assert [line for line in lines if line["verdict"] is None] == stuck
    assert {line["cluster"] for line in stuck} == {"conv-26"}
    detail = (
        rf"container {stuck[0]['haystack']}-\S+ was not ready after \d+\.\d s\. "
        r"Last status: \d+ of \d+ \w+ outstanding: \w+"
    )
    for error in result["errors"]:
        assert error["type"] == "IndexingTimeoutError"
        assert re.match(detail, error["message"])
    assert server.searches_too_early == 0


def test_an_unknown_key_is_refused_before_anything_is_ingested(suite: Suite, service: tuple[str, VendorServer]) -> None:
    name, server = service
    server.key = "another-key"
    access = {f"{name.upper()}_API_KEY": "the-wrong-key", f"{name.upper()}_BASE_URL": server.url}
    ended = suite.run("bench", f"--provider={name}", "-k", "synthetic", "--synthetic-sessions=10", **access)
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert name in ended.about("401")
    assert "the-wrong-key" not in ended.output
    assert not [request for request in server.requests if "add" in request.path or "document" in request.path]
    assert suite.run_ids == []


def test_a_missing_key_is_refused_with_the_name_of_its_variable(
    suite: Suite, service: tuple[str, VendorServer]
) -> None:
    name, server = service
    ended = suite.run("bench", f"--provider={name}", "-k", "synthetic", **{f"{name.upper()}_API_KEY": ""})
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert f"set the environment variable {name.upper()}_API_KEY" in ended.output
    assert server.requests == []


def test_synthetic_alone(suite: Suite, service: tuple[str, VendorServer]) -> None:
    ended = run(suite, service, "-k", "synthetic", "--synthetic-sessions=20", "--synthetic-questions=20")
    assert "20 of" not in ended.output
    (result,) = suite.report()["results"]
    assert result["questions"]["judged"] == 20, ended.output
    assert Synthetic.name in ended.output
