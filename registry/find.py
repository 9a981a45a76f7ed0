"""How a name on the command line becomes a class: by looking, not by a list that somebody must keep."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from registry.declared import GROUPS, declared, origin
from vocabulary import ConfigurationError, UnknownNameError

T = TypeVar("T")


def known_classes(base: type[T], package: str, *, mentioning: str = "") -> dict[str, type[T]]:
    """The concrete subclasses of `base` in the modules of `package` and its sub-packages, by their ``name``.

    Modules named ``test_*`` and ``__main__`` are not imported, and only those whose source has the string `mentioning`
    in quotes where one is given. Classes that were made from files do not count.
    """
    for module, source in _modules(package):
        if not mentioning or f'"{mentioning}"' in source.read_text(encoding="utf-8"):
            importlib.import_module(module)
    found: dict[str, type[T]] = {}
    waiting = list(base.__subclasses__())
    while waiting:
        subclass = waiting.pop()
        waiting += subclass.__subclasses__()
        nameable = hasattr(subclass, "name") and not inspect.isabstract(subclass)  # else only a base of others
        written = vars(sys.modules.get(subclass.__module__, object)).get(subclass.__name__) is subclass
        if nameable and written and subclass.__module__.startswith(f"{package}."):
            found[_name_of(subclass)] = subclass
    return found


def declared_names(package: str) -> list[str]:
    """The names that other packages give to classes such as those of `package`, by entry points; imports nothing."""
    return sorted(declared(package))


def find_class(kind: str, name: str, base: type[T], package: str) -> type[T]:
    """The class that `name` means: a known name of `package`, an entry point, or a path ``my_package.memory:Mine``.

    Raises `UnknownNameError` if nothing has that name, `ConfigurationError` if several have it or if it does not lead
    to a `base`.
    """
    if ":" in name:
        return _checked(kind, name, _import(kind, name, name), base)
    points = declared(package).get(name, ())
    known = known_classes(base, package, mentioning=name)
    if name not in known:
        known = known_classes(base, package)
    if name in known and not points:
        return known[name]
    if not points:
        hint = f"Your own can be given by its path, as in my_package.my_module:My{base.__name__}."
        raise UnknownNameError(kind, name, [*known, *declared_names(package)], hint)
    owners = [*([f"{package} of this suite"] if name in known else []), *map(origin, points)]
    if len(owners) > 1:
        raise ConfigurationError(
            f"{kind} {name!r} has several meanings: {', '.join(owners)}. Give each a name of its own in the entry "
            f"points {GROUPS[package]}, or name yours by its path, {points[0].value}."
        )
    found = _checked(kind, name, _import(kind, name, points[0].value), base)
    if _name_of(found) != name:
        raise ConfigurationError(
            f"{kind} {name!r} is called {_name_of(found)!r} by its class ({owners[0]}). Give the entry point that name."
        )
    return found


def _import(kind: str, name: str, path: str) -> object:
    module_name, _, attribute = path.partition(":")
    source = "" if path == name else f" from {path}"
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        message = f"{kind} {name!r} cannot be imported{source}: {error}. Is its folder on PYTHONPATH?"
        raise ConfigurationError(message) from error


def _checked(kind: str, name: str, found: object, base: type[T]) -> type[T]:
    """The class `found` that a path leads to, if it can be used."""
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigurationError(f"{kind} {name!r} is not a subclass of {base.__module__}.{base.__name__}.")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise ConfigurationError(f"{kind} {name!r} does not define: {missing}.")
    if not hasattr(found, "name"):
        raise ConfigurationError(f'{kind} {name!r} has no name; give its class one, as in: name = "mine".')
    return found


def _name_of(found: type[Any]) -> str:
    return str(found.name)


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    """The modules of a package and its sub-packages, each with its source file."""
    for folder in importlib.import_module(package).__path__:
        for module in pkgutil.iter_modules([folder], f"{package}."):
            own_name = module.name.rpartition(".")[2]
            if module.ispkg:
                yield from _modules(module.name)
            elif not own_name.startswith(("test_", "__")):
                yield module.name, Path(folder, f"{own_name}.py")
