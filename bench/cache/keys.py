"""What a step depends on, as a hash: the key that it has in the step cache."""

from __future__ import annotations

import inspect
import json
import sys
from functools import cache
from hashlib import blake2b
from pathlib import Path

from pydantic import SecretBytes, SecretStr

from providers import Provider, ProviderSettings
from reports.store import VERSION, ProviderRecord, read_versions
from vocabulary import SearchOnly, Tunable


def digest_of(*parts: str) -> str:
    """A short hash of texts, in their order."""
    return blake2b("\x1f".join(parts).encode(errors="surrogatepass"), digest_size=12).hexdigest()


def fingerprint_of(record: object) -> str:
    """A short hash of JSON."""
    return digest_of(json.dumps(record, sort_keys=True))


def ingest_identity(record: ProviderRecord, found: type[Provider], settings: ProviderSettings) -> str:
    """A hash of what the contents of a provider's containers depend on beside the data.

    A key is among it: another account has other containers.
    """
    searched = searched_settings(found.Settings)
    kept = {name: value for name, value in record.settings.items() if name not in searched}
    secrets = {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr | SecretBytes)}
    same = record.model_copy(update={"settings": kept}).model_dump(mode="json")
    return identity_of(found, same, {name: str(value) for name, value in secrets.items()}, computes_here=True)


def searched_settings(settings: type[ProviderSettings]) -> list[str]:
    """The settings that declare that they change nothing before the search."""
    return [
        name
        for name, field in settings.model_fields.items()
        for one in field.metadata
        if isinstance(one, SearchOnly) or (isinstance(one, Tunable) and one.changes != "ingest")
    ]


def identity_of(subject: type, *depends_on: object, computes_here: bool) -> str:
    """A hash of a participant's code and of what else it depends on, as JSON; with the packages if it computes here."""
    packages = _packages() if computes_here else None
    return fingerprint_of([VERSION, source_of(subject), packages, *depends_on])


@cache
def source_of(subject: type) -> str:
    """A hash of the code behind a class: of the packages of it and its bases, or of the folder of a lone module."""
    hashed = blake2b(digest_size=12)
    roots = {"vocabulary", *(one.__module__.partition(".")[0] for one in subject.__mro__)}
    if "judges" in roots:
        roots.add("llms")  # the models that judge
    for name in sorted(roots - sys.stdlib_module_names):
        package = sys.modules[name]
        folders = getattr(package, "__path__", None)
        if folders is None:
            files = [*Path(inspect.getfile(package)).parent.glob("*.py")]
        else:
            files = [file for folder in folders for file in Path(folder).rglob("*.py")]
        for file in sorted(files):
            hashed.update(f"{name}/{file.name}\0".encode() + file.read_bytes() + b"\0")
    return hashed.hexdigest()


@cache
def _packages() -> dict[str, str]:
    return read_versions().packages
