"""The base of all shared words."""

from pydantic import BaseModel, ConfigDict


class Word(BaseModel):
    """A value: it cannot be changed once it is made, and it refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
