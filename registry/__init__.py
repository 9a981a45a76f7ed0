"""Classes by name: what is registered by being there, or given by its dotted path."""

from registry.find import find_class, known_classes

__all__ = [
    "find_class",
    "known_classes",
]
