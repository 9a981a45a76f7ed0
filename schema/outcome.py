"""What came of a question: search results, an answer, a verdict, and what they used up."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from schema.word import Word

VerdictLabel = Literal["correct", "wrong", "abstained"]
"""`abstained`: the answer declined although the question can be answered. Declining rightly is `correct`."""


class Usage(Word):
    """What a model call used, in tokens as its server counted them."""

    input_tokens: int = 0
    output_tokens: int = 0


class SearchResult(Word):
    """One thing that a provider found.

    `text` is what an answering model will read. `timestamp` is when it was said, if the provider knows. `session_ids`
    and `message_ids` say where it comes from, if the provider can tell; `raw` is the provider's own record of it.
    """

    text: str
    score: float | None = None
    timestamp: datetime | None = None
    session_ids: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    raw: JsonValue = None


class Answer(Word):
    """What the answering model said; the text is the `hypothesis`, "" when it said nothing."""

    hypothesis: str
    usage: Usage | None = None


class Verdict(Word):
    """How a judge graded an answer, and why in a sentence."""

    label: VerdictLabel
    explanation: str
    usage: Usage | None = None

    @property
    def correct(self) -> bool:
        """Whether the answer counts."""
        return self.label == "correct"
