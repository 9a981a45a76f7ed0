"""``--param NAME=SPEC`` and ``--space FILE.toml``: other bounds and choices than those that are declared."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tuner.spaces.space import Parameter, Space
from vocabulary import ConfigurationError, SettingValue

_RANGE = re.compile(r"(?P<low>\S+?)\.\.(?P<high>\S+)(?: step (?P<step>\S+))?(?P<log> log)?")
_FORMS = 'write it as NAME=LOW..HIGH, "NAME=LOW..HIGH step STEP", "NAME=LOW..HIGH log" or NAME=VALUE|VALUE'


def narrow(space: Space, params: Iterable[str], file: Path | None) -> Space:
    """`space` as `params` and the TOML `file` have it; what is given to `params` comes first.

    Raises `ConfigurationError` for what cannot be read or does not fit.
    """
    changes: dict[str, Mapping[str, Any]] = dict(_read(file)) if file else {}
    known = {parameter.name: parameter for parameter in space}
    for text in params:
        name, equals, spec = text.partition("=")
        if not (name and equals and spec):
            raise ConfigurationError(f"--param {text}: {_FORMS}.")
        changes[name] = parse(known[name], spec) if name in known else {}
    return space.narrowed(changes)


def parse(parameter: Parameter, spec: str) -> dict[str, Any]:
    """What `spec` says of `parameter`."""
    if parameter.kind == "choice":
        return {"choices": tuple(_choice(parameter, text.strip()) for text in spec.split("|"))}
    found = _RANGE.fullmatch(spec.strip())
    if found is None:
        raise ConfigurationError(f"--param {parameter.name}={spec}: {_FORMS}.")
    whole = parameter.kind == "int"
    numbers = {
        name: _number(parameter, found[name], whole=whole)
        for name in ("low", "high", "step")
        if found[name] is not None
    }
    return {"step": None, **numbers, "log": bool(found["log"])}


def _number(parameter: Parameter, text: str, *, whole: bool) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        kind = "whole number" if whole else "number"
        raise ConfigurationError(f"--param {parameter.name}: {text!r} is no {kind}. {_FORMS.capitalize()}.") from None


def _choice(parameter: Parameter, text: str) -> SettingValue:
    """A declared choice by its text, else the text as a value of the same kind."""
    for choice in parameter.choices:
        if text == str(choice) or text.lower() == str(choice).lower():
            return choice
    kinds = {type(choice) for choice in parameter.choices} - {type(None)}
    for kind in (int, float):
        if kinds == {kind}:
            return _number(parameter, text, whole=kind is int)
    if kinds == {str}:
        return text
    raise ConfigurationError(f"--param {parameter.name}: {text!r} is none of {parameter.describe()}.")


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """A table for each parameter, such as ``[rrf_k]`` with ``low``, ``high``, ``step``, ``log`` or ``choices``."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"--space {file} cannot be read: {error}.") from error
    changes: dict[str, dict[str, Any]] = {}
    for name, table in tables.items():
        unknown = set(table) - {"low", "high", "step", "log", "choices"} if isinstance(table, dict) else {name}
        if unknown or not table:
            raise ConfigurationError(
                f"--space {file}: [{name}] has {', '.join(sorted(unknown)) or 'nothing'}; a parameter's table has low, "
                "high, step, log or choices."
            )
        changes[name] = {key: tuple(value) if key == "choices" else value for key, value in table.items()}
    return changes
