"""Retrieval metrics against ranx and scikit-learn, and what only this suite must decide."""

import importlib
import itertools
import math
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from random import Random
from typing import Any  # ranx has no types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.metrics.figures import Retrieval
from reports.metrics.retrieval import FAILED, K, RetrievalMean, ranking_of, score_ranking
from vocabulary import SearchResult

untimed = settings(deadline=None)

IDS = [f"m{number}" for number in range(80)]
rankings = st.permutations(IDS).flatmap(lambda ids: st.integers(0, len(ids)).map(lambda n: tuple(ids[:n])))
evidence = st.lists(st.sampled_from(IDS), min_size=1, max_size=19, unique=True)
queries = st.tuples(rankings, evidence)


@pytest.fixture(scope="module")
def ranx() -> Iterator[Any]:
    """ranx, interpreted: numba takes longer to compile it than all these tests take to run."""
    import numba

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ranx has escape sequences that Python warns of when it compiles them
        patch.setattr(numba.config, "DISABLE_JIT", 1)
        yield importlib.import_module("ranx")


def result(*messages: str, sessions: tuple[str, ...] = ()) -> SearchResult:
    return SearchResult(text="text", message_ids=messages, session_ids=sessions)


class TestRankingOf:
    def test_keeps_the_first_appearance_of_each_message(self) -> None:
        results = [result("b", "a"), result("c"), result("a", "d"), result("b")]
        assert ranking_of(results, "message") == ("b", "a", "c", "d")

    def test_counts_sessions_once(self) -> None:
        results = [result("a", sessions=("s2",)), result("b", sessions=("s1", "s2")), result("c", sessions=("s2",))]
        assert ranking_of(results, "session") == ("s2", "s1")

    def test_a_result_of_unknown_origin_takes_a_place(self) -> None:
        results = [result(sessions=("s1",)), result("a", sessions=("s1",)), result()]
        assert ranking_of(results, "message") == (None, "a", None)
        assert ranking_of(results, "session") == ("s1", None)

    def test_k_counts_messages_not_results(self) -> None:
        big = [result("x1", "x2", "x3"), result("gold")]
        scores = score_ranking(ranking_of(big, "message"), ["gold"])
        assert (scores.hit[1], scores.hit[3], scores.hit[5], scores.mrr) == (0, 0, 1, 0.25)

    def test_of_nothing_is_nothing(self) -> None:
        assert ranking_of([], "message") == ()


