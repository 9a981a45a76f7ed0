"""``python -m bench providers``: what each memory system does by its nature, and what can be set about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from providers import Provider
from reports.show import grid

_COLUMNS = (
    *("provider", "needs", "interface", "runs", "gives back", "provenance", "knows dates", "honours top-k"),
    "a session sent twice",
)


_NARROW = ("provider", "gives back", "provenance", "needs")
_WIDE = ("provider", "interface", "gives back", "provenance", "knows dates", "honours top-k", "needs")
"""The columns that a terminal has room for, of less than 140 columns and of more."""


def provider_rows(providers: Mapping[str, type[Provider]]) -> list[tuple[str, ...]]:
    """What each memory system does, below the names of the columns, in the order of their names."""
    return [_COLUMNS, *((f"`{name}`", *_cells(provider)) for name, provider in sorted(providers.items()))]


def _settings_rows(provider: type[Provider]) -> list[tuple[str, ...]]:
    """What can be set: name, default, environment variable if it has one, and what it is."""
    prefix = provider.Settings.model_config.get("env_prefix")
    rows: list[tuple[str, ...]] = [("setting", "default", "variable", "")]
    for name, field in provider.Settings.model_fields.items():
        variable = f"`{prefix}{name}`".upper() if prefix else ""
        rows.append((f"`{name}`", _default(field), variable, field.description or ""))
    return rows


def provider_settings_table(
    provider: type[Provider], table: Callable[[Sequence[Sequence[str]]], Iterable[str]]
) -> Iterable[str]:
    """What can be set about a memory system, as a `table`: `markdown` or `terminal_table`."""
    rows = _settings_rows(provider)
    return table(rows) if len(rows) > 1 else [f"{provider.name} has nothing to set."]


def markdown(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """`rows`, the names of the columns first, as a Markdown table."""
    for place, row in enumerate(rows):
        yield "| " + " ".join(f"{cell} |" if cell else "|" for cell in row)
        if place == 0:
            yield "|" + "---|" * len(row)


def terminal_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """`rows` for a terminal, in its width; some columns are in the Markdown table alone."""
    width = shutil.get_terminal_size().columns
    wanted = (*(_WIDE if width >= 140 else _NARROW), "setting", "default", "", *(["variable"] if width >= 140 else []))
    kept = [name for name in (*_WIDE, "setting", "default", "variable", "") if name in wanted and name in rows[0]]
    places = [list(rows[0]).index(name) for name in kept]
    plain = [[row[place].replace("`", "") for place in places] for row in rows]
    return grid(plain, width, wrapped=(len(kept) - 1,))


def _cells(provider: type[Provider]) -> Iterator[str]:
    able = provider.capabilities
    yield able.needs
    yield provider.api or "-"
    yield _runs(provider)
    if not able.finds:
        yield from ("nothing", "-", "-", "-")
    else:
        yield "what was said" if able.verbatim else "what was understood"
        yield able.provenance
        yield "yes" if able.dates else "no"
        yield "yes" if able.ranked else "no"
    yield "is there once" if able.repeatable else "may be there twice"


def _runs(provider: type[Provider]) -> str:
    if provider.limits.containers == "one-process":
        return "here, a container in one process"
    return "here" if provider.limits.scope == "process" else "as a service"


def _default(field: FieldInfo) -> str:
    if field.annotation is SecretStr:
        return "from its variable"
    if field.default is PydanticUndefined:
        return "must be given"
    if field.default in (None, ""):
        return ""
    values = field.default if isinstance(field.default, tuple) else (field.default,)
    return f"`{','.join(map(str, values))}`"
