"""Templates of requests: trees of JSON whose texts hold placeholders such as ``{session.id}``. Data, never code.

A text that is one placeholder becomes its value, a number or list as it is; in a longer text values are written out.
``{session.date|unset}`` has a default. What has no value and no default is left out of its object or list. A table
with the two keys ``each`` and ``item`` becomes a list: ``item`` once for each message.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

Scope = Mapping[str, JsonValue]
"""Values by the names of placeholders."""

EACH = "message"
_LOOP = {"each", "item"}


class Placeholder(NamedTuple):
    """A placeholder in a text, after `literal`; `name` is None at the end of the text."""

    literal: str
    name: str | None
    default: str | None


def pieces(text: str) -> list[Placeholder]:
    """The parts of a text; raises `ValueError` if it is no template."""
    found = []
    for literal, field, spec, conversion in string.Formatter().parse(text):
        if field is None:
            found.append(Placeholder(literal, None, None))
            continue
        if spec or conversion:
            raise ValueError(f"a placeholder is {{name}} or {{name|default}}, not {text!r}")
        name, bar, default = field.partition("|")
        found.append(Placeholder(literal, name, default if bar else None))
    return found


def fill(template: JsonValue, scope: Scope, messages: Sequence[Scope] = ()) -> JsonValue:
    """The template with its values; None where it is one placeholder without a value.

    `messages` are the values that a loop adds to `scope`, for each message.
    """
    if isinstance(template, str):
        return _filled(template, scope)
    if isinstance(template, list):
        return [value for one in template if (value := fill(one, scope, messages)) is not None]
    if isinstance(template, dict):
        if set(template) == _LOOP:
            return [fill(template["item"], {**scope, **message}) for message in messages]
        filled = ((name, fill(value, scope, messages)) for name, value in template.items())
        return {name: value for name, value in filled if value is not None}
    return template


def fill_text(template: str, scope: Scope, quoted: Callable[[str], str] = str) -> str | None:
    """A text with each value written out and `quoted`; None if one of them is missing."""
    text = ""
    for literal, name, default in pieces(template):
        text += literal
        if name is not None:
            value = scope.get(name)
            value = default if value is None else value
            if value is None:
                return None
            text += quoted(written(value))
    return text


def written(value: JsonValue) -> str:
    """A value in a text: ``true`` and ``false`` as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _filled(template: str, scope: Scope) -> JsonValue:
    parts = pieces(template)
    if len(parts) == 1 and parts[0].name is not None and not parts[0].literal:
        value = scope.get(parts[0].name)
        return parts[0].default if value is None else value
    return fill_text(template, scope)


def names_in(template: JsonValue) -> set[str]:
    """The placeholders of a template."""
    return {name for _key, text, _looped in _texts(template) for _literal, name, _default in pieces(text) if name}


def problems(template: JsonValue, allowed: Collection[str], looped: Collection[str]) -> Iterator[tuple[list[str], str]]:
    """What is wrong with a template, each with its place in it. `looped` are allowed inside of loops too."""
    for key, text, inside in _texts(template):
        known = {*allowed, *(looped if inside else ())}
        if inside and not looped:
            yield key, 'a loop over messages is for the body of [add] with each = "session"'
            continue
        try:
            unknown = [name for _literal, name, _default in pieces(text) if name is not None and name not in known]
        except ValueError as error:
            yield key, f"{error}. A brace that is meant is written twice"
            continue
        if unknown:
            yield key, f"there is no {{{unknown[0]}}} here. Known: {', '.join(sorted(known))}"
    yield from _wrong_loops(template, [])


def _texts(template: JsonValue, key: Sequence[str] = (), looped: bool = False) -> Iterator[tuple[list[str], str, bool]]:
    """Each text of a template with its place, and whether it is in a loop."""
    if isinstance(template, str):
        yield list(key), template, looped
    elif isinstance(template, list):
        for one in template:
            yield from _texts(one, key, looped)
    elif isinstance(template, dict):
        is_loop = set(template) == _LOOP
        for name, value in template.items():
            if not (is_loop and name == "each"):
                yield from _texts(value, [*key, name], looped or is_loop)


def _wrong_loops(template: JsonValue, key: list[str]) -> Iterator[tuple[list[str], str]]:
    if isinstance(template, list):
        for one in template:
            yield from _wrong_loops(one, key)
    elif isinstance(template, dict):
        if set(template) == _LOOP and template["each"] != EACH:
            yield [*key, "each"], f"a loop is over each = {EACH!r}, not {template['each']!r}"
        for name, value in template.items():
            yield from _wrong_loops(value, [*key, name])
