"""How a name on the command line becomes a class: by looking, not by a list that somebody must keep."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any, TypeVar

from vocabulary import ConfigurationError, UnknownNameError

T = TypeVar("T")


def known_classes(base: type[T], package: str) -> dict[str, type[T]]:
    """The concrete subclasses of `base` in the modules of `package` and its sub-packages, by their ``name``.

    Modules named ``test_*`` and ``__main__`` are not imported. Classes that were made from files do not count.
    """
    for module in _modules(package):
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


def find_class(kind: str, name: str, base: type[T], package: str) -> type[T]:
    """The class that `name` means: a known name of `package`, or a dotted path ``my_package.memory:MyProvider``.

    Raises `UnknownNameError` if nothing has that name, `ConfigurationError` if the path does not lead to a `base`.
    """
    if ":" not in name:
        known = known_classes(base, package)
        if name not in known:
            hint = f"Your own can be given by its path, as in my_package.my_module:My{base.__name__}."
            raise UnknownNameError(kind, name, known, hint)
        return known[name]
    module_name, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        message = f"{kind} {name!r} cannot be imported: {error}. Is its folder on PYTHONPATH?"
        raise ConfigurationError(message) from error
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


def _modules(package: str) -> Iterator[str]:
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if module.ispkg:
            yield from _modules(module.name)
        elif not module.name.rpartition(".")[2].startswith(("test_", "__")):
            yield module.name
