"""Objects as replies: the schema that a server is asked to keep to, and the reading of what it sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from llms.clients.reasoning import without_reasoning
from net import excerpt
from vocabulary import ReplyError

Reply = TypeVar("Reply", bound=BaseModel)

_OPENING = re.compile(r'\{(?=\s{0,99}")')
_DECODER = json.JSONDecoder(strict=False)
_LONGEST = 20_000  # characters of a reply, from its end, in which objects are looked for

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


def read_reply(reply: type[Reply], text: str, reasoned: str | None = None) -> Reply:
    """The object in a model's reply: the whole `text`, or else the last one that fits in it.

    `reasoned` is the text without its reasoning, in which objects are looked for that do not stand alone. Raises
    `ReplyError` if there is none.
    """
    rest = without_reasoning(text) if reasoned is None else reasoned
    wrong: ValidationError | None = None
    for candidate in _candidates(text.strip().removeprefix("\ufeff"), rest):
        try:
            return reply.model_validate_json(candidate)
        except ValidationError as error:
            wrong = wrong or error
    message = "it is empty" if wrong is None else _problems(wrong)
    raise ReplyError(f"the reply is not a {reply.__name__}: {message}. It begins {excerpt(text)!r}.")


def _candidates(text: str, rest: str) -> Iterator[str]:
    if text:
        yield text
    yield from reversed(list(_objects(rest[-_LONGEST:])))


def _objects(text: str) -> Iterator[str]:
    """The whole JSON objects that are in no other."""
    end = 0
    while begin := _OPENING.search(text, end):
        try:
            value, end = _DECODER.raw_decode(text, begin.start())
        except RecursionError:
            return  # nothing that was asked for is nested so deep, and each of its braces would be tried
        except ValueError:
            end = begin.end()
        else:
            yield json.dumps(value)


def _problems(error: ValidationError) -> str:
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
