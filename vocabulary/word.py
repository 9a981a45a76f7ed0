"""The base of all shared words."""

from pydantic import BaseModel, ConfigDict


def is_none(value: object) -> bool:
    """For fields that are left out of JSON where they say nothing (``exclude_if``)."""
    return value is None


class Word(BaseModel):
    """A value: it cannot be changed once it is made, and it refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
