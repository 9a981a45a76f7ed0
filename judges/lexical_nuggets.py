"""The lexical judge by a rubric: how much of each nugget's content an answer holds."""

from __future__ import annotations

import re

from judges.content import first_words, is_refusal, numbers, recall
from judges.event_order import event_order
from judges.nuggets import NuggetProtocol, lines_of
from vocabulary import Answer, Gold, Nugget, Question, Verdict

LONGEST = 400
"""An answer is judged by this many of its first words: a summary needs them, and pasting all results is cut there."""

FULL, PARTLY = 0.6, 0.3
"""The share of a nugget's content that an answer must hold for 1 and for 0.5.

Chosen on half of the chats of BEAM 1M that mem0 published grades of; `docs/beam.md` has the agreement on the others.
"""

SAME_EVENT = 0.5
"""The share of an event's content that a line must hold to tell it."""

_WRAPPER = re.compile(r"^\s*(?:the )?LLM response should[^:]{0,40}:\s*", re.IGNORECASE)
"""What BEAM puts before what a nugget is about."""


def grade_nuggets(protocol: NuggetProtocol, question: Question, gold: Gold, answer: Answer) -> Verdict:
    """Grade `answer` nugget by nugget: by refusal where the question cannot be answered, else by its words."""
    if not answer.hypothesis.strip():
        return protocol.of_nothing(gold)
    refused = is_refusal(answer.hypothesis.strip())
    said = first_words(answer.hypothesis, LONGEST)
    order = None
    if not gold.answerable or refused:
        right = refused and not gold.answerable
        reason = "The answer declines." if refused else "An answer was given."
        graded = [Nugget(score=float(right), reason=reason) for _nugget in protocol.nuggets(gold)]
    else:
        graded = [_grade(question.text, _WRAPPER.sub("", nugget), said) for nugget in protocol.nuggets(gold)]
    if protocol.grades_order(gold):
        order = event_order([(line, _event_of(line, gold.rubric)) for line in lines_of(answer)], len(gold.rubric))
    return protocol.verdict(gold, graded, order)


def _grade(question: str, nugget: str, said: str) -> Nugget:
    held = recall(question, nugget, said)
    if held is None:
        return Nugget(score=0.0, reason="The nugget has no word that carries meaning.")
    missing = numbers(nugget) - numbers(said)
    score = 0.0 if held < PARTLY else 0.5 if held < FULL or missing else 1.0
    lacks = f", and lacks {', '.join(f'{number:g}' for number in sorted(missing))}" if missing else ""
    return Nugget(score=score, reason=f"The answer holds {held:.0%} of the nugget's content{lacks}.")


def _event_of(line: str, events: tuple[str, ...]) -> int | None:
    """The number of the event that a line tells, the first of those that it holds most of."""
    held = [recall("", event, line) or 0.0 for event in events]
    best = max(range(len(held)), key=held.__getitem__)
    return best if held[best] >= SAME_EVENT else None
