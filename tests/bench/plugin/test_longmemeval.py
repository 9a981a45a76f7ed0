"""LongMemEval end to end: two sizes whole, official figures against a computation of their own, and samples."""

from __future__ import annotations

import json
import lzma
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from reports.report import read_lines
from tests.bench.plugin.suite import Ended, Suite, comparable
from tests.repository import DATA


@pytest.fixture
def published(suite: Suite) -> Path:
    """A folder with the oracle and 60 instances of S, under the published names."""
    source = DATA / "longmemeval"
    names = ("longmemeval_oracle.json", "longmemeval_s_cleaned_60.json.xz")
    if not all((source / name).is_file() for name in names):
        pytest.skip(f"no {' and '.join(names)} in {source}: set MEMORYBENCH_DATA")
    folder = suite.folder / "data"
    folder.mkdir()
    (folder / names[0]).write_bytes((source / names[0]).read_bytes())
    (folder / "longmemeval_s_cleaned.json").write_bytes(lzma.decompress((source / names[1]).read_bytes()))
    return folder


def _run(suite: Suite, data: Path, run_id: str, *options: str) -> Ended:
    asked = ["bench", "-k", "longmemeval", "--run-id", run_id, *options]
    return suite.run(*asked, MEMORYBENCH_DATA=str(data))


def _user_turns(session: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [turn for turn in session if turn["role"] == "user"]


def _official(raw: dict[str, Any], line: dict[str, Any], k: int) -> tuple[float, float] | None:
    """recall_any@k and ndcg_any@k of one question's sessions, from the definition; None where it is not averaged.

    Sessions are known by the file's own ids here; a result's session number is its place in the order of the dates.
    """
    if raw["question_id"].endswith("_abs"):
        return None
    sessions = dict(zip(raw["haystack_session_ids"], raw["haystack_sessions"], strict=True))
    correct = {
        name
        for name in raw["answer_session_ids"]
        if any(turn.get("has_answer") for turn in _user_turns(sessions[name]))
    }
    if not correct:
        return None
    moments = [(date[:10], date[-5:]) for date in raw["haystack_dates"]]
    order = sorted(range(len(moments)), key=moments.__getitem__)
    ranked: list[int] = []
    for result in line["results"]:
        number = int(result["session_ids"][0].removeprefix("s")) - 1
        if number not in ranked:
            ranked.append(number)
    hits = [raw["haystack_session_ids"][order[number]] in correct for number in ranked[:k]]

    def gain(marks: list[bool]) -> float:
        rest = sum(mark / math.log2(place) for place, mark in enumerate(marks[1:], start=2))
        return (marks[0] if marks else 0) + rest

    ideal = gain(sorted([True] * len(correct) + [False] * len(sessions), reverse=True)[:k])
    return float(any(hits)), gain(hits) / ideal


def test_all_questions_of_two_sizes_and_the_official_figures(suite: Suite, published: Path) -> None:
    ended = _run(suite, published, "run", "--provider", "bm25", "--until", "search", "-n", "2")
    assert ended.status == 0, ended.output
    assert ended.counted == {"searched": 560, "skipped": 1}
    assert "download longmemeval_m" in ended.output
    results = {result["benchmark"]["name"]: result for result in suite.report("run")["results"]}
    assert {name: result["questions"]["selected"] for name, result in results.items()} == {
        "longmemeval_oracle": 500,
        "longmemeval_s": 60,
    }
    groups = [result["by_group"]["unanswerable"]["questions"]["selected"] for result in results.values()]
    assert groups == [30, 6]
    assert [result["benchmark"]["verified"] for result in results.values()] == [True, False]
    lines = list(read_lines(suite.runs / "run"))
    for name, file, averaged in (
        ("longmemeval_oracle", "longmemeval_oracle.json", 419),
        ("longmemeval_s", "longmemeval_s_cleaned.json", 48),
    ):
        raw = {one["question_id"]: one for one in json.loads((published / file).read_bytes())}
        mine = [line for line in lines if line["benchmark"] == name]
        written = results[name]["official_retrieval"]["longmemeval_session_corpus"]["session"]
        for k in (1, 5, 10):
            scores = [found for line in mine if (found := _official(raw[line["source_id"]], line, k))]
            assert len(scores) == written["n"] == averaged
            means = [sum(column) / averaged for column in zip(*scores, strict=True)]
            assert [written["recall_any"][str(k)], written["ndcg_any"][str(k)]] == pytest.approx(means, abs=1e-6)
        assert any("dated after their question" in note for note in results[name]["benchmark"]["notes"])


def test_the_same_choice_is_the_same_report_in_any_process(suite: Suite, published: Path) -> None:
    for number, workers in enumerate(("0", "2", "3")):
        suite.environment["XDG_CACHE_HOME"] = str(suite.folder / f"cache{min(number, 1)}")  # 1: as on another machine
        options = ["--provider", "bm25", "--sample", "3", "--sample-seed", "7", "-n", workers]
        assert _run(suite, published, f"run{number}", *options).status == 1  # some answers are wrong
    reports = [suite.report(f"run{number}") for number in range(3)]
    fingerprints = {report["run"]["fingerprint"] for report in reports}
    assert len(fingerprints) == 1
    assert comparable(reports[0]) == comparable(reports[1]) == comparable(reports[2])
    lines = [(suite.runs / f"run{number}" / "hypotheses-bm25-longmemeval_s.jsonl").read_text() for number in range(3)]
    assert lines[0] == lines[1] == lines[2]
    assert all(set(json.loads(line)) == {"question_id", "hypothesis"} for line in lines[0].splitlines())


def test_the_first_ones_of_a_file_that_is_grouped_by_type_are_of_all_types(suite: Suite, published: Path) -> None:
    ended = _run(suite, published, "run", "--provider", "none", "--until", "search", "--limit", "7")
    assert ended.status == 0, ended.output
    lines = list(read_lines(suite.runs / "run"))
    types = Counter(line["question_type"] for line in lines if line["benchmark"] == "longmemeval_s")
    assert types.total() == 7
    assert len(types) > 3
    assert "in proportion" in " ".join(ended.output.split())


def test_what_was_said_after_the_question_can_be_left_out(suite: Suite, published: Path) -> None:
    options = ["--provider", "oracle", "--until", "search", "--as-of", "-n", "2"]
    ended = _run(suite, published, "run", *options)
    assert ended.status == 0, ended.output
    (oracle, _small) = suite.report("run")["results"]
    assert any("65, of 43 questions; dropped by --as-of" in note for note in oracle["benchmark"]["notes"])
    lines = list(read_lines(suite.runs / "run"))
    assert lines
    for line in lines:
        assert all(found["timestamp"] <= line["question_date"] for found in line["results"])


def _state(folder: Path) -> dict[Path, tuple[int, int, bytes]]:
    return {
        path: (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in (folder, *folder.rglob("*"))
    }


@pytest.mark.parametrize("read_only", [False, True])
def test_a_run_leaves_the_data_folder_as_it_was(suite: Suite, published: Path, read_only: bool) -> None:
    suite.environment["XDG_CACHE_HOME"] = str(suite.folder / "nothing known yet")
    if read_only:
        for path in (*published.iterdir(), published):
            path.chmod(0o555)
    before = _state(published)
    ended = _run(suite, published, "run", "--provider", "none", "--until", "search", "--limit", "7", "-n", "2")
    assert ended.status == 0, ended.output
    assert _state(published) == before
    published.chmod(0o755)  # for its removal
