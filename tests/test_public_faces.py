"""A room's face names exactly what others may use."""

from __future__ import annotations

import ast
import importlib
import tomllib
from collections.abc import Iterable, Iterator

import pytest

from tests.repository import ROOT

ROOMS: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
    "root_packages"
]


def public_names(source: str, room: str) -> set[str]:
    """Names that a room's ``__init__`` defines or takes from its own modules, without a leading underscore.

    What it imports from elsewhere is its own business. Imports under ``if TYPE_CHECKING`` count: a face may be lazy.
    """
    return {name for name in _bound(ast.parse(source).body, room) if not name.startswith("_")}


def _bound(statements: Iterable[ast.stmt], room: str) -> Iterator[str]:
    for node in statements:
        match node:
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] == room:
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign():
                yield from (
                    name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)
                )
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If():
                yield from _bound([*node.body, *node.orelse], room)
            case ast.Try():
                yield from _bound([*node.body, *node.orelse, *node.finalbody], room)


def reading_order(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then functions, as ruff sorts an ``__all__``."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


PACKAGES = sorted(
    ".".join(path.parent.relative_to(ROOT).parts) for room in ROOMS for path in (ROOT / room).rglob("__init__.py")
)


@pytest.mark.parametrize("package", PACKAGES)
def test_face_names_all_that_is_public_and_nothing_else(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__doc__, "a package says what it is for"
    named = list(getattr(module, "__all__", ()))
    face = ROOT / package.replace(".", "/") / "__init__.py"
    assert set(named) == public_names(face.read_text(encoding="utf-8"), package.partition(".")[0])
    assert named == sorted(set(named), key=reading_order)
    assert [name for name in named if not hasattr(module, name)] == []


def test_public_names_are_found_in_every_form() -> None:
    source = """
from typing import TYPE_CHECKING
from vocabulary import find_class
from room.a import First, second as renamed, _hidden
if TYPE_CHECKING:
    from room.b import Lazy
LIMIT, _private = 1, 2
typed: int = 3
def function(): local = 1
class Thing: attribute = 1
"""
    assert public_names(source, "room") == {"First", "renamed", "Lazy", "LIMIT", "typed", "function", "Thing"}
