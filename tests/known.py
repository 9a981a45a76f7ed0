"""For types: what a test knows to be there, or to be wrong; and any text."""

from __future__ import annotations

from typing import Any, TypeVar

from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

LETTERS = st.characters(exclude_categories=["Cs"])
"""What `st.text()` takes by itself, which costs each process three seconds and 200 MB."""


def known(value: T | None) -> T:
    """The value, which is not None."""
    assert value is not None
    return value


def fields(value: JsonValue) -> dict[str, JsonValue]:
    """The value, which is an object of JSON."""
    assert isinstance(value, dict)
    return value


def unchecked(kind: type[Model], **values: Any) -> Model:  # Any: wrong values are what is tested
    """An object whose fields nobody has checked."""
    return kind.model_construct(**values)
