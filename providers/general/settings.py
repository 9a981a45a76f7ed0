"""Settings of a provider that a file defines: its own table ``[settings]``, and what all of them have."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from copy import copy
from typing import Annotated, Any, ClassVar  # Any: what create_model takes

from pydantic import Field, SecretStr, create_model, model_validator

from providers.base import ProviderSettings
from providers.general.templates import Scope
from vocabulary import ConfigurationError, SearchOnly

OWN = frozenset({"base_url", "api_key", "timeout", "indexing_timeout"})
"""Names that a file cannot give to settings of its own."""


class GeneralSettings(ProviderSettings):
    """What can be set about each of them."""

    of_a_file: ClassVar[bool] = False

    timeout: float = Field(60.0, gt=0, exclude=True, description="seconds that one request may take")

    @model_validator(mode="after")
    def _file_is_given(self) -> GeneralSettings:
        if not self.of_a_file:
            raise ConfigurationError("it needs a file, as in --provider http:FILE.toml or mcp:FILE.toml")
        return self

    @property
    def scope(self) -> Scope:
        """The values of placeholders: the settings that the file has of its own."""
        own = type(self).model_fields.keys() - OWN
        return {f"settings.{name}": getattr(self, name) for name in own}


def settings_class(
    base: type[GeneralSettings],
    defaults: Mapping[str, object],
    own: Mapping[str, str | int | float | bool],
    *,
    searched: Collection[str],
    key: Callable[[], SecretStr] | None,
) -> type[GeneralSettings]:
    """`base` with the file's `defaults` and its `own` settings, and a key if it needs one.

    Those of its own that are `searched` change nothing before the search.
    """
    fields: dict[str, Any] = {
        name: (Annotated[type(value), SearchOnly()] if name in searched else type(value), Field(value))
        for name, value in own.items()
    }
    for name, value in defaults.items():
        field = copy(base.model_fields[name])
        field.default = value
        fields[name] = (field.annotation, field)
    if key is not None:
        description = "the key; no option, for reports show the command"
        fields["api_key"] = (SecretStr, Field(default_factory=key, exclude=True, description=description))
    made: type[GeneralSettings] = create_model(base.__name__, __base__=base, **fields)
    made.of_a_file = True
    return made


def key_from(variable: str, at: Callable[[str], str]) -> Callable[[], SecretStr]:
    """Reads a key from the environment when it is needed; raises `ConfigurationError`, `at` its place, without one."""

    def read() -> SecretStr:
        value = os.environ.get(variable, "")
        if not value:
            raise ConfigurationError(at(f"set the environment variable {variable} to the key of the service"))
        return SecretStr(value)

    return read
