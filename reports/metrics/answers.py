"""Answer metrics that need no judge: what a data set's own script computes from an answer and its gold."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache

from reports.metrics.figures import AnswerScores, Score
from reports.metrics.nltk_parts import nltk_parts
from reports.metrics.paper import mem0_paper_bleu1, mem0_paper_f1
from reports.metrics.statistics import ExactMean
from vocabulary import Gold

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_DROPPED_WORDS = re.compile(r"\b(?:a|an|the|and)\b")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NOT_ANSWERABLE = ("no information available", "not mentioned")


class AnswerMean:
    """Averages one of `ANSWER_METRICS` over questions that come one at a time, in whatever order."""

    def __init__(self, metric: str) -> None:
        """Raises `KeyError` if `ANSWER_METRICS` has no `metric`."""
        self._metric = ANSWER_METRICS[metric]
        self._overall, self._answerable = ExactMean(), ExactMean()
        self._by_type: dict[str, ExactMean] = {}

    def add(self, hypothesis: str | None, gold: Gold) -> float | None:
        """Count one question and return its score; None, for one that has no answer because of an error, scores 0.

        A question that the metric leaves out is not counted, whatever became of it; None is then returned.
        """
        score = self._metric(hypothesis or "", gold)
        if score is None:
            return None
        if hypothesis is None:
            score = 0.0
        self._overall.add(score)
        if gold.answerable:
            self._answerable.add(score)
        self._by_type.setdefault(gold.question_type, ExactMean()).add(score)
        return score

    def summary(self) -> AnswerScores:
        """The means so far; question types in alphabetical order."""
        return AnswerScores(
            overall=_score(self._overall),
            answerable=_score(self._answerable),
            by_type={name: _score(self._by_type[name]) for name in sorted(self._by_type)},
        )


def locomo_f1(hypothesis: str, gold: Gold) -> float:
    """LoCoMo's official answer score, between 0 and 1 (Maharana et al. 2024, arXiv 2402.17753, ``task_eval``).

    By `Gold.category`: 1 (multi-hop) splits both sides at commas and averages, over the gold's parts, the best F1 that
    any part of the answer reaches; 2 (temporal) and 4 (single-hop) are the F1 of the whole; 3 (open-domain) is the F1
    with the gold up to its first ``;``; 5 (adversarial) is 1 where the answer says "no information available" or "not
    mentioned", else 0. A constant "not mentioned" therefore has all of category 5: reports show the mean over
    answerable questions too.

    Raises `ValueError` for any other category.
    """
    truth = gold.ground_truth
    match gold.category:
        case 1:
            given = hypothesis.split(",")
            parts = truth.split(",")
            return sum(max(token_f1(mine, part) for mine in given) for part in parts) / len(parts)
        case 2 | 4:
            return token_f1(hypothesis, truth)
        case 3:
            return token_f1(hypothesis, truth.partition(";")[0])
        case 5:
            said = hypothesis.lower()
            return float(any(phrase in said for phrase in _NOT_ANSWERABLE))
        case other:
            raise ValueError(f"locomo_official is defined for LoCoMo's categories 1 to 5, not for {other!r}")


def token_f1(hypothesis: str, truth: str) -> float:
    """Harmonic mean of precision and recall over two bags of stemmed tokens; 0 where they share none."""
    given, wanted = _bag(hypothesis), _bag(truth)
    shared = (given & wanted).total()
    return 2 * shared / (given.total() + wanted.total()) if shared else 0.0


def normalised_tokens(text: str) -> list[str]:
    """The words of `text` as LoCoMo compares them, before stemming.

    Lower case; ASCII punctuation is deleted, which joins what it stood between ("well-known" is one word, "1,000" is
    "1000"); then the words a, an, the and *and* are dropped.
    """
    bare = text.lower().translate(_PUNCTUATION)
    return _DROPPED_WORDS.sub(" ", bare).split()


def substring_exact_match(hypothesis: str, gold: Gold) -> float:
    """MemoryAgentBench's official answer score, 0 or 1: whether the gold stands in the answer.

    Both are in lower case, without ASCII punctuation, without the words a, an and the, and with single blanks (the
    normalisation of SQuAD; Rajpurkar et al. 2016, arXiv 1606.05250). The gold may begin or end within a word of the
    answer, and a long answer has more chances.
    """
    return float(_normalised(gold.ground_truth) in _normalised(hypothesis))


def _normalised(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


ANSWER_METRICS: dict[str, Callable[[str, Gold], float | None]] = {
    "locomo_official": locomo_f1,
    "substring_exact_match": substring_exact_match,
    "mem0_paper_f1": mem0_paper_f1,
    "mem0_paper_bleu1": mem0_paper_bleu1,
}
"""Metrics by the name that a benchmark asks for and that reports show; None for a question that one leaves out.

`bench.base.Benchmark.official_answer` names the data set's own, `paper_metrics` those that papers print beside it.
"""


EXACT_MATCHES = ("substring_exact_match",)
"""Those that are a match or none, and no F1."""


def prepare_answer_metrics(names: Iterable[str]) -> None:
    """Import what the metrics `names` need: before a run begins it delays nobody, its report waits for it."""
    if not (ANSWER_METRICS.keys() - {*EXACT_MATCHES}).isdisjoint(names):
        nltk_parts()


def _bag(text: str) -> Counter[str]:
    return Counter(_stem(token) for token in normalised_tokens(text))


@lru_cache(maxsize=65_536)
def _stem(token: str) -> str:
    stem: str = nltk_parts().stemmer.stem(token)
    return stem


def _score(mean: ExactMean) -> Score:
    return Score(value=mean.value, n=mean.n)
