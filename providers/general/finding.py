"""From ``--provider http:FILE.toml`` to a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vocabulary import ConfigurationError

if TYPE_CHECKING:
    from providers.base import Provider, ProviderSettings
    from providers.general.from_file import FromFile
    from providers.general.toml_file import TomlFile

_KINDS = ("http", "mcp")
"""What may stand before the colon of ``--provider http:FILE.toml``."""

EXAMPLES = Path(__file__).parent / "examples"


def is_configured(name: str) -> bool:
    """Whether a provider of that name is described by a file."""
    kind, colon, _file = name.partition(":")
    return bool(colon) and kind in _KINDS


def configured_name(file: str) -> str:
    """The provider's name for a file, by what is in it: ``http:FILE.toml``; raises `ConfigurationError`."""
    if is_configured(file):
        return file
    content = _read("http", file).content
    return f"{'mcp' if 'command' in content or 'url' in content else 'http'}:{file}"


def configured_provider(name: str) -> type[FromFile]:
    """The provider that the file in `name` describes, as ``http:FILE.toml`` or, of the examples, ``http:letta``.

    Raises `ConfigurationError` with one line that names file, line and key.
    """
    from providers.general.http import Http
    from providers.general.mcp import Mcp

    kind, _colon, shown = name.partition(":")
    if not shown:
        raise ConfigurationError(
            f"provider {kind} needs a file: --provider {kind}:FILE.toml. Examples: {_examples(kind)}."
        )
    return (Mcp if kind == "mcp" else Http).defined(name, _read(kind, shown))


def described(found: type[Provider], settings: ProviderSettings) -> Sequence[str]:
    """What a run shows of a provider before it begins, a text for each line: what its file leaves to be found out."""
    from providers.general.from_file import FromFile

    return found.described(settings) if issubclass(found, FromFile) else ()


def _read(kind: str, shown: str) -> TomlFile:
    from providers.general.toml_file import TomlFile

    path = Path(shown)
    if path.suffix or path.exists():
        return TomlFile.read(path, shown)
    example = EXAMPLES / kind / f"{shown}.toml"
    if not example.is_file():
        raise ConfigurationError(f"{shown} is no file, and no example. Examples: {_examples(kind)}.")
    return TomlFile.read(example, example.name)


def _examples(kind: str) -> str:
    return ", ".join(sorted(path.stem for path in (EXAMPLES / kind).glob("*.toml")))
