"""What providers that a file describes have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import SecretStr

from net import redact
from providers.base import Provider, ProviderSettings
from providers.general.advice import Advice, explained
from providers.general.results import Fault
from providers.general.toml_file import TomlFile
from vocabulary import ProviderError


class FromFile(Provider):
    """A provider of a class of its own for each `file`. `advice` says which keys a check of the kit is about."""

    file: ClassVar[TomlFile]
    advice: ClassVar[Advice]

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        key: SecretStr | None = getattr(settings, "api_key", None)
        self.key = key.get_secret_value() if key else ""

    @classmethod
    def explained(cls, check: str) -> Iterator[str]:
        """Lines of the file that a check of the conformance kit is about."""
        return explained(cls.file, cls.advice, check)

    @classmethod
    def described(cls, settings: ProviderSettings) -> Sequence[str]:
        """What a run shows of it before it begins, a text for each line; nothing unless overridden."""
        del settings
        return ()

    def shown(self, text: str) -> str:
        """A text of the service as an error may show it, without the key."""
        return redact(text, (self.key,))

    def fault(self, *table: str) -> Fault:
        """Errors about keys of a table of the file."""

        def fault(key: str, message: str) -> ProviderError:
            return ProviderError(f"{self.name}: {self.file.at((*table, key), self.shown(message))}")

        return fault
