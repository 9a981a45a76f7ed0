"""The format of a user's own data set: haystacks, sessions and questions, each a JSON object (`docs/own-data.md`).

These models are the format: they validate what is read, and the published JSON Schema is made from them.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import Annotated, Any  # Any: a JSON Schema

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, ValidationInfo, field_validator
from pydantic.json_schema import WithJsonSchema, models_json_schema

from vocabulary import Role, Text

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What names of questions and types look like: they are parts of test names and of options."""


def _read_time(value: object) -> object:
    """A time as it is on the speaker's clock: an offset is dropped, as haystacks have no time zones."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError("must be a time as in 2024-03-01 or 2024-03-01T18:30")
    return value.replace(tzinfo=None)


def _number_to_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _not_blank(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("must not be empty")
    return value


_TEXT: dict[str, Any] = {"type": ["string", "number"]}
_TIME: dict[str, Any] = {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}
Written = Annotated[Text, BeforeValidator(_not_blank)]
Id = Annotated[StrictStr, Field(min_length=1), BeforeValidator(_number_to_text), WithJsonSchema(_TEXT)]
Name = Annotated[StrictStr, Field(pattern=NAME), BeforeValidator(_number_to_text), WithJsonSchema(_TEXT)]
Time = Annotated[datetime, BeforeValidator(_read_time), WithJsonSchema(_TIME)]


class Entry(BaseModel):
    """A part of the format; fields that it does not know are refused, as they are misspelt more often than not."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class OwnMessage(Entry):
    """A message: its text, and who said it by `role`, by `speaker`, or both.

    Without a role the first speaker of the haystack is the user, and all others are the assistant. The time of a
    session's first message is the date of a session that has none.
    """

    text: Written
    speaker: Written | None = None
    role: Role | None = Field(default=None, validate_default=True)
    time: Time | None = None
    id: Id | None = None

    @field_validator("role")
    @classmethod
    def _somebody_speaks(cls, value: Role | None, info: ValidationInfo) -> Role | None:
        if value is None and "speaker" in info.data and info.data["speaker"] is None:
            raise ValueError("must be given where there is no speaker: user or assistant")
        return value


class OwnSession(Entry):
    """A conversation without a break. `haystack` names where a session belongs that has a line of its own."""

    messages: tuple[OwnMessage, ...] = Field(min_length=1)
    date: Time | None = None
    id: Id | None = None
    haystack: Id | None = None

    @property
    def began(self) -> datetime | None:
        """When it began, as far as it is known."""
        return self.date or self.messages[0].time


class OwnQuestion(Entry):
    """A question with its ground truth; `evidence` holds the ids of the messages or sessions that answer it.

    `answerable` is false where the right answer is that the haystack does not say; the ground truth may be left out
    then. `drafted_by` is the language model that proposed the question, if one did.
    """

    question: Written
    answerable: bool = True
    ground_truth: Annotated[Text, BeforeValidator(_number_to_text), WithJsonSchema(_TEXT)] = Field(
        default="", validate_default=True
    )
    type: Name = "question"
    evidence: tuple[Id, ...] = ()
    date: Time | None = None
    id: Name | None = None
    haystack: Id | None = None
    drafted_by: Written | None = None

    @field_validator("ground_truth")
    @classmethod
    def _truth_is_there(cls, value: str, info: ValidationInfo) -> str:
        if not value.strip() and info.data.get("answerable", True):
            raise ValueError("must be given, unless answerable is false")
        return value


class OwnHaystack(Entry):
    """All sessions of somebody, and questions about them."""

    sessions: tuple[OwnSession, ...] = Field(min_length=1)
    questions: tuple[OwnQuestion, ...] = ()
    id: Id | None = None


def dataset_schema() -> str:
    """The JSON Schema of a line as text, ending in a newline: what ``docs/dataset.schema.json`` must hold."""
    kinds = (OwnHaystack, OwnSession, OwnQuestion)
    references, definitions = models_json_schema([(kind, "validation") for kind in kinds])
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of a data set for MemoryBench",
        "anyOf": list(references.values()),
        **definitions,
    }
    return json.dumps(schema, indent=2) + "\n"
