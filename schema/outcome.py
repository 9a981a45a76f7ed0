"""What came of a question: search results, an answer, a verdict, and what they used up."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from schema.word import Word

VerdictLabel = Literal["correct", "wrong", "abstained"]
"""`abstained`: the answer declined although the question can be answered. Declining rightly is `correct`."""


class Usage(Word):
    """What model calls used, in tokens as the server counted them.

    `input_tokens` are all that were read, `cached_tokens` and `cache_write_tokens` those of them that a cache gave or
    took. `output_tokens` are all that were written, `reasoning_tokens` those of them that nobody sees. `calls` counts
    the requests that were answered, `batched` those of them that went through a batch endpoint, at its lower price.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    calls: int = 1
    batched: int = Field(default=0, exclude_if=lambda calls: not calls)

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in Usage.model_fields})


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
    """What the answering model said; the text is the `hypothesis`, "" when it said nothing.

    `model` is what the server calls the model, None without one. `context_tokens` is the estimated size of what the
    model was given to read, None where it was given all that was found.
    """

    hypothesis: str
    usage: Usage | None = None
    model: str | None = None
    context_tokens: int | None = None


class Vote(Word):
    """One of several gradings of an answer: the judge's name as it was asked for, and which of its repeats it is."""

    judge: str
    repeat: int
    label: VerdictLabel
    explanation: str
    usage: Usage | None = None
    model: str | None = None


class Verdict(Word):
    """How a judge graded an answer, and why in a sentence.

    `model` is what the server calls the judge's model, None without one. Where several judges or repeats voted, `votes`
    has them all, and the label is that of the majority.
    """

    label: VerdictLabel
    explanation: str
    usage: Usage | None = None
    model: str | None = None
    votes: tuple[Vote, ...] = ()

    @property
    def correct(self) -> bool:
        """Whether the answer counts."""
        return self.label == "correct"
