"""The labelled set that judges are audited with: ``audit_set.toml``, read into items."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from pydantic import Field

from vocabulary import Answer, Gold, Question, VerdictLabel, Word

AUDIT_SET = Path(__file__).with_name("audit_set.toml")

Kind = Literal[
    "right",
    "reworded",
    "rightly-refused",
    "partly-right",
    "vague",
    "wrong-entity",
    "wrong-date",
    "off-by-one-day",
    "contradicting",
    "refused",
    "invented",
]
"""What an answer is like; `LABELS` has what each is worth.

right: in the words of the ground truth, or nearly. reworded: right in other words or another form. rightly-refused:
declines what cannot be answered. partly-right: some of the things asked for, and not all. vague: on topic, nowhere
false, and without what was asked for. wrong-entity: another person, thing, place or number. wrong-date: another date or
year. off-by-one-day: the day before or after, or one day too many or too few. contradicting: denies what the question
and the ground truth say. refused: declines what can be answered. invented: answers what cannot be answered.
"""

LABELS: dict[Kind, VerdictLabel] = {
    **dict.fromkeys(get_args(Kind), "wrong"),
    "right": "correct",
    "reworded": "correct",
    "rightly-refused": "correct",
    "refused": "abstained",
}
"""The label of each kind by a strict reading."""


class AuditItem(NamedTuple):
    """One question with one answer to it, and what that is worth.

    `id` is ``QUESTION/KIND/NUMBER``. `right_under` names the protocols whose rules let the answer pass although it is
    wrong by a strict reading.
    """

    id: str
    question: Question
    gold: Gold
    answer: Answer
    kind: Kind
    right_under: tuple[str, ...]

    @property
    def question_name(self) -> str:
        """Items of one question are not independent of each other."""
        return self.id.partition("/")[0]

    def label(self, protocol: str) -> VerdictLabel:
        """What a careful reader would say by the rules of `protocol`, given with or without its version."""
        return "correct" if protocol.partition("/")[0] in self.right_under else LABELS[self.kind]

    def gold_for(self, protocol: str) -> Gold:
        """The truth as a judge under `protocol` gets it: LongMemEval has a rule for times, and a name of its own."""
        if self.gold.question_type != "temporal" or protocol.partition("/")[0] != "longmemeval":
            return self.gold
        return self.gold.model_copy(update={"question_type": "temporal-reasoning"})


class _Answer(Word):
    text: str
    right_under: tuple[str, ...] = ()


class _Question(Word):
    id: str
    type: str
    text: str
    truth: str
    answers: dict[Kind, tuple[str | _Answer, ...]]
    asked: date | None = None
    answerable: bool = True


class _Set(Word):
    questions: tuple[_Question, ...] = Field(min_length=1)


def audit_items() -> list[AuditItem]:
    """All items, question by question."""
    return [item for question in _read().questions for item in _items(question)]


def audit_set_sha256() -> str:
    """Hash of what the set says, its comments apart: audits compare only over the same one."""
    return sha256(_read().model_dump_json().encode()).hexdigest()


def _read() -> _Set:
    return _Set.model_validate(tomllib.loads(AUDIT_SET.read_text(encoding="utf-8")))


def some_of(items: Sequence[AuditItem], limit: int) -> list[AuditItem]:
    """So many of `items` that all kinds are in it alike, always the same ones."""
    by_kind: dict[Kind, list[AuditItem]] = defaultdict(list)
    for item in items:
        by_kind[item.kind].append(item)
    rows = [(number, item) for of_kind in by_kind.values() for number, item in enumerate(of_kind)]
    chosen = {item.id for _number, item in sorted(rows, key=lambda row: row[0])[:limit]}
    return [item for item in items if item.id in chosen]


def _items(found: _Question) -> Iterator[AuditItem]:
    asked = None if found.asked is None else datetime.combine(found.asked, time(12))
    for kind, answers in found.answers.items():
        for number, answer in enumerate(answers, start=1):
            given = answer if isinstance(answer, _Answer) else _Answer(text=answer)
            yield AuditItem(
                id=f"{found.id}/{kind}/{number}",
                question=Question(id=found.id, text=found.text, date=asked),
                gold=Gold(question_type=found.type, ground_truth=found.truth, answerable=found.answerable),
                answer=Answer(hypothesis=given.text),
                kind=kind,
                right_under=given.right_under,
            )
