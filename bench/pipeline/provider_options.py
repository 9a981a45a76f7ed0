"""``--provider-option [PROVIDER.]NAME=VALUE``: settings of the chosen providers, checked before anything runs."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping

from pydantic import JsonValue, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from providers import Provider, ProviderSettings
from vocabulary import ConfigurationError, did_you_mean

Chosen = Mapping[str, type[Provider]]


def provider_settings(chosen: Chosen, options: Iterable[str]) -> dict[str, ProviderSettings]:
    """The settings of each of the `chosen` providers, by the names that they were chosen by.

    An option without a provider holds for all of them that have a setting of that name; one that names its provider
    comes before it. Raises `ConfigurationError` with one line for an option that nobody has, that is given
    twice, or whose value does not fit, and for settings that cannot work here.
    """
    for_all: dict[str, str] = {}
    for_one: dict[str, dict[str, str]] = {provider: {} for provider in chosen}
    for option in options:
        provider, name, value = _split(option, chosen)
        given = for_all if provider is None else for_one[provider]
        if given.setdefault(name, value) != value:
            raise ConfigurationError(f"--provider-option {option}: {name} is {given[name]!r} already. Give it once.")
        _check_name(option, name, chosen if provider is None else {provider: chosen[provider]})
    return {
        provider: _made(provider, found.Settings, {**_known(for_all, found), **for_one[provider]})
        for provider, found in chosen.items()
    }


def recorded_settings(settings: ProviderSettings) -> dict[str, JsonValue]:
    """What a report and a fingerprint hold of `settings`: all but secrets."""
    secret = {name for name, field in type(settings).model_fields.items() if _is_secret(field)}
    return settings.model_dump(mode="json", exclude=secret)


def _split(option: str, chosen: Chosen) -> tuple[str | None, str, str]:
    """Provider (None: each provider that has it), name and value."""
    left, equals, value = option.partition("=")
    if not (left and equals):
        raise ConfigurationError(f"--provider-option {option}: write it as NAME=VALUE or PROVIDER.NAME=VALUE.")
    for provider in sorted(chosen, key=len, reverse=True):  # a dotted path may begin like a name
        if left.startswith(f"{provider}."):
            return provider, left.removeprefix(f"{provider}."), value
    if "." in left:
        provider = left.rpartition(".")[0]
        raise ConfigurationError(
            f"--provider-option {option}: {provider} is not among the chosen providers: {', '.join(chosen)}."
        )
    return None, left, value


def _check_name(option: str, name: str, among: Chosen) -> None:
    fields = {provider: found.Settings.model_fields for provider, found in among.items()}
    having = [known[name] for known in fields.values() if name in known]
    if not having:
        guess = did_you_mean(name, {setting for known in fields.values() for setting in known})
        raise ConfigurationError(
            f"--provider-option {option}: there is no {name!r}.{guess} {'; '.join(_told(fields))}."
        )
    if any(_is_secret(field) for field in having):
        raise ConfigurationError(
            f"--provider-option {name}=…: a secret is not given on the command line, which reports show. "
            "Set the environment variable that its provider reads it from."
        )


def _told(fields: Mapping[str, Mapping[str, FieldInfo]]) -> Iterator[str]:
    for provider, known in fields.items():
        names = [name for name, field in known.items() if not _is_secret(field)]
        yield f"{provider} has {', '.join(names)}" if names else f"{provider} has nothing to set"


def _known(values: Mapping[str, str], found: type[Provider]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name in found.Settings.model_fields}


def _made(provider: str, settings: type[ProviderSettings], values: Mapping[str, str]) -> ProviderSettings:
    try:
        return settings.model_validate_strings(dict(values))
    except ValidationError as error:
        raise ConfigurationError("; ".join(what_is_wrong(provider, settings, error))) from None
    except ConfigurationError as error:
        raise ConfigurationError(f"provider {provider}: {error}") from error


def what_is_wrong(provider: str, settings: type[ProviderSettings], error: ValidationError) -> Iterator[str]:
    """Each problem with the settings of a provider in a few words, with the way out."""
    return (_wrong(provider, settings, problem) for problem in error.errors())


def _wrong(provider: str, settings: type[ProviderSettings], problem: typing.Any) -> str:  # one of pydantic's errors()
    name = ".".join(str(part) for part in problem["loc"])
    message = f"{problem['msg'][0].lower()}{problem['msg'][1:]}"
    if problem["type"] == "missing" and _is_secret(settings.model_fields[name]):
        variable = f"{settings.model_config.get('env_prefix', '')}{name}".upper()
        return f"provider {provider} needs its {name}: set the environment variable {variable}"
    if problem["type"] == "missing":
        return f"provider {provider} needs --provider-option {name}=VALUE"
    return f"--provider-option {provider}.{name}={problem['input']}: {message}"


def _is_secret(field: FieldInfo) -> bool:
    kinds = (field.annotation, *typing.get_args(field.annotation))
    return SecretStr in kinds or SecretBytes in kinds
