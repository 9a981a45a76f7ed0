"""The memory systems under test, and the baselines that they must beat. One file each."""

from providers.base import Capabilities, Ceiling, Limits, Provider, ProviderSettings, Recalled
from registry import find_class


def find_provider(name: str) -> type[Provider]:
    """The provider class of that name or dotted path; raises `UnknownNameError`."""
    return find_class("provider", name, Provider, "providers")


__all__ = ["Capabilities", "Ceiling", "Limits", "Provider", "ProviderSettings", "Recalled", "find_provider"]
