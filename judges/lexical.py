"""A judge without a model: what the ground truth says must be found in the answer."""

from __future__ import annotations

import re
import unicodedata
from copy import copy
from datetime import date, timedelta

from judges.base import Judge
from judges.content import (
    alternatives,
    content,
    contradict,
    first_sentence,
    first_words,
    is_refusal,
    negated,
    numbers,
    polarity,
    recall,
    words,
)
from judges.lexical_nuggets import grade_nuggets
from judges.nuggets import NUGGET_PROTOCOLS, NuggetProtocol
from llms.offline import TimeExpression, find_times
from vocabulary import Answer, Gold, Question, TimeSpan, Verdict, has_unspaced

LONGEST = 40
"""An answer is judged by this many of its first words (or as many as the ground truth has, if those are more).

Recall alone rewards an answer that pastes all that was found. At 40 words, pasting scores below answering.
"""

BRIEF = 9
"""An answer is brief with at most this many words of its own, which the question does not hold.

A brief answer has no room for details: what it misses of the ground truth it replaces by something else.
"""

ENOUGH, BRIEF_ENOUGH = 0.2, 0.35
"""The share of the ground truth's content that an answer must hold."""

LIST_ENOUGH, BRIEF_LIST_ENOUGH, ITEM_ENOUGH = 1 / 3, 1 / 2, 1 / 2
"""The share of a list's items that an answer must hold, and of an item's content for it to be held."""

TIMES_READ = 3
"""How many times of an answer are compared: who lists dates until one fits has not answered."""

_COUNTING = re.compile(r"\bhow (?:many|much|often|long|old)\b", re.IGNORECASE)
_UNIT = re.compile(r"\b(second|minute|hour|day|week|month|year|decade)s?\b", re.IGNORECASE)
_AGE = re.compile(r"\b(?:how old|age)\b", re.IGNORECASE)
_AFTERWORD = re.compile(r"(?<=\w)(?:[.;](?=\s)| for | \()")
_COUNTED_WEEKS = re.compile(
    r"(?:\d{1,2}|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\s+weeks?\s+(?:before|prior\s+to|after)\b",
    re.IGNORECASE,
)
_COMMA = re.compile(r",(?!\d{3}\b)")
_ANY_DAY = date(2024, 1, 1)
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
    protocol = "lexical-v2"
    _nuggets: NuggetProtocol | None = None

    def for_protocol(self, protocol: str) -> LexicalJudge:
        """The same judge; by the rubric of a question where the protocol grades nuggets."""
        found = next((one for one in NUGGET_PROTOCOLS if protocol in (one.name, one.id)), None)
        sibling = copy(self)
        vars(sibling).update(_nuggets=found, protocol=f"lexical-{found.id}" if found else LexicalJudge.protocol)
        return sibling

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        """Grade `answer`; the explanation has the figures that decided."""
        if self._nuggets is not None:
            return grade_nuggets(self._nuggets, question, gold, answer)
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
        if has_unspaced(gold.ground_truth):
            return _compare_whole(gold.ground_truth, hypothesis)
        day = question.date.date() if question.date else None
        read = first_words(hypothesis, max(LONGEST, len(gold.ground_truth.split())))
        compared = [_compare(question.text, truth, read, day) for truth in alternatives(gold.ground_truth)]
        right, explanation = next((one for one in compared if one[0]), compared[0])
        return Verdict(label="correct" if right else "wrong", explanation=explanation)


def _compare_whole(truth: str, said: str) -> Verdict:
    """For a script without spaces: it does not separate words, so they are unknown here."""
    held = _plain(truth) in _plain(said)
    return Verdict(
        label="correct" if held else "wrong",
        explanation="This judge cannot read words of a script without spaces. The ground truth as a whole "
        f"{'is' if held else 'is not'} in the answer.",
    )


