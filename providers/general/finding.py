"""From ``--provider http:FILE.toml`` to a class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vocabulary import ConfigurationError

if TYPE_CHECKING:
    from providers.general.from_file import FromFile
    from providers.general.toml_file import TomlFile

_KINDS = ("http",)
"""What may stand before the colon of ``--provider http:FILE.toml``."""

EXAMPLES = Path(__file__).parent / "examples"


def is_configured(name: str) -> bool:
    """Whether a provider of that name is described by a file."""
    return name.partition(":")[0] in _KINDS


def configured_name(file: str) -> str:
    """The provider's name for a file, or for an example: ``http:FILE.toml``; raises `ConfigurationError`."""
    kind, colon, _rest = file.partition(":")
    return file if colon and kind in _KINDS else f"{_KINDS[0]}:{file}"


def configured_provider(name: str) -> type[FromFile]:
    """The provider that the file in `name` describes, as ``http:FILE.toml`` or, of the examples, ``http:letta``.

    Raises `ConfigurationError` with one line that names file, line and key.
    """
    from providers.general.http import Http

    kind, _colon, shown = name.partition(":")
    if not shown:
        raise ConfigurationError(f"provider {kind} needs a file: --provider {kind}:FILE.toml. Examples: {_examples()}.")
    return Http.defined(name, _read(shown))


def _read(shown: str) -> TomlFile:
    from providers.general.toml_file import TomlFile

    path = Path(shown)
    if path.suffix or path.exists():
        return TomlFile.read(path, shown)
    example = EXAMPLES / f"{shown}.toml"
    if not example.is_file():
        raise ConfigurationError(f"{shown} is no file, and no example. Examples: {_examples()}.")
    return TomlFile.read(example, example.name)


def _examples() -> str:
    return ", ".join(sorted(path.stem for path in EXAMPLES.glob("*.toml")))
