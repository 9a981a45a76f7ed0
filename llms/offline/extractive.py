"""An answering model without a model: the sentence that speaks most of the question, cut down to what was not asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from llms.base import Answerer
from llms.offline.sentences import STOP_WORDS, Sentence, content, rank_sentences, stem, words
from llms.offline.time_words import TimeExpression, find_times
from vocabulary import Answer, Question, SearchResult, format_day

REFUSAL = "No information available."
"""What is said when nothing that was found is about the question, in words that LoCoMo's official test knows."""

OTHER_SPEAKER = 0.15
"""By how much a message of somebody else may speak more of the question than any of the person whom it names.

Beyond it, what is asked about was somebody else's doing."""

LONGEST = 14
"""Words of an answer at most."""

SENTENCES_COUNTED, TIMES_SOUGHT = 5, 3
"""In how many of the best sentences a number, and a time, is looked for."""

_WHEN = re.compile(
    r"^\W*when\b|\bhow long ago\b"
    r"|\b(?:what|which)\s+(?:year|month|date|day|week|weekend|season|time of (?:the )?year)\b",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(r"\bhow (?:many|often|much|old)\b", re.IGNORECASE)
_HOW_LONG = re.compile(r"\bhow long\b|\bhow many (?:days|weeks|months|years|hours)\b", re.IGNORECASE)
_YES_NO = re.compile(
    r"^\W*(?:(?:did|does|do|is|are|was|were|has|have|had|can|could|would|will|should)\b)|\byes or no\b", re.IGNORECASE
)
_NEGATION = re.compile(r"\b(?:no|not|never|none|cannot|without|\w+n't)\b", re.IGNORECASE)
_COUNT_WORD = (
    r"(?:\d[\d,.]*\d|\d|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|once|twice|thrice)"
)
_COUNT = re.compile(rf"\b{_COUNT_WORD}\b", re.IGNORECASE)
_DURATION = re.compile(
    rf"\b(?:{_COUNT_WORD}|an?|few|several|couple of)\s+(?:minute|hour|day|week|month|year|decade)s?\b", re.IGNORECASE
)
_NAMES_WEEKDAY = re.compile(r"\b(?:mon|tue|wed|thu|fri|sat|sun)", re.IGNORECASE)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_AGO = re.compile(r"\s+(?:ago|back)$", re.IGNORECASE)


class ExtractiveAnswerer(Answerer):
    """Answers with words of what was found: the same answer on every machine, in about a millisecond.

    It is a floor, not a language model; ``docs/offline.md`` has what it scores. It refuses where no message holds
    `abstain_below` of what is asked (`Sentence.coverage`, 0 to 1), and where somebody else's message holds more of it
    than any of the person whom the question names, by more than `abstain_gap`.
    """

    name = "extractive"
    offline = True

    def __init__(self, abstain_below: float = 0.0, abstain_gap: float = OTHER_SPEAKER) -> None:
        self._below, self._gap = abstain_below, abstain_gap

    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        """The shortest piece of `results` that looks like an answer, or `REFUSAL` if none is about the question."""
        ranked = rank_sentences(question.text, results)
        if not self._about(ranked):
            return Answer(hypothesis=REFUSAL)
        return Answer(hypothesis=_extract(question.text, ranked) or REFUSAL)

    def _about(self, ranked: Sequence[Sentence]) -> bool:
        """Whether anything that was found shares a word with the question, and is about the person whom it names."""
        best = max((sentence.coverage for sentence in ranked), default=0.0)
        if not best or best < self._below:
            return False
        named = max((sentence.coverage for sentence in ranked if sentence.named), default=None)
        others = max((sentence.stated for sentence in ranked if not sentence.named), default=0.0)
        return named is None or others - named <= self._gap


def _extract(question: str, ranked: Sequence[Sentence]) -> str:
    best = ranked[0]
    if _WHEN.search(question):
        return _time(ranked)
    if _YES_NO.search(question) and not re.search(r"\bor\b(?! no\b)", question):
        return "No" if _NEGATION.search(best.text) else "Yes"
    for asked, pattern in ((_HOW_LONG, _DURATION), (_HOW_MANY, _COUNT)):
        if asked.search(question):
            for sentence in ranked[:SENTENCES_COUNTED]:
                if number := pattern.search(sentence.text):
                    return number[0]
    return next(filter(None, (_trim(sentence.text, question) for sentence in ranked)), "")


def _time(ranked: Sequence[Sentence]) -> str:
    """When it was: the time that one of the best sentences or its message names, else when the best was said."""
    for sentence in ranked[:TIMES_SOUGHT]:
        for text in (sentence.text, sentence.message):
            for expression in find_times(text, sentence.said):
                return _phrase(expression, text[expression.start : expression.end], sentence.said)
    said = next((sentence.said for sentence in ranked if sentence.said), None)
    return format_day(said) if said else ""


def _phrase(expression: TimeExpression, text: str, said: datetime | None) -> str:
    """A time in words that need no anchor: "last Friday" as "the Friday before 15 July 2023"."""
    span = expression.span
    if not expression.relative or said is None or span.end >= said.date():
        return str(span)
    day = format_day(said)
    if span.precision == "day":
        return f"the {_WEEKDAYS[span.start.weekday()]} before {day}" if _NAMES_WEEKDAY.search(text) else str(span)
    if span.precision in ("week", "weekend", "range"):
        counted = _AGO.sub("", text)
        return f"{counted if counted != text else 'the ' + span.precision} before {day}"
    return str(span)


def _trim(text: str, question: str) -> str:
    asked = set(content(question))
    kept = [word for word in words(text) if word.lower() not in STOP_WORDS and stem(word) not in asked]
    return " ".join(kept[:LONGEST])