class TestScores:
    @pytest.mark.long
    @settings(deadline=None, max_examples=30)
    @given(st.lists(queries.filter(lambda query: query[0]), min_size=1, max_size=8))
    def test_are_ranxs(self, ranx: Any, batch: list[tuple[tuple[str, ...], list[str]]]) -> None:
        qrels = ranx.Qrels({f"q{n}": dict.fromkeys(gold, 1) for n, (_, gold) in enumerate(batch)})
        run = ranx.Run(
            {
                f"q{n}": {found: float(len(ranking) - place) for place, found in enumerate(ranking)}
                for n, (ranking, _) in enumerate(batch)
            }
        )
        names = [f"{metric}@{k}" for metric in ("recall", "hit_rate", "ndcg") for k in K]
        expected = ranx.evaluate(qrels, run, [*names, "mrr"], return_mean=False)
        for n, (ranking, gold) in enumerate(batch):
            scores = score_ranking(ranking, gold)
            for k in K:
                assert scores.recall[k] == pytest.approx(expected[f"recall@{k}"][n], abs=1e-9)
                assert scores.hit[k] == pytest.approx(expected[f"hit_rate@{k}"][n], abs=1e-9)
                assert scores.ndcg[k] == pytest.approx(expected[f"ndcg@{k}"][n], abs=1e-9)
            assert scores.mrr == pytest.approx(expected["mrr"][n], abs=1e-9)

    @untimed
    @given(queries)
    def test_ndcg_is_scikit_learns(self, query: tuple[tuple[str, ...], list[str]]) -> None:
        from sklearn.metrics import ndcg_score

        ranking, gold = query
        # scikit-learn ranks everything: what was not retrieved comes behind a gap that is longer than any k.
        order = [*ranking, *(f"gap{n}" for n in range(max(K))), *(found for found in gold if found not in ranking)]
        relevance = np.array([[float(found in gold) for found in order]])
        score = np.array([[float(-place) for place in range(len(order))]])
        scores = score_ranking(ranking, gold)
        for k in K:
            assert scores.ndcg[k] == pytest.approx(ndcg_score(relevance, score, k=k), abs=1e-9)

    @untimed
    @given(queries)
    def test_keep_their_bounds_and_relations(self, query: tuple[tuple[str, ...], list[str]]) -> None:
        ranking, gold = query
        scores = score_ranking(ranking, gold)
        for values in (scores.recall, scores.hit, scores.ndcg):
            assert all(0 <= values[k] <= 1 for k in K)
        for small, large in itertools.pairwise(K):
            assert scores.recall[small] <= scores.recall[large]
            assert scores.hit[small] <= scores.hit[large]
        for k in K:
            assert scores.recall[k] <= scores.hit[k]
            assert (scores.mrr >= 1 / k) == (scores.hit[k] == 1)
            assert (scores.ndcg[k] > 0) == (scores.hit[k] == 1)

    @untimed
    @given(evidence, st.randoms(use_true_random=False))
    def test_are_exactly_one_for_perfect_retrieval(self, gold: list[str], random: Random) -> None:
        ranking = list(gold)
        random.shuffle(ranking)
        scores = score_ranking(ranking, gold)
        assert scores.mrr == 1
        assert all(scores.ndcg[k] == 1 for k in K)
        assert all(scores.recall[k] == 1 for k in K if k >= len(gold))
        assert all(scores.recall[k] == k / len(gold) for k in K if k < len(gold))

    def test_recall_is_the_share_of_the_evidence_and_not_hit(self) -> None:
        scores = score_ranking(["a", "x", "b"], ["a", "b", "c", "d"])
        assert (scores.recall[1], scores.recall[3], scores.recall[50]) == (0.25, 0.5, 0.5)
        assert scores.hit[1] == 1

    def test_the_ideal_counts_evidence_that_was_not_found(self) -> None:
        assert score_ranking(["a"], ["a", "b"]).ndcg[3] == pytest.approx(1 / (1 + 1 / math.log2(3)))

    def test_mrr_looks_beyond_the_largest_k(self) -> None:
        scores = score_ranking([*(f"x{n}" for n in range(60)), "gold"], ["gold"])
        assert scores.mrr == 1 / 61
        assert scores.recall[50] == 0

    def test_an_unknown_place_is_never_evidence_but_counts(self) -> None:
        scores = score_ranking([None, None, "a"], ["a"])
        assert (scores.hit[1], scores.hit[3], scores.mrr) == (0, 1, 1 / 3)
        assert (scores.places, scores.unattributed) == (3, 2)

    def test_nothing_found_is_zero(self) -> None:
        assert asdict(score_ranking([], ["a"])) == asdict(FAILED)

    def test_evidence_that_is_named_twice_counts_once(self) -> None:
        assert asdict(score_ranking(["a"], ["a", "a"])) == asdict(score_ranking(["a"], ["a"]))

    def test_without_evidence_there_is_no_score(self) -> None:
        with pytest.raises(ValueError, match="leave questions without evidence out"):
            score_ranking(["a"], [])

    def test_an_id_ranked_twice_is_refused_by_name(self) -> None:
        with pytest.raises(ValueError, match="'b' is ranked twice"):
            score_ranking(["a", "b", "c", "b"], ["a"])