def _plain(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


def _compare(question: str, truth: str, said: str, day: date | None) -> tuple[bool, str]:
    if wanted := polarity(truth):
        return _compare_polarity(question, truth, said, wanted)
    if times := _times_alone(truth, said, day):
        return _compare_times(times, said)
    if numbers(truth) and (_COUNTING.search(question) or _is_a_number(truth)):
        return _compare_numbers(question, truth, said)
    return _compare_content(question, truth, said)


def _times_alone(truth: str, said: str, day: date | None) -> list[TimeSpan]:
    """The times of a truth that says nothing else; a year that it leaves out is the answer's, or the question's."""
    named = find_times(said)
    anchor = named[0].span.start if named else day or _ANY_DAY
    times = find_times(truth, anchor, relative=False)
    return [] if set(content(_without(truth, times))) - _TIME_STEMS else [expression.span for expression in times]


def _is_a_number(truth: str) -> bool:
    return sum(not stem[:1].isdigit() for stem in content(_UNIT.sub(" ", truth))) <= 1


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
    anchor = wanted[0].start
    if not find_times(said, anchor, relative=False):
        said = f"in {said}"  # "December" alone is a month where a time is looked for
    heard = [_exact(said, expression) for expression in find_times(said, anchor, relative=False)][:TIMES_READ]
    if not heard:
        return False, f"The answer names no time; the ground truth is {_listed(wanted)}."
    right = all(any(_means(span, other) for other in heard) for span in wanted)
    return right, f"The answer's time {_listed(heard)} {'is' if right else 'is not'} within {_listed(wanted)}."


def _exact(text: str, expression: TimeExpression) -> TimeSpan:
    """The time of an expression; "three weeks before 11 March 2025" is a day, though it may be said of a week."""
    if not _COUNTED_WEEKS.match(text, expression.start):
        return expression.span
    day = expression.span.start + timedelta(days=expression.span.days // 2)
    return TimeSpan(day, day, "day")


def _means(wanted: TimeSpan, heard: TimeSpan) -> bool:
    """Whether `heard` lies within `wanted`, or is a week that shares most of its days with that week."""
    shared = (min(wanted.end, heard.end) - max(wanted.start, heard.start)).days + 1
    weeks = wanted.precision == "week" and heard.days <= wanted.days + 1
    return wanted.covers(heard) or (weeks and heard.days >= 5 and shared > heard.days / 2)


def _listed(spans: list[TimeSpan]) -> str:
    return " and ".join(map(str, spans))


def _compare_numbers(question: str, truth: str, said: str) -> tuple[bool, str]:
    """Counts of an answer: its dates and the numbers that only enumerate a list are none.

    The unit may be left out where the question has it: "three" to "How many years?" and to "How old?".
    """
    counted = _AFTERWORD.split(truth)[0]
    wanted = numbers(counted) or numbers(truth)
    heard = numbers(_ENUMERATION.sub(" ", _without(said, find_times(said))))
    units, named = _units(counted), _units(said)
    implied = _units(question) | ({"year"} if _AGE.search(question) else set())
    right = wanted <= heard and (not units or bool(units & named) or (not named and units <= implied))
    figures = ", ".join(f"{number:g}" for number in sorted(heard)) or "no number"
    return right, f"The ground truth counts {truth.strip()!r}; the answer has {figures}."


def _units(text: str) -> set[str]:
    return {unit.lower() for unit in _UNIT.findall(text)}


def _compare_content(question: str, truth: str, said: str) -> tuple[bool, str]:
    """The share of the truth's words that the answer holds; what follows a semicolon in it only explains."""
    truth = truth.split(";")[0]
    held = recall(question, truth, said)
    if held is None:
        same = words(truth) == words(said)
        return same, f"The answer {'repeats' if same else 'does not repeat'} the ground truth {truth.strip()!r}."
    if contradict(truth, first_sentence(said)):
        return False, "One of the ground truth and the answer denies what the other says."
    brief = len(set(content(said)) - set(content(question))) <= BRIEF
    items = [share for share in (recall(question, item, said) for item in _COMMA.split(truth)) if share is not None]
    if len(items) > 1:
        found, enough = sum(share >= ITEM_ENOUGH for share in items), BRIEF_LIST_ENOUGH if brief else LIST_ENOUGH
        return found / len(items) >= enough, f"The answer holds {found} of {len(items)} items of the ground truth."
    enough = BRIEF_ENOUGH if brief else ENOUGH
    return held >= enough, f"The answer holds {held:.0%} of the ground truth's content; {enough:.0%} is enough."
