"""Objects as replies: the schema that a server is asked to keep to, and the reading of what it sends."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from schema import ReplyError

Reply = TypeVar("Reply", bound=BaseModel)

EXCERPT_CHARACTERS = 300
"""How much of a reply or of an error's body is shown."""

# Servers that keep to a schema strictly know these words only in part; pydantic holds what they would have asked for.
_UNSENT = frozenset(
    (
        *("title", "default", "format", "pattern", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    )
)


@lru_cache(maxsize=64)
def schema_of(reply: type[BaseModel]) -> dict[str, JsonValue]:
    """The JSON schema of `reply` in the form that strict servers take: every field required, and no others allowed."""
    strict = _strict(reply.model_json_schema())
    assert isinstance(strict, dict)
    return strict


def read_reply(reply: type[Reply], text: str) -> Reply:
    """The object in a model's reply: the whole text or, from servers that do not keep to schemas, what is in braces.

    Raises `schema.ReplyError` if there is none.
    """
    found: ValidationError | None = None
    for candidate in _candidates(text):
        try:
            return reply.model_validate_json(candidate)
        except ValidationError as error:
            found = found or error
    wrong = "it is empty" if found is None else _told(found)
    raise ReplyError(f"the reply is not a {reply.__name__}: {wrong}. It begins {excerpt(text)!r}.")


def excerpt(text: str) -> str:
    """The beginning of a text, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= EXCERPT_CHARACTERS else text[:EXCERPT_CHARACTERS] + " …"


def _candidates(text: str) -> Iterator[str]:
    if text.strip():
        yield text
        begin, end = text.find("{"), text.rfind("}")
        if 0 <= begin < end:
            yield text[begin : end + 1]


def _told(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, problem["loc"]))
    return f"{place}: {problem['msg']}" if place else problem["msg"]


def _strict(part: JsonValue, *, names: bool = False) -> JsonValue:
    """`part` of a schema in strict form; `names` says that its keys are names of fields, not words of the language."""
    if isinstance(part, list):
        return [_strict(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = part if names else {word: value for word, value in part.items() if word not in _UNSENT}
    strict: dict[str, JsonValue] = {
        word: value if word in ("enum", "const", "required") and not names else _strict(value, names=_maps(word, names))
        for word, value in kept.items()
    }
    if not names and isinstance(fields := strict.get("properties"), dict):
        strict |= {"required": list(fields), "additionalProperties": False}
    return strict


def _maps(word: str, names: bool) -> bool:
    return not names and word in ("properties", "$defs")
