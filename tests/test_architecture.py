"""The floors of the house, its faces, and what has no place in it."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
ROOMS: list[str] = SETTINGS["importlinter"]["root_packages"]

# Modules that other rooms may import although they are not their room's face, each with the reason.
ALSO_A_FACE: dict[str, str] = {}

NAMES_THAT_SAY_NOTHING = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))",
        ],
        cwd=folder,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def imports_past_a_face(rooms: Sequence[str]) -> list[str]:
    """Imports of another room's module, each as ``importer: line``; reads files and runs none of them."""
    graph = grimp.build_graph(*rooms, cache_dir=None)
    found = []
    for importer in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            if "." in imported and importer.split(".")[0] != imported.split(".")[0] and imported not in ALSO_A_FACE:
                details = graph.get_import_details(importer=importer, imported=imported)
                found += [f"{importer}:{d['line_number']}: {d['line_contents']}" for d in details]
    return found


def test_every_room_is_under_the_contracts() -> None:
    folders = {path.parent.name for path in ROOT.glob("[a-z]*/__init__.py")} - {"tests"}
    assert folders == set(ROOMS)
    assert set(SETTINGS["mypy"]["files"]) == {*ROOMS, "conftest.py"}
    layers = " | ".join(layer for c in SETTINGS["importlinter"]["contracts"] for layer in c["layers"])
    assert set(layers.split(" | ")) == set(ROOMS)


def test_imports_only_point_down() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_contract_sees_imports_that_point_up_or_sideways(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    wrong = {"schema": "llms", "llms": "providers", "reports": "judges", "judges": "bench"}
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
        (tmp_path / room / "low.py").write_text(f"import {wrong[room]}\n" if room in wrong else "import schema\n")
    result = lint_imports(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    for importer, imported in wrong.items():
        assert f"{importer}.low -> {imported}" in result.stdout


def test_rooms_import_each_other_by_their_faces() -> None:
    found = imports_past_a_face(ROOMS)
    assert not found, "import these from the room's face instead:\n" + "\n".join(found)


def test_an_import_past_a_face_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kitchen", "cellar"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "cellar" / "shelf.py").write_text("wine = 1\n")
    (tmp_path / "cellar" / "door.py").write_text("from cellar.shelf import wine\n")
    (tmp_path / "kitchen" / "cook.py").write_text(
        "import cellar\nfrom cellar import wine\n\ndef pour():\n    from cellar.shelf import wine\n    return wine\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert imports_past_a_face(["kitchen", "cellar"]) == ["kitchen.cook:5: from cellar.shelf import wine"]


def test_exceptions_to_the_faces_are_still_used() -> None:
    graph = grimp.build_graph(*ROOMS, cache_dir=None)
    importers = {face: graph.find_modules_that_directly_import(face) for face in ALSO_A_FACE}
    needless = [face for face, by in importers.items() if all(m.split(".")[0] == face.split(".")[0] for m in by)]
    assert needless == []


def test_conftest_only_wires() -> None:
    module = ast.parse((ROOT / "conftest.py").read_text(encoding="utf-8"))
    wiring = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
    assert [ast.unparse(node) for node in module.body if not isinstance(node, wiring)] == []


def test_data_folder_holds_no_code() -> None:
    # A package named `datasets` would shadow the Hugging Face library, which memory systems import.
    assert [str(path) for path in (ROOT / "datasets").rglob("*.py*")] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    files = [path.relative_to(ROOT) for room in (*ROOMS, "tests") for path in (ROOT / room).rglob("*.py")]
    assert files
    assert [str(path) for path in files if NAMES_THAT_SAY_NOTHING & {*path.parent.parts, path.stem}] == []
