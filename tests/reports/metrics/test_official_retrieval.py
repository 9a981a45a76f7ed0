"""LongMemEval's retrieval metrics against a second computation, from the definition and in another way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.metrics.official_retrieval import LongMemEvalRetrieval, odd_gain
from reports.report.build import build_report
from reports.store.records import QuestionRecord
from tests.reports.made_records import asked, benchmark, case, failed, run, waiting
from vocabulary import Gold, SearchResult

KS = (1, 3, 5, 10, 30, 50)


def gold(*evidence: str, **changes: Any) -> Gold:  # Any: fields of Gold, which checks them
    sessions = tuple(sorted({message[:4] for message in evidence}))
    values = {
        "question_type": "multi-session", "ground_truth": "two", "evidence_messages": evidence,
        "evidence_sessions": sessions,
    }  # fmt: skip
    return Gold.model_validate({**values, **changes})


def results(*messages: str) -> tuple[SearchResult, ...]:
    """A result for each message, "" for one that does not say where it comes from."""
    return tuple(
        SearchResult(text="said", session_ids=(one[:4],), message_ids=(one,)) if one else SearchResult(text="a fact")
        for one in messages
    )


def scores(found: Sequence[SearchResult] | None, of: Gold, top_k: int = 50) -> dict[str, Any]:  # Any: parsed summaries
    mean = LongMemEvalRetrieval(top_k)
    mean.add(found, of)
    return levels(mean)


def levels(mean: LongMemEvalRetrieval) -> dict[str, Any]:  # Any: parsed summaries
    """Turns, sessions by the authors' turns, sessions by their corpus of sessions."""
    found = mean.summary({"message", "session"})
    official, corpus = found["longmemeval_official"], found["longmemeval_session_corpus"]
    assert corpus.turn is None
    named = {"turn": official.turn, "session": official.session, "session_corpus": corpus.session}
    return {name: dict(summary) for name, summary in named.items() if summary is not None}


def by_definition(
    ranking: Sequence[str], corpus: Sequence[str], correct: Sequence[str], k: int
) -> tuple[float, float, float]:
    """(recall_any, recall_all, ndcg_any) at k: labels of the ranking, and of the whole corpus in its best order."""

    def dcg(labels: Sequence[int]) -> float:
        return labels[0] + sum(label / math.log2(i) for i, label in enumerate(labels[1:], start=2)) if labels else 0.0

    labels = [int(one in correct) for one in ranking[:k]]
    best = sorted((int(one in correct) for one in corpus), reverse=True)[:k]
    return float(any(labels)), float(set(correct) <= set(ranking[:k])), dcg(labels) / dcg(best)


def by_turns(
    ranking: Sequence[str], corpus: Sequence[str], correct: Sequence[str], k: int
) -> tuple[float, float, float]:
    """The same of sessions in a ranking of turns, each turn renamed to what the authors call its session."""

    def session(turn: str) -> str:
        return turn[:4] if turn in correct else f"{turn[:4]}-noans"

    ranked, every = [session(turn) for turn in ranking], [session(turn) for turn in corpus]
    enlarged = next((end for end in range(k, len(ranked) + 1) if len(set(ranked[:end])) >= k), len(every))
    return by_definition(ranked, every, sorted({turn[:4] for turn in correct}), enlarged)


turns = st.builds(
    "s{:03}{}{:02}".format, st.integers(1, 12), st.sampled_from(["u", "u", "a"]), st.integers(1, 6)
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(turns, max_size=60, unique=True), st.lists(turns, min_size=1, max_size=6, unique=True))
def test_agrees_with_the_definition(ranked: list[str], evidence: list[str]) -> None:
    correct = [turn for turn in evidence if turn[4] == "u"]
    measured = scores(results(*ranked), gold(*evidence))
    if not correct:
        assert {summary["n"] for summary in measured.values()} == {0}
        return
    user_turns = sorted({turn for turn in (*ranked, *evidence) if turn[4] == "u"})
    every_session = [f"s{number:03}" for number in range(1, 13)]
    in_turns = [turn for turn in ranked if turn[4] == "u"]
    in_sessions = list(dict.fromkeys(turn[:4] for turn in ranked))
    of_sessions = sorted({turn[:4] for turn in correct})
    for k in KS:
        turn = by_definition(in_turns, user_turns, correct, k)
        corpus = by_definition(in_sessions, every_session, of_sessions, k)
        session = by_turns(in_turns, user_turns, correct, k)
        for level, expected in (("turn", turn), ("session", session), ("session_corpus", corpus)):
            summary = measured[level]
            found = tuple(summary[name][str(k)] for name in ("recall_any", "recall_all", "ndcg_any"))
            assert found == pytest.approx(expected), (level, k)


def test_ranks_1_and_2_weigh_the_same() -> None:
    first = scores(results("s001u01", "s002u01", "s003u01"), gold("s001u01"))
    second = scores(results("s002u01", "s001u01", "s003u01"), gold("s001u01"))
    third = scores(results("s002u01", "s003u01", "s001u01"), gold("s001u01"))
    at_3 = [one["turn"]["ndcg_any"]["3"] for one in (first, second, third)]
    assert at_3 == [1.0, 1.0, pytest.approx(1 / math.log2(3))]
    assert [odd_gain([place], 5) for place in (1, 2, 4, 6)] == [1.0, 1.0, 0.5, 0.0]


