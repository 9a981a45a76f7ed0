"""The memory systems under test, and the baselines that they must beat. One file each."""

from providers.base import Capabilities, Ceiling, Limits, Provider, ProviderSettings, Recalled
from providers.general import configured_name, configured_provider, described, is_configured
from registry import find_class


def find_provider(name: str) -> type[Provider]:
    """The provider class of that name, dotted path or file (``http:FILE.toml``); raises `ConfigurationError`."""
    if is_configured(name):
        return configured_provider(name)
    return find_class("provider", name, Provider, "providers")


__all__ = [
    "Capabilities",
    "Ceiling",
    "Limits",
    "Provider",
    "ProviderSettings",
    "Recalled",
    "configured_name",
    "configured_provider",
    "described",
    "find_provider",
    "is_configured",
]