class TestMean:
    @settings(deadline=None, max_examples=30)
    @given(st.lists(queries, min_size=1, max_size=20), st.randoms(use_true_random=False))
    def test_is_the_mean_and_the_same_in_every_order_to_the_last_digit(
        self, batch: list[tuple[tuple[str, ...], list[str]]], random: Random
    ) -> None:
        scores = [score_ranking(ranking, gold) for ranking, gold in batch]

        def summarised() -> Retrieval:
            mean = RetrievalMean(top_k=50)
            for score in scores:
                mean.add(score)
            return mean.summary()

        found = summarised()
        random.shuffle(scores)
        assert summarised() == found
        assert found.n == len(batch)
        assert found.mrr == pytest.approx(np.mean([score.mrr for score in scores]), abs=1e-12)
        for k in K:
            assert found.recall[str(k)] == pytest.approx(np.mean([score.recall[k] for score in scores]), abs=1e-12)
            assert found.hit[str(k)] == pytest.approx(np.mean([score.hit[k] for score in scores]), abs=1e-12)
            assert found.ndcg[str(k)] == pytest.approx(np.mean([score.ndcg[k] for score in scores]), abs=1e-12)

    def test_is_that_of_more_different_scores_than_are_kept(self) -> None:
        pairs = list(itertools.combinations(range(50), 2))
        mean = RetrievalMean(top_k=50)
        for first, second in (*pairs, *pairs[::3]):
            ranking = [f"x{place}" if place not in (first, second) else f"gold{place}" for place in range(50)]
            mean.add(score_ranking([*ranking, None], [f"gold{first}", f"gold{second}"]))
        found, at = mean.summary(), np.array([*pairs, *pairs[::3]])  # places from 0
        gains = 1 / np.log2(at + 2)
        assert len(pairs) > 1024
        assert found.n == len(at)
        assert found.unattributed == pytest.approx(1 / 51)
        assert found.mrr == pytest.approx(np.mean(1 / (at.min(axis=1) + 1)), abs=1e-12)
        for k in K:
            ideal = sum(1 / math.log2(place + 2) for place in range(min(k, 2)))
            assert found.recall[str(k)] == pytest.approx(np.mean(at < k), abs=1e-12)
            assert found.hit[str(k)] == pytest.approx(np.mean((at < k).any(axis=1)), abs=1e-12)
            assert found.ndcg[str(k)] == pytest.approx(np.mean((gains * (at < k)).sum(axis=1)) / ideal, abs=1e-12)

    @pytest.mark.parametrize(
        ("top_k", "measured"),
        [
            (1, ["1"]),
            (9, ["1", "3", "5"]),
            (10, ["1", "3", "5", "10"]),
            (50, [str(k) for k in K]),
            (400, [str(k) for k in K]),
        ],
    )
    def test_reports_only_what_was_asked_for(self, top_k: int, measured: list[str]) -> None:
        summary = RetrievalMean(top_k).summary()
        assert list(summary.recall) == list(summary.hit) == list(summary.ndcg) == [str(k) for k in K]
        assert [cutoff for cutoff in summary.recall if int(cutoff) <= top_k] == measured

    def test_a_failed_search_is_zero_and_counted(self) -> None:
        mean = RetrievalMean(top_k=10)
        mean.add(score_ranking(["a"], ["a"]))
        mean.add(FAILED)
        summary = mean.summary()
        assert (summary.n, summary.recall["10"], summary.hit["1"], summary.ndcg["5"], summary.mrr) == (
            2,
            0.5,
            0.5,
            0.5,
            0.5,
        )

    def test_of_no_questions_is_none(self) -> None:
        summary = RetrievalMean(top_k=1).summary()
        assert (summary.n, summary.recall, summary.mrr, summary.unattributed) == (
            0,
            dict.fromkeys(map(str, K)),
            None,
            None,
        )

    def test_says_how_much_is_of_unknown_origin(self) -> None:
        mean = RetrievalMean(top_k=10)
        mean.add(score_ranking([None, "a", "b"], ["a"]))
        mean.add(score_ranking([None], ["a"]))
        assert mean.summary().unattributed == 0.5

    def test_a_search_for_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="top_k is 0"):
            RetrievalMean(top_k=0)
