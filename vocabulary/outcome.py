"""What came of a question: search results, an answer, a verdict."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, FiniteFloat, JsonValue

from vocabulary.text import Text
from vocabulary.usage import Usage
from vocabulary.word import Word, is_none

Phase = Literal["ingest", "search", "answer", "judge"]
PHASES: tuple[Phase, ...] = ("ingest", "search", "answer", "judge")

VerdictLabel = Literal["correct", "wrong", "abstained"]
"""`abstained`: the answer declined although the question can be answered. Declining rightly is `correct`."""


class SearchResult(Word):
    """One thing that a provider found.

    `text` is what an answering model will read. `timestamp` is when it was said, if the provider knows. `session_ids`
    and `message_ids` say where it comes from, if the provider can tell; `raw` is the provider's own record of it.
    """

    text: Text
    score: FiniteFloat | None = None
    timestamp: datetime | None = None
    session_ids: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    raw: JsonValue = None


class Answer(Word):
    """What the answering model said; the text is the `hypothesis`, "" when it said nothing.

    `model` is what the server calls the model, None without one. `context_tokens` is the estimated size of what the
    model was given to read, None where it was given all that was found.
    """

    hypothesis: Text
    usage: Usage | None = None
    model: Text | None = None
    context_tokens: int | None = None


class Nugget(Word):
    """How far an answer meets a nugget of the question's rubric (`Gold.rubric`): 0, 0.5 or 1, and why."""

    score: float = Field(ge=0, le=1, multiple_of=0.5)
    reason: Text = ""


class Vote(Word):
    """One of several gradings of an answer: the judge's name as it was asked for, and which of its repeats it is.

    `corrected` is its label by `Gold.corrected`, where that expects another answer.
    """

    judge: str
    repeat: int
    label: VerdictLabel
    explanation: Text
    usage: Usage | None = None
    model: Text | None = None
    nuggets: tuple[Nugget, ...] = ()
    order: FiniteFloat | None = None
    corrected: VerdictLabel | None = Field(default=None, exclude_if=is_none)


class Verdict(Word):
    """How a judge graded an answer, and why in a sentence.

    `model` is what the server calls the judge's model, None without one. Where several judges or repeats voted, `votes`
    has them all, and the label is that of the majority. `nuggets` are the grades of the rubric, in its order, and
    `order` says how well the order of events was kept (0 to 1), where the protocol grades these. `corrected` is the
    verdict by `Gold.corrected`, where it expects another answer.
    """

    label: VerdictLabel
    explanation: Text
    usage: Usage | None = None
    model: Text | None = None
    votes: tuple[Vote, ...] = ()
    nuggets: tuple[Nugget, ...] = ()
    order: FiniteFloat | None = None
    corrected: Verdict | None = Field(default=None, exclude_if=is_none)

    @property
    def correct(self) -> bool:
        """Whether the answer counts."""
        return self.label == "correct"
