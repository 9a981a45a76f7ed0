"""Differences are those of the statistics that are tested elsewhere; intervals hold; what is kept can be read back."""

from __future__ import annotations

import numpy as np
import pytest

from reports.differences import Marks, Pair, compare_figure, mark, marks_by_question, pack_result
from reports.differences.baseline import BaselineResult
from reports.metrics import compare, paired_interval, ranking_of, score_ranking
from reports.store.records import Step
from tests.reports.made_records import found, provider
from vocabulary import Usage


def pairs_of(n: int, clusters: int, seed: int = 1, shift: float = 0.0) -> list[Pair]:
    random = np.random.default_rng(seed)
    first, second = random.gamma(2, 5, n), random.gamma(2, 5, n) + shift
    return [Pair(f"c{place % clusters}", (first[place],), (second[place],)) for place in range(n)]


def test_a_share_is_compared_by_exact_mcnemar_and_the_clustered_interval() -> None:
    random = np.random.default_rng(3)
    right = random.random((400, 2)) < (0.7, 0.5)
    pairs = [Pair(f"c{place % 10}", (float(a),), (float(b),)) for place, (a, b) in enumerate(right)]
    found = compare_figure("accuracy", pairs)
    outcomes = [(pair.cluster, pair.second[0] > 0, pair.first[0] > 0) for pair in pairs]
    expected = compare(outcomes, benchmark="", first="", second="")
    assert found is not None
    assert expected is not None
    assert (found.ci95, found.p_value) == (expected.ci95, expected.p_value)
    assert found.change == pytest.approx(expected.difference)
    assert found.verdict == "worse"
    assert found.bootstrap95 is not None
    assert found.bootstrap95 == pytest.approx(found.ci95, abs=0.03)


def test_a_mean_is_compared_by_the_paired_interval() -> None:
    pairs = pairs_of(300, 10, shift=4)
    found = compare_figure("search_ms", pairs)
    assert found is not None
    change, interval = paired_interval((pair.cluster, pair.second[0] - pair.first[0]) for pair in pairs)
    assert found.change == pytest.approx(change)
    assert found.ci95 == pytest.approx(interval)
    assert found.verdict == "worse", "a time that rises"
    assert found.detectable == pytest.approx((interval[1] - interval[0]) / 2 * (1 + 0.841621 / 1.959964), rel=1e-5)


def test_percentiles_have_a_bootstrap_interval_and_need_values_beyond_them() -> None:
    found = compare_figure("p95.search_ms", pairs_of(600, 10, shift=8))
    assert found is not None
    assert found.ci95 is not None
    assert found.verdict == "worse"
    assert found.ci95[0] < 8 < found.ci95[1]
    few = compare_figure("p95.search_ms", pairs_of(12, 12))
    assert few is not None
    assert few.ci95 is None
    assert few.verdict == "no difference shown"


def test_few_clusters_show_no_difference() -> None:
    pairs = [Pair(f"c{place % 5}", (0.0,), (1.0,)) for place in range(500)]
    found = compare_figure("recall@10", pairs)
    assert found is not None
    assert (found.verdict, found.detectable) == ("no difference shown", None)
    assert compare_figure("recall@10", []) is None


def test_what_is_kept_of_a_question_gives_the_same_scores() -> None:
    results = (*found("m9", "m3"), *found("m3", "m4"), found("m1")[0].model_copy(update={"message_ids": ()}))
    steps = [
        Step(phase="search", service_ms=1.23456),
        Step(phase="answer", service_ms=9, usage=Usage(input_tokens=1, batched=1)),
        Step(phase="judge", service_ms=0, attempts=0),
    ]
    one = mark(
        "q1", "temporal", "c1", "correct", answerable=True, groups=("context-30",),
        evidence={"message": ("m3", "m1", "m4"), "session": ()}, results=results, steps=steps, context_tokens=7,
    )  # fmt: skip
    scores = score_ranking(ranking_of(results, "message"), ("m3", "m1", "m4"))
    nothing = Marks("q2", "temporal", ("unanswerable",), "c2", "error")
    about = {
        "provider": provider(), "conformance": None, "benchmark": "b", "variant": "v", "sha256": "0",
        "answering_model": "x", "answering_model_version": "1", "answer_prompt": "", "judge": {"name": "j",
        "protocol": "p", "model": None}, "judges": (), "judge_repeats": 1, "judged": True, "levels": ("message",),
        "types": ("temporal",),
    }  # fmt: skip
    packed = pack_result([one, nothing], **about)
    again = marks_by_question(BaselineResult.model_validate_json(packed.model_dump_json()))
    for kept in (one, again["q1"]):
        assert kept.value("recall@3") == scores.recall[3]
        assert kept.value("ndcg@5") == scores.ndcg[5]
        assert kept.value("mrr") == scores.mrr
        assert kept.value("recall@3", "session") is None
        assert kept.value("search_ms") == pytest.approx(1.235, abs=1e-3)
        assert kept.value("answer_ms") is None, "how long a batch took is no time of the service"
        assert kept.value("judge_ms") is None, "from the step cache"
        assert [kept.belongs_to(part) for part in (None, "temporal", "answerable", "x")] == [True, True, True, False]
    assert again["q2"] == nothing


def test_a_percentile_that_clusters_disagree_on_is_not_certain() -> None:
    """Every question of half of the clusters is slower by 8, and of the others faster by 8."""
    base = pairs_of(600, 10)
    pairs = [
        Pair(pair.cluster, pair.first, (pair.first[0] + (8 if int(pair.cluster[1]) % 2 else -8),)) for pair in base
    ]
    alone = [pair._replace(cluster=str(place)) for place, pair in enumerate(pairs)]
    clustered, independent = compare_figure("p50.search_ms", pairs), compare_figure("p50.search_ms", alone)
    assert clustered is not None
    assert independent is not None
    assert clustered.ci95 is not None
    assert independent.ci95 is not None
    assert clustered.ci95[1] - clustered.ci95[0] > 2 * (independent.ci95[1] - independent.ci95[0])
    assert clustered.verdict == "no difference shown"
