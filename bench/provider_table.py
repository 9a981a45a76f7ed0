"""``python -m bench providers``: what each memory system does by its nature, and what can be set about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from providers import Provider

_COLUMNS = (
    *("provider", "needs", "interface", "runs", "gives back", "names its source", "knows dates", "keeps to top-k"),
    "a session sent twice",
)


def provider_table(providers: Mapping[str, type[Provider]]) -> Iterator[str]:
    """A Markdown table of capabilities, a line a provider, in the order of their names."""
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|" + "---|" * len(_COLUMNS)
    for name, provider in sorted(providers.items()):
        yield f"| `{name}` | {' | '.join(_cells(provider))} |"


def provider_settings_table(provider: type[Provider]) -> Iterator[str]:
    """A Markdown table of what can be set: name, default, environment variable if it has one, and what it is."""
    fields = provider.Settings.model_fields
    if not fields:
        yield f"{provider.name} has nothing to set."
        return
    prefix = provider.Settings.model_config.get("env_prefix")
    yield "| setting | default | variable | |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        variable = f"`{prefix}{name}`".upper() if prefix else ""
        yield f"| `{name}` | {_default(field)} | {variable} | {field.description or ''} |"


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
