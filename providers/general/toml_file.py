"""A provider's TOML file: its content, the line of each key, and what is wrong with it in one line."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar  # Any: what TOML may hold

from pydantic import BaseModel, ValidationError

from vocabulary import ConfigurationError, did_you_mean

Key = Sequence[str | int]
M = TypeVar("M", bound=BaseModel)

_MOST_PROBLEMS = 3
_HEADER = re.compile(r"\s*\[\[?\s*(?P<name>[^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_ENTRY = re.compile(
    r"""\s*(?P<key>(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


@dataclass(frozen=True)
class TomlFile:
    """A file that was read. `shown` is its name as the user gave it."""

    shown: str
    text: str
    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path, shown: str) -> TomlFile:
        """Raises `ConfigurationError` with one line if there is no such file, or it is no TOML."""
        try:
            text = path.read_text(encoding="utf-8")
            return cls(shown, text, tomllib.loads(text))
        except FileNotFoundError:
            raise ConfigurationError(f"{shown}: there is no such file.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{shown} cannot be read: {error}.") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{shown} is not TOML: {error}.") from None

    @property
    def digest(self) -> str:
        """Eight hex digits of the content; comments and layout do not change them."""
        written = json.dumps(self.content, sort_keys=True, default=str)
        return hashlib.sha256(written.encode()).hexdigest()[:8]

    def parsed(self, model: type[M]) -> M:
        """The content as `model`; raises `ConfigurationError` with one line that names file, line and key."""
        try:
            return model.model_validate(self.content)
        except ValidationError as error:
            raise self.error(_problem(model, one) for one in error.errors(include_url=False)) from None

    def error(self, problems: Iterable[tuple[Key, str]]) -> ConfigurationError:
        """One error with the first of the `problems`, each a key and what is wrong with it."""
        lines = [self.at(key, message) for key, message in problems]
        more = f"; and {len(lines) - _MOST_PROBLEMS} more" if len(lines) > _MOST_PROBLEMS else ""
        return ConfigurationError("; ".join(lines[:_MOST_PROBLEMS]) + more)

    def at(self, key: Key, message: str) -> str:
        """`message` with file, line and key in front of it."""
        return f"{self.shown}:{self.line(key)}: {'.'.join(map(str, key)) or 'the file'}: {message}"

    def line(self, key: Key) -> int:
        """The line of `key`, or of the nearest thing around it that has one; 1 if nothing has."""
        wanted = tuple(str(part) for part in key if isinstance(part, str))
        best, found = 0, 1
        table: tuple[str, ...] = ()
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := _HEADER.match(line):
                table = here = _parts(header["name"])
            elif entry := _ENTRY.match(line):
                here = table + _parts(entry["key"])
            else:
                continue
            if best < len(here) <= len(wanted) and wanted[: len(here)] == here:
                best, found = len(here), number
        return found


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(key))


def _problem(model: type[BaseModel], problem: Any) -> tuple[Key, str]:  # one of pydantic's errors()
    key = tuple(part for part in problem["loc"] if part != "[key]")
    if problem["type"] == "extra_forbidden":
        known = _fields(model, key[:-1])
        return key, f"there is no such key.{did_you_mean(str(key[-1]), known)} Known: {', '.join(sorted(known))}"
    if problem["type"] == "missing":
        return key, "is needed and missing"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return key, f"{message[0].lower()}{message[1:]}, and is {str(problem['input'])[:80]!r}"


def _fields(model: type[BaseModel], key: Key) -> set[str]:
    """The keys that may stand in the table `key`."""
    for part in key:
        kinds = [model.model_fields[str(part)].annotation] if part in model.model_fields else []
        kinds += [one for kind in kinds for one in getattr(kind, "__args__", ())]
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not inner:
            return set()
        model = inner[0]
    return set(model.model_fields)
