"""Classes by name: registered by being there, declared by another package's entry point, or given by a dotted path."""

from registry.find import declared_names, find_class, known_classes

__all__ = [
    "declared_names",
    "find_class",
    "known_classes",
]
