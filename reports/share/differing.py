"""Where two files that should be the same differ: a figure by its path, a line by its byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any  # parsed JSON, walked by its own shape

_LONGEST = 160
ABSENT = "absent"
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Differing:
    """A value of the JSON `path` that is `given` and should be `computed`."""

    path: str
    given: str
    computed: str

    def __str__(self) -> str:
        return f"{self.path} is {self.given}, computed again {self.computed}"


def differing_figures(given: Any, computed: Any, path: str = "") -> Iterator[Differing]:
    """The innermost values in which two parsed JSON texts differ, in order."""
    if isinstance(given, dict) and isinstance(computed, dict):
        for key in dict.fromkeys((*given, *computed)):
            inner = f"{path}.{key}" if path else key
            yield from differing_figures(given.get(key, _ABSENT), computed.get(key, _ABSENT), inner)
    elif isinstance(given, list) and isinstance(computed, list):
        for index, (one, other) in enumerate(zip_longest(given, computed, fillvalue=_ABSENT)):
            yield from differing_figures(one, other, f"{path}[{index}]")
    elif type(given) is not type(computed) or given != computed:
        yield Differing(path or "the whole", _shown(given), _shown(computed))


def count_figures(value: Any) -> int:
    """How many innermost values a parsed JSON text has."""
    if isinstance(value, dict):
        return sum(map(count_figures, value.values()))
    return sum(map(count_figures, value)) if isinstance(value, list) else 1


def differing_lines(given: Path, computed: Path) -> Iterator[str]:
    """The lines in which two files of JSON lines differ: the first byte that does, and the values.

    Keys that only `computed` has are no difference: another version of the suite has added them.
    """
    for path, words in ((given, "missing"), (computed, "should not exist: nothing like it is computed")):
        if not path.exists():
            yield words
            return
    begun = 0
    with given.open("rb") as one, computed.open("rb") as other:
        for number, (line, expected) in enumerate(zip_longest(one, other, fillvalue=b""), start=1):
            if line != expected and (difference := _difference(line, expected)):
                byte = begun + next(
                    (place for place, (a, b) in enumerate(zip(line, expected, strict=False)) if a != b),
                    min(len(line), len(expected)),
                )
                yield f"byte {byte} (line {number}{_about(expected or line)}): {difference}"
            begun += len(line)


def _about(line: bytes) -> str:
    """Which question a line is about."""
    parsed = _parsed(line)
    if not isinstance(parsed, dict) or "question_id" not in parsed:
        return ""
    return f", {parsed['question_id']}{' of ' + str(parsed['provider']) if 'provider' in parsed else ''}"


def _difference(line: bytes, expected: bytes) -> str | None:
    if not line or not expected:
        return "the line is missing" if expected else "the line should not exist"
    one, other = _parsed(line), _parsed(expected)
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return "it is no line of JSON"
    known = {key: value for key, value in other.items() if key in one}
    found = next(differing_figures(one, known), None)
    if found is None and len(known) == len(other):
        return "the same values are written otherwise"
    return str(found) if found else None


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return _ABSENT


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return ABSENT
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
