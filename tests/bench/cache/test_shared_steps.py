"""Runs that share a cache: what is the same is not asked again, what is not the same is, and the report says which."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.bench.cache.shared_runs import HARSH, QUESTIONS, SESSIONS, SURE, WATCHED, SharedRuns

pytestmark = pytest.mark.long

ALL = {"ingest": 1, "search": QUESTIONS, "answer": QUESTIONS, "judge": QUESTIONS}


def differing(first: Any, second: Any, path: str = "") -> set[str]:
    """Where two reports differ, without their times."""
    if isinstance(first, dict) and isinstance(second, dict):
        names = first.keys() | second.keys()
        return set().union(*(differing(first.get(name), second.get(name), f"{path}.{name}") for name in names))
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return set().union(*(differing(one, other, path) for one, other in zip(first, second, strict=True)))
    return set() if first == second or "_ms." in path else {path.rpartition(".")[2]}


def test_a_second_run_of_the_same_asks_nothing_and_has_the_same_numbers(shared: SharedRuns) -> None:
    first = shared.run("a")
    before = shared.asked()
    assert before == {"ingest": SESSIONS, "clear": 0, "search": QUESTIONS, "answer": QUESTIONS, "judge": QUESTIONS}
    assert (first["questions"]["cached"], first["cached"]) == (0, {})
    assert {name: times["n"] for name, times in first["latency_ms"].items()} == {
        "ingest": SESSIONS, "indexing": 1, "search": QUESTIONS, "answer": QUESTIONS, "judge": QUESTIONS,
    }  # fmt: skip
    second = shared.run("b")
    assert shared.asked() == before
    assert (second["questions"]["cached"], second["cached"]) == (QUESTIONS, ALL)
    assert {times["n"] for times in second["latency_ms"].values()} == {0}
    assert set(second["calls"].values()) == {0}
    done = {"cached", "ingest_sessions", *ALL}
    assert differing(first, second) == done
    assert second["context"]["haystack_share_mean"] is not None
    line = json.loads((shared.folder / "runs" / "b" / "results.jsonl").read_text().splitlines()[0])
    assert {step["phase"]: step["attempts"] for step in line["steps"]} == {"search": 0, "answer": 0, "judge": 0}
    third = shared.run("b")  # continued: all is in its own record
    assert differing(second, third) == set()


def test_another_top_k_ingests_nothing_and_another_judge_answers_nothing(shared: SharedRuns) -> None:
    shared.run("a")
    before = shared.asked()
    other = shared.run("b", top_k=3)
    assert (shared.asked()["ingest"], shared.asked()["search"]) == (SESSIONS, 2 * QUESTIONS)
    assert (other["calls"]["ingest_sessions"], other["cached"]["ingest"]) == (0, 1)
    before = shared.asked()
    judged = shared.run("c", judge=(SURE,))
    assert shared.asked() == {**before, "judge": before["judge"] + QUESTIONS}
    assert judged["cached"] == {phase: count for phase, count in ALL.items() if phase != "judge"}


def test_the_votes_of_a_panel_are_shared_one_by_one(shared: SharedRuns) -> None:
    shared.run("a", judge=(SURE,))
    before = shared.asked()
    panel = shared.run("b", judge=(SURE, HARSH))
    assert shared.asked() == {**before, "judge": before["judge"] + QUESTIONS}
    assert panel["questions"]["cached"] == QUESTIONS
    times = {judge["name"]: judge["latency_ms"]["n"] for judge in panel["judges"]}
    assert times == {"sure": 0, "harsh": QUESTIONS}
    assert panel["latency_ms"]["judge"]["n"] == 0  # no panel was asked as a whole
    assert panel["usage"]["judge"]["input_tokens"] == 100 * QUESTIONS
    repeated = shared.run("c", judge=(HARSH,), judge_repeats=2)
    assert shared.asked()["judge"] == before["judge"] + 2 * QUESTIONS  # the second of both votes
    assert repeated["usage"]["judge"]["input_tokens"] == 100 * QUESTIONS
    again = shared.run("d", judge=(HARSH, SURE))
    assert shared.asked()["judge"] == before["judge"] + 2 * QUESTIONS
    assert "judge" not in again["usage"]
    assert again["cached"]["judge"] == QUESTIONS
    assert differing(panel["accuracy"], again["accuracy"]) == set()


def test_a_question_of_its_own_container_takes_nothing_of_a_shared_one(shared: SharedRuns) -> None:
    shared.run("a")
    own = shared.run("b", isolation="question")
    assert shared.asked()["ingest"] == SESSIONS + SESSIONS * QUESTIONS
    assert "search" not in own["cached"]
    again = shared.run("c", isolation="question")
    assert shared.asked()["ingest"] == SESSIONS + SESSIONS * QUESTIONS
    assert again["cached"]["ingest"] == QUESTIONS


def test_an_error_is_not_kept(shared: SharedRuns) -> None:
    broken = (f"{WATCHED}:Broken",)
    errors = shared.run("a", provider=broken)["questions"]["errors"]
    assert 0 < errors < QUESTIONS
    (shared.folder / "mended").touch()
    before = shared.asked()
    result = shared.run("b", provider=broken)
    assert result["questions"]["errors"] == 0
    assert shared.asked()["search"] == before["search"] + errors
    assert result["cached"]["search"] == QUESTIONS - errors


def test_what_is_asked_again_is_not_answered_by_the_cache(shared: SharedRuns) -> None:
    shared.run("a")
    before = shared.asked()
    again = shared.run("a", retry_from="answer")
    assert shared.asked() == {**before, "answer": 2 * QUESTIONS, "judge": 2 * QUESTIONS}
    assert again["cached"] == {}
    shared.run("a", retry_from="ingest")
    assert shared.asked()["ingest"] == 2 * SESSIONS
    assert shared.asked()["search"] == 2 * QUESTIONS
    before = shared.asked()
    assert shared.run("b")["cached"] == ALL
    assert shared.asked() == before


def test_a_store_whose_files_were_removed_is_filled_again(shared: SharedRuns) -> None:
    shared.run("a")
    (store,) = (shared.cache / "providers").iterdir()
    shutil.rmtree(store)
    result = shared.run("b", top_k=3)
    assert shared.asked()["ingest"] == 2 * SESSIONS
    assert result["retrieval"]["message"]["hit"]["3"] > 0


def test_nothing_is_ingested_for_searches_that_are_there(shared: SharedRuns) -> None:
    first = shared.run("a")
    (store,) = (shared.cache / "providers").iterdir()
    shutil.rmtree(store)
    before = shared.asked()
    judged = shared.run("b", judge=(SURE,))
    assert shared.asked() == {**before, "judge": before["judge"] + QUESTIONS}
    assert judged["context"] == first["context"]


def test_a_row_that_is_damaged_is_done_again_and_mended(shared: SharedRuns) -> None:
    shared.run("a")
    before = shared.asked()
    shared.change("update cached_steps set result = '{\"label\":' where phase = 'judge'")
    assert shared.run("b")["cached"] == {phase: count for phase, count in ALL.items() if phase != "judge"}
    assert shared.asked() == {**before, "judge": 2 * QUESTIONS}
    assert shared.run("c")["cached"] == ALL
    assert shared.asked()["judge"] == 2 * QUESTIONS


def test_without_a_cache_there_is_none(shared: SharedRuns) -> None:
    result = shared.run("a", cache=None)
    assert not shared.cache.exists()
    assert (result["questions"]["cached"], result["cached"]) == (0, {})