def test_fewer_results_than_k_are_measured_as_they_are_against_all_of_the_evidence() -> None:
    found = scores(results("s001u01"), gold("s001u01", "s002u03", "s003u01"))["turn"]
    assert found["recall_any"]["5"] == 1.0
    assert found["recall_all"]["5"] == 0.0
    assert found["ndcg_any"]["1"] == 1.0
    assert found["ndcg_any"]["5"] == pytest.approx(1 / (2 + 1 / math.log2(3)))


def test_what_the_assistant_said_is_not_in_the_corpus_of_turns() -> None:
    found = scores(results("s001a02", "s002a02", "s001u01"), gold("s001u01", "s001a02"))
    assert found["turn"]["recall_all"]["1"] == 1.0
    assert found["session"]["recall_all"]["1"] == 1.0
    assert found["session_corpus"]["recall_all"]["1"] == 1.0


def test_a_session_is_found_only_through_an_evidence_turn_in_the_official_figures() -> None:
    found = scores(results("s001u03", "s002u01", "s001u05", "s001u01"), gold("s001u01"))
    assert [found[level]["recall_any"]["1"] for level in ("session", "session_corpus")] == [0.0, 1.0]
    assert found["session"]["recall_any"]["3"] == 1.0, "two sessions, and the evidence turn is a third"
    assert found["session"]["ndcg_any"]["3"] == pytest.approx(1 / math.log2(4)), "the fourth turn"


def test_the_official_figures_of_sessions_gain_from_each_evidence_turn() -> None:
    found = scores(results("s001u01", "s002u01", "s002u03", "s001u05"), gold("s001u01", "s001u05"))
    assert found["session"]["recall_all"]["1"] == 1.0, "the session, not each turn"
    assert found["session"]["ndcg_any"]["1"] == 1.0
    assert found["session"]["ndcg_any"]["3"] == pytest.approx((1 + 1 / math.log2(4)) / 2)


def test_a_session_counts_only_if_the_user_said_the_evidence_there() -> None:
    found = scores(results("s002a02", "s001u05"), gold("s001u01", "s002a02"))
    assert found["turn"]["recall_any"]["50"] == 0.0
    assert found["session"]["recall_any"]["50"] == 0.0
    assert found["session_corpus"]["recall_any"]["1"] == 0.0
    assert found["session_corpus"]["recall_all"]["3"] == 1.0


def test_a_result_of_unknown_origin_takes_a_place() -> None:
    found = scores(results("", "", "s001u01"), gold("s001u01"))
    assert found["turn"]["recall_any"] == {"1": 0.0, "3": 1.0, "5": 1.0, "10": 1.0, "30": 1.0, "50": 1.0}
    assert found["session"]["recall_any"] == found["turn"]["recall_any"]
    assert found["session_corpus"]["recall_any"]["1"] == 0.0


def test_questions_without_a_user_side_target_and_unanswerable_ones_are_left_out() -> None:
    mean = LongMemEvalRetrieval(50)
    mean.add(results("s001u01"), gold("s001u01"))
    mean.add(results("s001u01"), gold("s001u01", answerable=False))
    mean.add(results("s001u01"), gold("s001a02"))
    mean.add(results("s001u01"), gold())
    assert [summary["n"] for summary in levels(mean).values()] == [1, 1, 1]


def official(records: Sequence[QuestionRecord], **of_the_run: Any) -> Any:  # Any: fields of RunRecord; parsed JSON
    of_it = benchmark(official_retrieval="longmemeval_official")
    report = build_report(run(benchmarks=(of_it,), **of_the_run), records, [])
    return report.model_dump(mode="json")["results"][0]["official_retrieval"]


def one(number: int, **changes: Any) -> Any:  # Any: fields of Gold
    return case(number, **{"evidence_messages": ("s001u01",), "evidence_sessions": ("s001",), **changes})


def test_the_report_has_them_by_name_with_failed_searches_as_nothing_found() -> None:
    records = [asked(one(1), results=results("s001u01")), failed(one(2)), waiting(one(3)), asked(one(4))]
    found = official([*records, asked(one(5, answerable=False, evidence_messages=("s001u01",)))], top_k=5)
    assert found.keys() == {"longmemeval_official", "longmemeval_session_corpus"}
    expected = {"1": 0.25, "3": 0.25, "5": 0.25, "10": None, "30": None, "50": None}
    figures = {"recall_any": expected, "recall_all": expected, "ndcg_any": expected}
    assert found["longmemeval_official"] == {"session": {"n": 4, **figures}, "turn": {"n": 4, **figures}}
    assert found["longmemeval_session_corpus"] == {"session": {"n": 4, **figures}, "turn": None}


def test_the_report_measures_only_what_results_tell() -> None:
    of_sessions = tuple(result.model_copy(update={"message_ids": ()}) for result in results("s001u01"))
    found = official([asked(one(1), results=of_sessions)])
    assert found["longmemeval_official"] == {"session": None, "turn": None}
    assert found["longmemeval_session_corpus"]["session"]["recall_all"]["1"] == 1.0
    assert official([waiting(one(1))], until="ingest") == {}
    (plain,) = build_report(run(), [asked(one(1))], []).results
    assert plain.official_retrieval == {}
