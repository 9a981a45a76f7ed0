"""By which rules a language model grades: protocols, each with a version (`docs/judging.md` has them as tables).

A protocol chooses the rubric that fits a question and writes what the judge is sent. Gold reaches the judge as text
alone: no ids, neither of evidence nor of questions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from judges import rubrics
from judges.nuggets import NUGGET_PROTOCOLS, NuggetProtocol
from judges.quoting import day, quoted
from judges.rubrics import Rubric
from llms.clients import ChatMessage
from vocabulary import Answer, Gold, Question, UnknownNameError, VerdictLabel


class Grade(BaseModel):
    """What a judge is asked to reply; that the verdict is one word keeps replies from contradicting themselves."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    reasoning: str = Field(description="What decided, in one or two short sentences.")
    verdict: Literal["correct", "declined", "wrong"]

    def label(self, gold: Gold) -> VerdictLabel:
        """The verdict in the words of reports: to decline is right where the question cannot be answered."""
        if self.verdict == "declined":
            return "abstained" if gold.answerable else "correct"
        return self.verdict


@dataclass(frozen=True, slots=True)
class Protocol:
    """Rules by the kind of question: `rubric` chooses among them by what is known of the question."""

    name: str
    version: int
    rubric: Callable[[Gold], Rubric]

    @property
    def id(self) -> str:
        """The name that records and reports have, such as ``locomo-lenient/1``."""
        return f"{self.name}/{self.version}"

    def messages(self, question: Question, gold: Gold, answer: Answer) -> tuple[ChatMessage, ChatMessage]:
        """What the judge is sent: the rules, which are the same for all questions of a kind; then this question."""
        rubric = self.rubric(gold)
        verdicts = rubrics.UNANSWERABLE_VERDICTS if rubric.declines_rightly else rubrics.ANSWERABLE_VERDICTS
        rules = rubric.rules.replace("{evidence}", str(_evidence(gold)))
        return (
            ChatMessage(role="system", content=rubrics.INSTRUCTIONS.format(rules=rules, verdicts=verdicts)),
            ChatMessage(role="user", content="\n\n".join((*_known(rubric, question, gold), quoted(answer.hypothesis)))),
        )


def find_protocol(name: str) -> Protocol | NuggetProtocol:
    """The protocol of that name, with or without its version; raises `UnknownNameError`."""
    for protocol in _all_protocols():
        if name in (protocol.name, protocol.id):
            return protocol
    raise UnknownNameError("judge protocol", name, protocol_names(), _HINT)


def protocol_names() -> tuple[str, ...]:
    """The protocols that can be asked for, as ``name/version``."""
    return tuple(sorted(protocol.id for protocol in _all_protocols()))


def _all_protocols() -> tuple[Protocol | NuggetProtocol, ...]:
    return (*PROTOCOLS.values(), *NUGGET_PROTOCOLS)


def _longmemeval(gold: Gold) -> Rubric:
    if not gold.answerable:  # 30 of its questions, whose types are those of the others
        return rubrics.UNANSWERABLE
    by_type = {
        "temporal-reasoning": rubrics.TEMPORAL,
        "knowledge-update": rubrics.UPDATE,
        "single-session-preference": rubrics.PREFERENCE,
    }
    return by_type.get(gold.question_type, rubrics.FACT)


def _locomo_lenient(gold: Gold) -> Rubric:
    return rubrics.LENIENT if gold.answerable else rubrics.REFUSAL


def _locomo_strict(gold: Gold) -> Rubric:
    return rubrics.STRICT if gold.answerable else rubrics.REFUSAL


def _convomem(gold: Gold) -> Rubric:
    if not gold.answerable:
        return rubrics.ABSTENTION
    if gold.question_type == "user_evidence":
        return rubrics.USER_FACTS if _evidence(gold) > 1 else rubrics.USER_FACT
    if gold.question_type in ("preference_evidence", "implicit_connection_evidence"):
        return rubrics.CRITERIA
    return rubrics.COMPLETE_FACT


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("convomem", 1, _convomem),
        Protocol("locomo-lenient", 1, _locomo_lenient),
        Protocol("locomo-strict", 1, _locomo_strict),
        Protocol("longmemeval", 1, _longmemeval),
    )
}

_HINT = "A name without a version means the newest; docs/judging.md has their rules."


def _evidence(gold: Gold) -> int:
    """How many statements the ground truth rests on: ConvoMem's category, else as many as could be placed."""
    return gold.category if isinstance(gold.category, int) else len(gold.evidence_messages)


def _known(rubric: Rubric, question: Question, gold: Gold) -> list[str]:
    asked = f" (asked on {day(question.date)})" if question.date else ""
    known = [f"The question{asked}:\n{question.text}", f"{rubric.truth}:\n{gold.ground_truth}"]
    if gold.trap is not None:
        known.append(f"A tempting answer that is wrong:\n{gold.trap}")
    return known
