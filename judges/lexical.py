"""A judge without a model: what the ground truth says must be found in the answer."""

from __future__ import annotations

import re

from judges.base import Judge
from judges.content import content, first_sentence, first_words, is_refusal, negated, numbers, polarity, words
from schema import Answer, Gold, Question, TimeExpression, TimeSpan, Verdict, find_times

LONGEST = 30
"""An answer is judged by this many of its first words (or as many as the ground truth has, if those are more).

Recall alone rewards whoever pastes all that was found. At 30 words, pasting scores below answering; at 50 above it.
"""

ENOUGH = 1 / 3
"""The share of the ground truth's content that an answer must hold."""

LIST_ENOUGH, ITEM_ENOUGH = 0.5, 0.4
"""The share of a list's items that an answer must hold, and of an item's content for it to be held."""

ASKED_WEIGHT = 0.6
"""What a word of the ground truth counts for that the question holds already; 1 for the others."""

PREFIX = 6
"""Stems that agree in this many first letters are taken for one word, as "creative" and "creation" are."""

TIMES_READ = 3
"""How many times of an answer are compared: who lists dates until one fits has not answered."""

_COUNTING = re.compile(r"\bhow (?:many|much|often|long|old)\b", re.IGNORECASE)
_UNIT = re.compile(r"\b(second|minute|hour|day|week|month|year|decade)s?\b", re.IGNORECASE)
_ENUMERATION = re.compile(r"(?<!\S)\d{1,2}\.(?=\s)")
_TIME_STEMS = frozenset(
    (
        "day",
        "week",
        "weekend",
        "month",
        "year",
        "few",
        "around",
        "approxim",
        "earli",
        "mid",
        "late",
        "begin",
        "end",
        "sinc",
    )
)


class LexicalJudge(Judge):
    """Compares times as intervals, counts as numbers, yes and no as such, and all else by its words.

    Deterministic, and blind to synonyms and free paraphrase: its accuracies compare with each other and not with a
    model-judged one. An answer that opens by declining is a refusal whatever follows, so that nobody can decline and
    answer at once. Its agreement with published grades is in ``docs/offline.md``.
    """

    name = "lexical"
    protocol = "lexical-v1"

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        """Grade `answer`; the explanation has the figures that decided."""
        hypothesis = answer.hypothesis.strip()
        if not hypothesis:
            return Verdict(label="wrong", explanation="The answer is empty.")
        refused = is_refusal(hypothesis)
        if not gold.answerable:
            if refused:
                return Verdict(label="correct", explanation="The question cannot be answered, and the answer says so.")
            return Verdict(label="wrong", explanation="The question cannot be answered, but an answer was given.")
        if refused:
            return Verdict(label="abstained", explanation="The answer declines, although the question can be answered.")
        read = first_words(hypothesis, max(LONGEST, len(gold.ground_truth.split())))
        right, explanation = _compare(question.text, gold.ground_truth, read)
        return Verdict(label="correct" if right else "wrong", explanation=explanation)


def _compare(question: str, truth: str, said: str) -> tuple[bool, str]:
    if wanted := polarity(truth):
        return _compare_polarity(question, truth, said, wanted)
    times = find_times(truth)
    if times and not set(content(_without(truth, times))) - _TIME_STEMS:
        return _compare_times([expression.span for expression in times], said)
    if _COUNTING.search(question) and numbers(truth):
        return _compare_numbers(truth, said)
    return _compare_content(question, truth, said)


def _without(text: str, expressions: tuple[TimeExpression, ...]) -> str:
    for expression in reversed(expressions):
        text = f"{text[: expression.start]} {text[expression.end :]}"
    return text


def _compare_polarity(question: str, truth: str, said: str, wanted: str) -> tuple[bool, str]:
    heard = polarity(said)
    if heard is None:
        opening = first_sentence(said)
        if opening.endswith("?") or not set(content(said)) & set(content(f"{question} {truth}")):
            return False, f"The ground truth says {wanted}; the answer says neither yes nor no."
        heard = "no" if negated(opening) else "yes"
    return heard == wanted, f"The ground truth says {wanted}, the answer {heard}."


def _compare_times(wanted: list[TimeSpan], said: str) -> tuple[bool, str]:
    heard = [expression.span for expression in find_times(said, wanted[0].start, relative=False)][:TIMES_READ]
    if not heard:
        return False, f"The answer names no time; the ground truth is {_listed(wanted)}."
    right = all(any(span.covers(other) for other in heard) for span in wanted)
    return right, f"The answer's time {_listed(heard)} {'is' if right else 'is not'} within {_listed(wanted)}."


def _listed(spans: list[TimeSpan]) -> str:
    return " and ".join(map(str, spans))


def _compare_numbers(truth: str, said: str) -> tuple[bool, str]:
    """Counts of an answer: its dates and the numbers that only enumerate a list are none."""
    wanted = numbers(truth)
    heard = numbers(_ENUMERATION.sub(" ", _without(said, find_times(said))))
    units = {unit.lower() for unit in _UNIT.findall(truth)}
    right = wanted <= heard and (not units or bool(units & {unit.lower() for unit in _UNIT.findall(said)}))
    figures = ", ".join(f"{number:g}" for number in sorted(heard)) or "no number"
    return right, f"The ground truth counts {truth.strip()!r}; the answer has {figures}."


def _compare_content(question: str, truth: str, said: str) -> tuple[bool, str]:
    """The share of the truth's words that the answer holds; what follows a semicolon in it only explains."""
    truth = truth.split(";")[0]
    held = _recall(question, truth, said)
    if held is None:
        same = words(truth) == words(said)
        return same, f"The answer {'repeats' if same else 'does not repeat'} the ground truth {truth.strip()!r}."
    if negated(truth) != negated(first_sentence(said)):
        return False, "One of the ground truth and the answer denies, the other does not."
    items = [share for share in (_recall(question, item, said) for item in truth.split(",")) if share is not None]
    if len(items) > 1:
        found = sum(share >= ITEM_ENOUGH for share in items)
        return found / len(items) >= LIST_ENOUGH, f"The answer holds {found} of {len(items)} items of the ground truth."
    return held >= ENOUGH, f"The answer holds {held:.0%} of the ground truth's content; {ENOUGH:.0%} is enough."


def _recall(question: str, truth: str, said: str) -> float | None:
    """The weighted share, 0 to 1, of the words of `truth` that `said` holds; None if no word of it carries meaning."""
    asked, held = set(content(question)), set(content(said))
    prefixes = {stem[:PREFIX] for stem in held if len(stem) >= PREFIX}
    weights = {stem: ASKED_WEIGHT if stem in asked else 1.0 for stem in content(truth)}
    if not weights:
        return None
    found = sum(weight for stem, weight in weights.items() if stem in held or stem[:PREFIX] in prefixes)
    return found / sum(weights.values())
